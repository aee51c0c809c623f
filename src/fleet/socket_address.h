// Binding the agents' port.
#pragma once
#include <string>

#include "base/result.h"
#include "net/http_server.h"
#include "os/file.h"

namespace sp::fleet {

struct BoundSocket {
  os::Fd socket;
  /// With the real port.
  net::Endpoint endpoint;
};

/// A listening, non-blocking TCP socket. Error "net.bind" names address and port.
Result<BoundSocket> bindListener(const net::Endpoint& endpoint);

/// "127.0.0.1:50312" of the other end; "?" if it has gone.
std::string remoteAddress(int fd);

/// "HOST:PORT", "[V6]:PORT"; where the server listens on every address, the loopback one, which its own machines reach.
std::string dialAddress(const net::Endpoint& endpoint);

}  // namespace sp::fleet
