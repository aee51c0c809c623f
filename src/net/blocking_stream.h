// A connected socket, plain or TLS, for code that may wait: every wait is bounded.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace sp::net {

/// One thread at a time. Errors: net.connect, net.timeout, net.closed, net.tls.
class BlockingStream {
 public:
  virtual ~BlockingStream() = default;
  /// At least one byte; 0 at the end of the stream. `timeout_ms` bounds the wait for the first byte.
  virtual Result<std::size_t> read(char* buffer, std::size_t size, int timeout_ms) = 0;
  /// All of it; `timeout_ms` bounds each wait for room.
  virtual Result<void> write(std::string_view bytes, int timeout_ms) = 0;
};

/// Resolves the name, tries its addresses in turn, and does the handshake; all within `timeout_ms` (the resolver's own
/// time excepted).
Result<std::unique_ptr<BlockingStream>> connectBlocking(const std::string& host, std::uint16_t port, const std::optional<ClientTls>& tls,
                                                        int timeout_ms);

}  // namespace sp::net
