// HTTP and HTTPS to anybody's servers: one thread for all requests, so that one that hangs keeps none of the others.
//
// libcurl stands behind it, opened with the first request: a process that never makes one (an agent, most verbs) does not carry it and the
// thirty libraries that come with it. Certificates must be signed by one of the system's authorities, or by one of `ca_file`. Redirects are
// not followed. Proxies as the environment says (http_proxy, https_proxy, no_proxy).
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"

namespace sp::net {

struct WebRequest {
  std::string method = "GET";
  /// http:// or https://
  std::string url;
  /// Host and Content-Length are made from the rest. A name that is no token or a CR, LF or NUL in a value is net.protocol.
  Headers headers;
  std::string body;
  /// Without: no body and no Content-Length at all.
  bool has_body = false;
  /// For all of it: name, connection, handshake, answer.
  int timeout_ms = 5'000;
  /// So much of the answer's body is read; what is beyond is left, or (`whole`) an error.
  std::size_t body_limit = 64U << 10U;
  /// The same of its headers and trailers, those of answers that only announce another included.
  static constexpr std::size_t kMostHead = 64U << 10U;
  static constexpr std::size_t kMostHeadLines = 256;
  bool whole = false;
  /// Only the answer's status and headers count: its body is not kept, no encoding is asked for, and whatever becomes of the body, the
  /// answer is told once a final status (200 or more) has come.
  bool status_only = false;
  /// Without a proxy, whatever the environment says.
  bool direct = false;
};

class WebClient {
 public:
  /// Called once, by the client's thread. Errors: net.connect, net.timeout, net.tls, net.closed, net.protocol, net.too_large, net.library.
  /// Their texts name hosts and never what else stands in a request.
  using Told = std::function<void(Result<Response>)>;

  /// `ca_file`: PEM, further authorities; empty: none.
  static std::unique_ptr<WebClient> make(std::string ca_file);
  virtual ~WebClient() = default;
  /// Any thread. After stop() nothing is sent and nobody told.
  virtual void send(WebRequest request, Told told) = 0;
  /// Drops what is under way without telling anybody, and ends the thread. Not by the thread itself.
  virtual void stop() = 0;
};

}  // namespace sp::net
