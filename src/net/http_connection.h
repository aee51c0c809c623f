// One connection of the HTTP server: reads requests, hands them to the handler, writes answers, one after another.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "net/byte_stream.h"
#include "net/http.h"
#include "net/request_parser.h"

namespace sp::net {

/// What connections share with their server. Outlives it while a reply is still to come.
class ConnectionHome {
 public:
  virtual ~ConnectionHome() = default;
  /// Runs `action` on the network thread; dropped once the server has gone. Any thread.
  virtual void post(std::function<void()> action) = 0;
  virtual bool onNetworkThread() const = 0;
  /// "Date: …\r\n", made once a second.
  virtual std::string_view dateLine() = 0;
  virtual Handler& handler() = 0;
  virtual const HttpLimits& limits() const = 0;
  /// The connection has closed. Network thread.
  virtual void gone(class HttpConnection& connection) = 0;
};

class HttpConnection final : public StreamEvents, public std::enable_shared_from_this<HttpConnection> {
 public:
  using Time = std::chrono::steady_clock::time_point;

  HttpConnection(std::shared_ptr<ConnectionHome> home, std::unique_ptr<ByteStream> stream, std::string remote);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection() override;

  void start();
  /// Looks at the deadline; called about twice a second.
  void tick(Time now);
  /// The server stops: an idle connection closes, a busy one after its answer.
  void drain();
  void close();

  void onStarted(bool ok) override;
  void onRead(bool ok, std::size_t bytes) override;
  void onWritten(bool ok) override;

 private:
  class ReplyOnce;
  enum class Phase { starting, head, body, dropping, continuing, working, answering, lingering, closed };

  void advance();
  /// One event of the parser; false when nothing more can be done now.
  bool step(std::string_view& input);
  bool onHead();
  void onComplete();
  void needMore();
  void readMore();
  void answerError(int status, std::string_view reason);
  void replied(Response response);
  void respond(Response response, bool may_keep);
  void writeHead();
  void writeSource();
  void writeLive();
  void writeChunk(std::string bytes);
  void answered();
  void linger();
  void setDeadline(int seconds);

  std::shared_ptr<ConnectionHome> home_;
  std::unique_ptr<ByteStream> stream_;
  std::string remote_;
  RequestParser parser_;
  std::unique_ptr<Exchange> exchange_;
  Phase phase_ = Phase::starting;
  Time deadline_ = Time::max();

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t from_ = 0;
  std::size_t to_ = 0;
  bool reading_ = false;
  bool peer_done_ = false;
  std::size_t lingered_ = 0;

  bool head_request_ = false;
  bool keep_ = true;
  bool head_begun_ = false;
  bool http10_ = false;
  bool draining_ = false;
  std::optional<Response> early_;
  Response response_;
  std::string out_;
  std::uint64_t source_left_ = 0;
  /// A live answer has nothing to write now, since when; and it has said its last.
  bool live_waits_ = false;
  bool live_over_ = false;
  Time live_quiet_since_;
  /// Itself while nothing is under way that would keep it.
  std::shared_ptr<HttpConnection> live_kept_;
};

}  // namespace sp::net
