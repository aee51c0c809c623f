// A blocking HTTP/1.1 client for people's verbs and for the agent: plain TCP or TLS, keep-alive, deadlines.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/http.h"

namespace sp::net {

struct ClientTls {
  /// PEM file of the CA that must have signed the server's certificate.
  std::string ca_file;
  /// Client certificate and key in PEM files; empty: none.
  std::string cert_file;
  std::string key_file;
  /// Name to verify; empty: the host.
  std::string server_name;
  /// The server's certificate is taken whatever this machine's clock says. For an authority of our own, whose servers' keys
  /// live no longer than the server's process: a host whose clock is wrong must not lose its line.
  bool ignore_clock = false;
};

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  /// Host, Content-Length and Connection are set by the client unless given.
  Headers headers;
  std::string body;
  /// Used instead of body if set, with `body_length` bytes.
  std::function<Result<std::string>(std::size_t limit)> body_source;
  std::uint64_t body_length = 0;
};

/// One connection, reopened when the server has closed it. One thread at a time.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Whole answer in memory, body at most `body_limit` bytes. Errors: net.connect, net.timeout, net.closed, net.tls,
  /// net.protocol, net.too_large.
  virtual Result<Response> send(const ClientRequest& request, std::size_t body_limit = 64U << 20U) = 0;
  /// The body goes to `sink` piece by piece; the Response's own body stays empty.
  virtual Result<Response> stream(const ClientRequest& request, const std::function<Result<void>(std::string_view)>& sink) = 0;
};

std::unique_ptr<HttpClient> makeHttpClient(const std::string& host, std::uint16_t port, const std::optional<ClientTls>& tls,
                                           int timeout_seconds = 60);

}  // namespace sp::net
