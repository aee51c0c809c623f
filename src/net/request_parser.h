// HTTP/1.1 requests out of bytes, without a socket: feed what has arrived, get one event at a time.
#pragma once
#include <memory>
#include <string_view>

#include "net/http.h"

namespace sp::net {

/// Parses the requests of one connection, one after another. Not thread-safe.
class RequestParser {
 public:
  enum class Step {
    /// All of the input that makes sense alone is consumed; call again with more behind what is left of it.
    needMore,
    /// The head is complete: takeHead().
    head,
    /// `bytes` is the next piece of the body; valid while the input lives.
    body,
    /// The request is complete; reset() before the next.
    complete,
    /// Answer `status` and close.
    error,
  };
  struct Event {
    Step step = Step::needMore;
    std::string_view bytes;
    int status = 0;
    /// For people: what is wrong and the limit.
    std::string_view reason;
  };

  explicit RequestParser(const HttpLimits& limits);
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;
  ~RequestParser();

  /// The next event; takes what it used from the front of `input`. After an error only reset() is allowed.
  Event next(std::string_view& input);
  /// After Step::head, once.
  RequestHead takeHead();
  /// After Step::head: whether the connection may carry another request.
  bool keepAlive() const;
  /// HTTP/1.0 clients must be told that the connection stays open.
  bool isHttp10() const;
  /// Whether bytes of a request have been consumed that is not complete yet.
  bool midRequest() const;
  void reset();

 private:
  class Core;
  const HttpLimits limits_;
  std::unique_ptr<Core> core_;
};

}  // namespace sp::net
