#include <array>

#include <fmt/format.h>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "net/streams.h"

namespace sp::net {
namespace asio = boost::asio;
namespace {

using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

class TlsStream final : public ByteStream {
 public:
  TlsStream(Tcp::socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

  void start(std::shared_ptr<StreamEvents> events) override {
    stream_.async_handshake(asio::ssl::stream_base::server, [e = std::move(events)](const ErrorCode& ec) { e->onStarted(!ec); });
  }

  void read(std::shared_ptr<StreamEvents> events, char* buffer, std::size_t size) override {
    stream_.async_read_some(asio::buffer(buffer, size),
                            [e = std::move(events)](const ErrorCode& ec, std::size_t bytes) { e->onRead(!ec, bytes); });
  }

  void write(std::shared_ptr<StreamEvents> events, std::string_view first, std::string_view second) override {
    const std::array<asio::const_buffer, 2> buffers = {asio::const_buffer(first.data(), first.size()),
                                                       asio::const_buffer(second.data(), second.size())};
    asio::async_write(stream_, buffers, [e = std::move(events)](const ErrorCode& ec, std::size_t) { e->onWritten(!ec); });
  }

  // The close_notify is left out: every answer tells its length, so its end is known without.
  void finishWriting() override {
    ErrorCode ignored;
    stream_.lowest_layer().shutdown(Tcp::socket::shutdown_send, ignored);
  }

  void close() override {
    ErrorCode ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  asio::ssl::stream<Tcp::socket> stream_;
};

int chooseAlpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in, unsigned in_length, void*) {
  constexpr std::string_view kHttp = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const auto got = SSL_select_next_proto(&chosen, out_length, reinterpret_cast<const unsigned char*>(kHttp.data()),
                                         static_cast<unsigned>(kHttp.size()), in, in_length);
  *out = chosen;
  return got == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

class ServerTls final : public TlsContext {
 public:
  ServerTls() : context_(asio::ssl::context::tls_server) {}

  Result<void> load(const TlsFiles& files) {
    ErrorCode ec;
    SSL_CTX_set_min_proto_version(context_.native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context_.native_handle(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context_.native_handle(), chooseAlpn, nullptr);
    context_.use_certificate_chain_file(files.cert, ec);
    if (ec)
      return fail("net.tls",
                  fmt::format("cannot use {} as the TLS certificate chain ({}); it must be a readable PEM file", files.cert, ec.message()));
    context_.use_private_key_file(files.key, asio::ssl::context::pem, ec);
    if (ec)
      return fail("net.tls", fmt::format("cannot use {} as the key of {} ({}); it must be the unencrypted PEM key of that certificate",
                                         files.key, files.cert, ec.message()));
    return {};
  }

  std::unique_ptr<ByteStream> makeStream(Tcp::socket socket) override { return std::make_unique<TlsStream>(std::move(socket), context_); }

 private:
  asio::ssl::context context_;
};

}  // namespace

Result<std::unique_ptr<TlsContext>> makeTlsContext(const TlsFiles& files) {
  auto made = std::make_unique<ServerTls>();
  SP_CHECK_OK(made->load(files));
  return made;
}

}  // namespace sp::net
