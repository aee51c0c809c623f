// The HTTP server of the API port (Asio, Beast's parser fed by hand). One network thread.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"

namespace sp::net {

/// "127.0.0.1:4747", "[::1]:0". `port` 0: any free one.
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  static Result<Endpoint> parse(std::string_view text);
  std::string text() const;
  bool isLoopback() const;
};

/// Certificate chain and key in PEM files.
struct TlsFiles {
  std::string cert;
  std::string key;
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;
  /// Accepts connections from now on. `handler` outlives the server.
  virtual void start() = 0;
  /// No new connections; answers under way are finished (at most `grace_seconds`), then all is closed.
  virtual void stop(int grace_seconds) = 0;
  /// The real address after binding.
  virtual Endpoint endpoint() const = 0;
};

/// Binds and listens. Error "net.bind" names address, port and what to do (who uses it, --listen).
Result<std::unique_ptr<HttpServer>> listenHttp(const Endpoint& endpoint, Handler& handler, const HttpLimits& limits,
                                               const std::optional<TlsFiles>& tls);

}  // namespace sp::net
