// Makes streams of accepted sockets. Only for net's own files: it includes Asio.
#pragma once
#include <memory>

#include <boost/asio/ip/tcp.hpp>

#include "net/byte_stream.h"
#include "net/http_server.h"

namespace sp::net {

std::unique_ptr<ByteStream> makeTcpStream(boost::asio::ip::tcp::socket socket);

/// A server's TLS settings; made once.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  virtual std::unique_ptr<ByteStream> makeStream(boost::asio::ip::tcp::socket socket) = 0;
};

/// Error "net.tls": a file that cannot be used, by name.
Result<std::unique_ptr<TlsContext>> makeTlsContext(const TlsFiles& files);

}  // namespace sp::net
