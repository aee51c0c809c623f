#include "net/blocking_stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <csignal>

#include <cerrno>
#include <chrono>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace sp::net {
namespace {

using Clock = std::chrono::steady_clock;

struct Socket {
  int fd = -1;
  Socket() = default;
  explicit Socket(int handle) : fd(handle) {}
  Socket(Socket&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

// True when ready; an error when the deadline passed.
Result<void> waitFor(int fd, short events, Clock::time_point deadline, const std::string& peer) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return fail("net.timeout", fmt::format("{} did not answer in time", peer));
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left + 1, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return failErrno("net.closed", "cannot wait for " + peer, errno);
  }
}

Clock::time_point after(int timeout_ms) { return Clock::now() + std::chrono::milliseconds(timeout_ms); }

class PlainStream final : public BlockingStream {
 public:
  PlainStream(Socket socket, std::string peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}

  Result<std::size_t> read(char* buffer, std::size_t size, int timeout_ms) override {
    const auto deadline = after(timeout_ms);
    while (true) {
      const auto got = ::recv(socket_.fd, buffer, size, 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return failErrno("net.closed", "the connection to " + peer_ + " broke", errno);
      SP_CHECK_OK(waitFor(socket_.fd, POLLIN, deadline, peer_));
    }
  }

  Result<void> write(std::string_view bytes, int timeout_ms) override {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        SP_CHECK_OK(waitFor(socket_.fd, POLLOUT, after(timeout_ms), peer_));
      } else if (errno != EINTR) {
        return failErrno("net.closed", "the connection to " + peer_ + " broke", errno);
      }
    }
    return {};
  }

 private:
  Socket socket_;
  std::string peer_;
};

// OpenSSL writes to the socket without MSG_NOSIGNAL: a broken connection must not kill the program.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    if (!was_pending_) {
      constexpr timespec kNow{};
      while (sigtimedwait(&pipe_, nullptr, &kNow) < 0 && errno == EINTR) {}
    }
    pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  sigset_t pipe_{};
  sigset_t old_{};
  bool was_pending_ = false;
};

std::string opensslText() {
  const auto code = ERR_get_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason != nullptr ? reason : fmt::format("error {:x}", code);
}

class TlsClientStream final : public BlockingStream {
 public:
  TlsClientStream(Socket socket, std::string peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}
  TlsClientStream(const TlsClientStream&) = delete;
  TlsClientStream& operator=(const TlsClientStream&) = delete;
  ~TlsClientStream() override {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  Result<void> handshake(const std::string& host, const ClientTls& tls, Clock::time_point deadline) {
    SP_CHECK_OK(configure(host, tls));
    while (true) {
      int done = 0;
      {
        const NoSigpipe guard;
        ERR_clear_error();
        done = SSL_connect(ssl_);
      }
      if (done == 1) return {};
      const int why = SSL_get_error(ssl_, done);
      if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        SP_CHECK_OK(waitFor(socket_.fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline, peer_));
        continue;
      }
      const auto verified = SSL_get_verify_result(ssl_);
      return fail("net.tls", fmt::format("no TLS connection to {}: {}", peer_,
                                         verified != X509_V_OK ? X509_verify_cert_error_string(verified) : opensslText()));
    }
  }

  Result<std::size_t> read(char* buffer, std::size_t size, int timeout_ms) override {
    std::size_t got = 0;
    SP_CHECK_OK(run(timeout_ms, [&] { return SSL_read_ex(ssl_, buffer, size, &got); }));
    return got;
  }

  Result<void> write(std::string_view bytes, int timeout_ms) override {
    while (!bytes.empty()) {
      std::size_t sent = 0;
      SP_CHECK_OK(run(timeout_ms, [&] { return SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent); }));
      if (sent == 0) return fail("net.closed", "the connection to " + peer_ + " was closed");
      bytes.remove_prefix(sent);
    }
    return {};
  }

 private:
  Result<void> configure(const std::string& host, const ClientTls& tls) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    if (tls.ignore_clock) X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context_), X509_V_FLAG_NO_CHECK_TIME);
    if (!tls.ca_file.empty() && SSL_CTX_load_verify_locations(context_, tls.ca_file.c_str(), nullptr) != 1)
      return fail("net.tls", fmt::format("cannot read the CA certificate {}: {}", tls.ca_file, opensslText()));
    if (tls.ca_file.empty()) SSL_CTX_set_default_verify_paths(context_);
    if (!tls.cert_file.empty() && SSL_CTX_use_certificate_chain_file(context_, tls.cert_file.c_str()) != 1)
      return fail("net.tls", fmt::format("cannot read the certificate {}: {}", tls.cert_file, opensslText()));
    if (!tls.cert_file.empty() && SSL_CTX_use_PrivateKey_file(context_, tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
      return fail("net.tls", fmt::format("cannot use {} as the key of {}: {}", tls.key_file, tls.cert_file, opensslText()));
    ssl_ = SSL_new(context_);
    const auto& name = tls.server_name.empty() ? host : tls.server_name;
    auto* parameters = SSL_get0_param(ssl_);
    in6_addr address{};
    const bool is_ip = inet_pton(AF_INET, name.c_str(), &address) == 1 || inet_pton(AF_INET6, name.c_str(), &address) == 1;
    if (is_ip) {
      X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str());
    } else {
      X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
      SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name.c_str()));
    }
    constexpr std::string_view kAlpn = "\x08http/1.1";
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(kAlpn.data()), static_cast<unsigned>(kAlpn.size()));
    SSL_set_fd(ssl_, socket_.fd);
    return {};
  }

  // Repeats the operation as long as OpenSSL waits for the socket. An orderly end is success with nothing done.
  template <class Operation>
  Result<void> run(int timeout_ms, Operation operation) {
    const auto deadline = after(timeout_ms);
    while (true) {
      int done = 0;
      {
        const NoSigpipe guard;
        ERR_clear_error();
        done = operation();
      }
      if (done == 1) return {};
      const int why = SSL_get_error(ssl_, done);
      if (why == SSL_ERROR_ZERO_RETURN) return {};
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return fail("net.closed", fmt::format("the TLS connection to {} broke: {}", peer_, opensslText()));
      SP_CHECK_OK(waitFor(socket_.fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline, peer_));
    }
  }

  Socket socket_;
  std::string peer_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

Result<Socket> connectTo(const addrinfo& address, Clock::time_point deadline, const std::string& peer) {
  Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.fd < 0) return failErrno("net.connect", "cannot make a socket", errno);
  const int on = 1;
  ::setsockopt(socket.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.fd, address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return failErrno("net.connect", "cannot connect to " + peer, errno);
  SP_CHECK_OK(waitFor(socket.fd, POLLOUT, deadline, peer));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return failErrno("net.connect", "cannot connect to " + peer, error);
  return socket;
}

}  // namespace

Result<std::unique_ptr<BlockingStream>> connectBlocking(const std::string& host, std::uint16_t port, const std::optional<ClientTls>& tls,
                                                        int timeout_ms) {
  const auto deadline = after(timeout_ms);
  const auto peer = host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); rc != 0)
    return fail("net.connect", fmt::format("cannot find the address of {}: {}", host, gai_strerror(rc)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  Result<Socket> socket = fail("net.connect", host + " has no address");
  for (const auto* at = addresses.get(); at != nullptr && !socket; at = at->ai_next) socket = connectTo(*at, deadline, peer);
  if (!socket) return std::unexpected(std::move(socket.error()));
  if (!tls) return std::make_unique<PlainStream>(std::move(*socket), peer);
  auto stream = std::make_unique<TlsClientStream>(std::move(*socket), peer);
  SP_CHECK_OK(stream->handshake(host, *tls, deadline));
  return stream;
}

}  // namespace sp::net
