// HTTP on the agents' port: what an agent fetches and stores beside its messages (scripts, outputs, vault files). Each
// connection has a thread of its own and blocks, so a route is straight-line code; the peer's certificate is checked
// before a route sees anything.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace sp::fleet {

/// One request on its connection. Owned by the listener; one thread.
class AgentHttpStream {
 public:
  virtual ~AgentHttpStream() = default;
  virtual const net::RequestHead& head() const = 0;
  /// The agent of the client certificate ("i-…" or "host").
  virtual const std::string& agent() const = 0;
  /// User and password of HTTP Basic, if sent.
  virtual std::optional<std::pair<std::string, std::string>> credential() const = 0;
  /// The next piece of the body, at most `limit` bytes, valid until the next call; empty at its end.
  virtual Result<std::string_view> readBody(std::size_t limit) = 0;
  /// A whole answer. What is left of the body is read and dropped (up to 64 MiB) or the connection is closed.
  virtual Result<void> respond(int status, const net::Headers& headers, std::string_view body) = 0;
  /// An answer in pieces: the head with the exact length, then that many bytes.
  virtual Result<void> respondHead(int status, const net::Headers& headers, std::uint64_t length) = 0;
  virtual Result<void> write(std::string_view bytes) = 0;
};

class AgentHttpRoute {
 public:
  virtual ~AgentHttpRoute() = default;
  /// Answers one request. Many threads at once.
  virtual void serve(AgentHttpStream& stream) = 0;
};

}  // namespace sp::fleet
