// HTTP on the agents' port: what an agent fetches and stores beside its messages (scripts, outputs, vault files). Each
// connection has a thread of its own and blocks, so a route is straight-line code; what its access asks of the
// peer's certificate is checked before it sees anything.
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
  /// The agent of the client certificate ("i-…" or "host"); empty on a route for anyone.
  virtual const std::string& agent() const = 0;
  /// Its certificate's enrolment, and the public key that the handshake has proved it to hold (DER SubjectPublicKeyInfo).
  virtual std::string enrolment() const { return {}; }
  virtual std::string publicKey() const { return {}; }
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

/// Who may use a route.
enum class AgentHttpAccess {
  /// A certificate that is valid and not taken back.
  agents,
  /// It may have expired.
  renewing,
  /// No certificate is needed. Such connections are few, short and get one answer.
  anyone,
};

class AgentHttpRoute {
 public:
  virtual ~AgentHttpRoute() = default;
  /// Answers one request. Many threads at once.
  virtual void serve(AgentHttpStream& stream) = 0;
};

}  // namespace sp::fleet
