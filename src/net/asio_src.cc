// Asio and Beast are compiled here once (BOOST_*_SEPARATE_COMPILATION); all other files only see their declarations.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
#pragma clang diagnostic pop
