// A port on this host's loopback whose connections go on to a server elsewhere, byte for byte. For a program that checks a TLS
// certificate against the name it dials: the certificate of our server names 127.0.0.1, and not each name or address that reaches it.
// What is encrypted stays so from end to end.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace sp::net {

class Relay {
 public:
  /// Each connection dials the server anew, and ends at once if it cannot be reached. `listener` is of listen() and becomes the relay's,
  /// also if it fails: "net.listen".
  static Result<std::unique_ptr<Relay>> start(int listener, std::string host, std::uint16_t port);
  /// A descriptor that listens on a free port of the loopback, the caller's, maybe to be handed to another process: who connects waits
  /// until the relay starts. Errors "net.listen".
  static Result<int> listen();
  /// "127.0.0.1:PORT" of it.
  static std::string endpointOf(int listener);
  /// Ends all connections.
  virtual ~Relay() = default;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  /// "127.0.0.1:PORT".
  virtual std::string endpoint() const = 0;

 protected:
  Relay() = default;
};

}  // namespace sp::net
