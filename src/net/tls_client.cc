#include "net/tls_client.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/dial.h"
#include "net/frame_reader.h"

namespace sp::net {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

std::string sslText() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason ? reason : "unknown TLS error";
}

Result<std::unique_ptr<SSL_CTX, FreeContext>> makeContext(const ClientTls& tls) {
  std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail("net.tls", sslText());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (tls.ignore_clock) X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_NO_CHECK_TIME);
  if (SSL_CTX_load_verify_locations(context.get(), tls.ca_file.c_str(), nullptr) != 1)
    return fail("net.tls", fmt::format("cannot read the authority's certificate {}: {}", tls.ca_file, sslText()));
  if (tls.cert_file.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), tls.cert_file.c_str()) != 1)
    return fail("net.tls", fmt::format("cannot read the certificate {}: {}", tls.cert_file, sslText()));
  if (SSL_CTX_use_PrivateKey_file(context.get(), tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail("net.tls", fmt::format("cannot use the key {} with {}: {}", tls.key_file, tls.cert_file, sslText()));
  return context;
}

void nameServer(SSL* ssl, const std::string& name) {
  std::array<unsigned char, 16> address{};
  const bool is_ip = ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 || ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
  if (is_ip) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    return;
  }
  SSL_set1_host(ssl, name.c_str());
  // SSL_set_tlsext_host_name is a macro with a C cast.
  std::string sni = name;
  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sni.data());
}

class Client final : public FramedTlsClient {
 public:
  Client(int fd, std::string peer, std::size_t frame_max) : fd_(fd), peer_(std::move(peer)), frame_max_(frame_max), in_(frame_max) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() override {
    ssl_.reset();
    ::close(fd_);
  }

  Result<void> handshake(const FramedTarget& target, SteadyTime deadline) {
    SP_TRY(context_, makeContext(target.tls));
    ssl_.reset(SSL_new(context_.get()));
    nameServer(ssl_.get(), target.tls.server_name.empty() ? target.host : target.tls.server_name);
    const auto offered = static_cast<char>(target.alpn.size()) + target.alpn;
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(offered.data()), static_cast<unsigned>(offered.size()));
    SSL_set_fd(ssl_.get(), fd_);
    while (true) {
      ERR_clear_error();
      const int done = SSL_connect(ssl_.get());
      if (done == 1) break;
      const int why = SSL_get_error(ssl_.get(), done);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return handshakeFailed(why);
      if (!waitFor(fd_, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline))
        return fail("net.timeout", fmt::format("{} did not finish the TLS handshake in time", peer_));
    }
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &length);
    if (std::string_view(reinterpret_cast<const char*>(chosen), length) != target.alpn)
      return fail("net.protocol", fmt::format("{} does not speak {}", peer_, target.alpn));
    return {};
  }

  int fd() const override { return fd_; }
  bool wantsWrite() const override { return !out_.empty(); }
  void queue(std::string_view frame) override { out_.append(frame); }

  Result<void> pump() override {
    SP_CHECK_OK(receive());
    return send();
  }

  Result<std::optional<std::string>> next() override {
    const auto frame = in_.next();
    if (!frame) return fail(frame.error().code, fmt::format("{} sent {}", peer_, frame.error().message));
    return *frame ? std::optional(std::string(**frame)) : std::nullopt;
  }

 private:
  Result<void> handshakeFailed(int why) {
    const auto verified = SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK) return fail("net.tls", fmt::format("{}: {}", peer_, X509_verify_cert_error_string(verified)));
    if (why == SSL_ERROR_SYSCALL || why == SSL_ERROR_ZERO_RETURN)
      return fail("net.closed", peer_ + " closed the connection during the TLS handshake");
    return fail("net.tls", fmt::format("{}: {}", peer_, sslText()));
  }

  // With more than a frame held there is one to take (or an error to tell): the caller takes it and pumps again.
  Result<void> receive() {
    std::array<char, 16384> buffer{};
    while (in_.pending() <= frame_max_ + 4) {
      ERR_clear_error();
      std::size_t got = 0;
      const int done = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &got);
      if (done != 1) return after(done);
      in_.append({buffer.data(), got});
    }
    return {};
  }

  Result<void> send() {
    while (!out_.empty()) {
      ERR_clear_error();
      std::size_t put = 0;
      const int done = SSL_write_ex(ssl_.get(), out_.data(), out_.size(), &put);
      if (done != 1) return after(done);
      out_.erase(0, put);
    }
    std::string().swap(out_);
    return {};
  }

  /// What a call that did nothing means: success when it has only to wait.
  Result<void> after(int done) {
    const int why = SSL_get_error(ssl_.get(), done);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {};
    if (why == SSL_ERROR_SSL) return fail("net.tls", fmt::format("{}: {}", peer_, sslText()));
    return fail("net.closed", peer_ + " closed the connection");
  }

  const int fd_;
  const std::string peer_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  const std::size_t frame_max_;
  FrameReader in_;
  std::string out_;
};

}  // namespace

Result<std::unique_ptr<FramedTlsClient>> FramedTlsClient::connect(const FramedTarget& target, int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  SP_TRY(const int fd, dialTcp(target.host, target.port, deadline));
  auto client = std::make_unique<Client>(fd, fmt::format("{}:{}", target.host, target.port), target.frame_max);
  SP_CHECK_OK(client->handshake(target, deadline));
  return client;
}

}  // namespace sp::net
