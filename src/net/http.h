// HTTP without sockets: what a request and an answer are, for the server, the client and the agents' port.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sp::net {

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

/// First value of that name (case-insensitive), or nullopt.
std::optional<std::string_view> findHeader(const Headers& headers, std::string_view name);

/// The head of a request as it came: target undecoded, headers in order and in their own case.
struct RequestHead {
  std::string method;
  std::string target;
  Headers headers;
  /// "127.0.0.1:50312"
  std::string remote;
  bool expects_continue = false;
  /// From Content-Length; nullopt when chunked. 0 when there is no body.
  std::optional<std::uint64_t> content_length;
};

/// Where an answer's body comes from when it is too large to hold. Used by one connection at a time.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// Up to `limit` bytes; empty at the end. An error cuts the connection.
  virtual Result<std::string> read(std::size_t limit) = 0;
};

/// Where an answer comes from that goes on for as long as there is more to tell. Network thread, but for what calls `ready`.
class LiveSource {
 public:
  virtual ~LiveSource() = default;
  /// What there is now, at most about `limit` bytes; empty: nothing yet. An error cuts the connection.
  virtual Result<std::string> read(std::size_t limit) = 0;
  /// Nothing more will come once read() has given all.
  virtual bool over() const = 0;
  /// `ready` is to be called, by any thread and as often as one likes, when read() may have something. Once, before the first read().
  virtual void onReady(std::function<void()> ready) = 0;
  /// Sent after some seconds of silence, so that either side sees that the other has gone.
  virtual std::string keepAlive() = 0;
};

struct Response {
  int status = 200;
  /// Without Content-Length, Connection and Transfer-Encoding: the server sets them. It adds Date if absent.
  Headers headers;
  std::string body;
  /// Used instead of `body` if set; then `length` is the exact number of its bytes.
  std::shared_ptr<BodySource> source;
  std::uint64_t length = 0;
  /// The connection is closed after this answer.
  bool close = false;
  /// Used instead of `body` and `source` if set: sent in chunks as it comes; the server's stop ends it.
  std::shared_ptr<LiveSource> live{};
};

/// One request on its way through the program. Made by Handler::begin on the network thread when the head is complete.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// An answer that needs no body (bad signature, unknown route, too large): the body is then not read. Called once,
  /// before 100 Continue is sent.
  virtual std::optional<Response> answerEarly() = 0;
  /// The next piece of the body, HTTP chunking removed. Network thread. An answer stops reading.
  virtual std::optional<Response> body(std::string_view bytes) = 0;
  /// The body is complete: exactly one call of `reply`, from any thread, now or later. The exchange lives until then.
  virtual void finish(std::function<void(Response)> reply) = 0;
  /// Nobody will read the answer: the peer has gone. Network thread, between finish() and its reply, at most once.
  virtual void peerGone() {}
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual std::unique_ptr<Exchange> begin(RequestHead head) = 0;
};

/// Bounds of a server. What goes beyond is answered 408, 413, 414 or 431 and closed, or not accepted.
struct HttpLimits {
  std::size_t head_bytes = 64 * 1024;
  std::size_t headers = 200;
  int idle_seconds = 75;
  /// For one whole head, and between two pieces of a body.
  int read_seconds = 30;
  std::size_t connections = 4096;
};

}  // namespace sp::net
