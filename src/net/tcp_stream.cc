#include <array>

#include <boost/asio/write.hpp>

#include "net/streams.h"

namespace sp::net {
namespace asio = boost::asio;
namespace {

using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

class TcpStream final : public ByteStream {
 public:
  explicit TcpStream(Tcp::socket socket) : socket_(std::move(socket)) {}

  void start(std::shared_ptr<StreamEvents> events) override { events->onStarted(true); }

  void read(std::shared_ptr<StreamEvents> events, char* buffer, std::size_t size) override {
    socket_.async_read_some(asio::buffer(buffer, size),
                            [e = std::move(events)](const ErrorCode& ec, std::size_t bytes) { e->onRead(!ec, bytes); });
  }

  void write(std::shared_ptr<StreamEvents> events, std::string_view first, std::string_view second) override {
    const std::array<asio::const_buffer, 2> buffers = {asio::const_buffer(first.data(), first.size()),
                                                       asio::const_buffer(second.data(), second.size())};
    asio::async_write(socket_, buffers, [e = std::move(events)](const ErrorCode& ec, std::size_t) { e->onWritten(!ec); });
  }

  void finishWriting() override {
    ErrorCode ignored;
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
  }

  void close() override {
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  Tcp::socket socket_;
};

}  // namespace

std::unique_ptr<ByteStream> makeTcpStream(Tcp::socket socket) { return std::make_unique<TcpStream>(std::move(socket)); }

}  // namespace sp::net
