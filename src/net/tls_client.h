// A TLS 1.3 connection that carries frames (4-byte big-endian length, then bytes), for a poll loop: the agent's line to
// its server. OpenSSL directly on the socket, buffers released while idle.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace sp::net {

struct FramedTarget {
  std::string host;
  std::uint16_t port = 0;
  ClientTls tls;
  /// The one protocol offered; the server must choose it.
  std::string alpn;
  /// A longer frame from the peer ends the connection ("net.protocol").
  std::size_t frame_max = 1U << 20U;
};

/// One thread. After an error the connection is of no use.
class FramedTlsClient {
 public:
  /// Connects and shakes hands, blocking at most `timeout_ms`. In TLS 1.3 a server that does not accept our certificate
  /// says so only after this: the first pump() then fails with "net.tls". Errors: net.connect, net.timeout, net.tls.
  static Result<std::unique_ptr<FramedTlsClient>> connect(const FramedTarget& target, int timeout_ms);
  virtual ~FramedTlsClient() = default;

  virtual int fd() const = 0;
  /// Poll for POLLOUT too.
  virtual bool wantsWrite() const = 0;
  /// Puts a frame (length included) behind what waits to be sent.
  virtual void queue(std::string_view frame) = 0;
  /// Sends and receives what the socket allows without waiting. Errors: net.closed, net.tls.
  virtual Result<void> pump() = 0;
  /// The next whole frame's content; nullopt: not there yet. Error "net.protocol" for one that is too long.
  virtual Result<std::optional<std::string>> next() = 0;
};

}  // namespace sp::net
