#include "net/http_connection.h"

#include <cstring>

#include <fmt/format.h>
#include <boost/beast/http/status.hpp>

#include "base/log.h"
#include "base/strings.h"

namespace sp::net {
namespace {

constexpr std::size_t kSmallBuffer = 8 * 1024;
constexpr std::size_t kBodyBuffer = 64 * 1024;
constexpr std::size_t kSourcePiece = 256 * 1024;
// A body this small is read and dropped after an early answer, so that the connection can be kept.
constexpr std::uint64_t kDropLimit = 64 * 1024;
// Bodies up to this size go into one buffer with the head.
constexpr std::size_t kJoinLimit = 16 * 1024;
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;
constexpr int kLingerSeconds = 2;
constexpr int kHandshakeSeconds = 10;
constexpr std::size_t kLivePiece = 64 * 1024;
constexpr std::chrono::seconds kKeepAlive{10};

std::string_view reasonOf(int status) {
  const auto text = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  return {text.data(), text.size()};
}

}  // namespace

// Carries an answer to the network thread, and sees to it that one comes: a handler that drops its reply answers 500.
class HttpConnection::ReplyOnce {
 public:
  explicit ReplyOnce(std::shared_ptr<HttpConnection> connection) : connection_(std::move(connection)) {}
  ReplyOnce(const ReplyOnce&) = delete;
  ReplyOnce& operator=(const ReplyOnce&) = delete;
  ~ReplyOnce() {
    if (!connection_) return;
    log::error("a request was dropped without an answer", {{"remote", connection_->remote_}});
    Response response;
    response.status = 500;
    send(std::move(response));
  }
  void send(Response response) {
    const auto connection = std::exchange(connection_, nullptr);
    if (!connection) return;
    if (connection->home_->onNetworkThread()) return connection->replied(std::move(response));
    auto& home = *connection->home_;
    home.post([c = connection, r = std::make_shared<Response>(std::move(response))] { c->replied(std::move(*r)); });
  }

 private:
  std::shared_ptr<HttpConnection> connection_;
};

HttpConnection::HttpConnection(std::shared_ptr<ConnectionHome> home, std::unique_ptr<ByteStream> stream, std::string remote)
    : home_(std::move(home)), stream_(std::move(stream)), remote_(std::move(remote)), parser_(home_->limits()) {}

HttpConnection::~HttpConnection() = default;

void HttpConnection::start() {
  setDeadline(kHandshakeSeconds);
  stream_->start(shared_from_this());
}

void HttpConnection::onStarted(bool ok) {
  if (phase_ == Phase::closed) return;
  if (!ok) return close();
  phase_ = Phase::head;
  advance();
}

void HttpConnection::onRead(bool ok, std::size_t bytes) {
  reading_ = false;
  if (phase_ == Phase::closed) return;
  if (!ok) {
    peer_done_ = true;
    if (phase_ == Phase::working) exchange_->peerGone();
    if (phase_ == Phase::answering && response_.live) return close();
    if (phase_ == Phase::working || phase_ == Phase::answering || phase_ == Phase::continuing) return;
    return close();
  }
  if (phase_ == Phase::lingering) {
    lingered_ += bytes;
    return lingered_ > kLingerBytes ? close() : readMore();
  }
  to_ += bytes;
  if (phase_ == Phase::head || phase_ == Phase::body || phase_ == Phase::dropping) advance();
}

void HttpConnection::advance() {
  std::string_view input(buffer_.get() + from_, to_ - from_);
  try {
    while (step(input)) {}
  } catch (const std::exception& e) {
    // A handler must not end the program, and what it has left half done cannot be gone on with.
    log::error("a request failed with an exception", {{"remote", remote_}, {"error", e.what()}});
    return answerError(500, "The request could not be handled.");
  }
  if (phase_ == Phase::head || phase_ == Phase::body || phase_ == Phase::dropping) needMore();
}

bool HttpConnection::step(std::string_view& input) {
  const auto event = parser_.next(input);
  from_ = to_ - input.size();
  switch (event.step) {
    case RequestParser::Step::needMore: return false;
    case RequestParser::Step::error: answerError(event.status, event.reason); return false;
    case RequestParser::Step::head: return onHead();
    case RequestParser::Step::body: {
      if (phase_ == Phase::dropping) return true;
      auto answer = exchange_->body(event.bytes);
      if (!answer) return true;
      respond(std::move(*answer), false);
      return false;
    }
    case RequestParser::Step::complete: onComplete(); return false;
  }
  return false;
}

bool HttpConnection::onHead() {
  auto head = parser_.takeHead();
  head.remote = remote_;
  head_request_ = head.method == "HEAD";
  keep_ = parser_.keepAlive() && !draining_;
  http10_ = parser_.isHttp10();
  // botocore waits for 100 even if it has sent the body along or has none, and when a final answer comes instead it misreads the
  // next one on that connection: so 100 always comes first, or the connection ends.
  const bool expects = head.expects_continue && !http10_;
  const auto length = head.content_length;
  exchange_ = home_->handler().begin(std::move(head));
  if (auto answer = exchange_->answerEarly()) {
    if (length && *length <= kDropLimit && !expects) {
      early_ = std::move(answer);
      phase_ = Phase::dropping;
      return true;
    }
    respond(std::move(*answer), false);
    return false;
  }
  phase_ = Phase::body;
  if (!expects) return true;
  phase_ = Phase::continuing;
  setDeadline(home_->limits().read_seconds);
  stream_->write(shared_from_this(), "HTTP/1.1 100 Continue\r\n\r\n", {});
  return false;
}

void HttpConnection::onComplete() {
  if (phase_ == Phase::dropping) {
    auto answer = std::move(*early_);
    early_.reset();
    return respond(std::move(answer), true);
  }
  phase_ = Phase::working;
  deadline_ = Time::max();
  exchange_->finish([once = std::make_shared<ReplyOnce>(shared_from_this())](Response response) { once->send(std::move(response)); });
}

void HttpConnection::replied(Response response) {
  if (phase_ != Phase::working) return;
  respond(std::move(response), true);
}

void HttpConnection::needMore() {
  const bool idle = phase_ == Phase::head && from_ == to_ && !parser_.midRequest();
  if (idle && draining_) return close();
  // A head has one deadline from its first byte on; each piece of a body has its own.
  if (idle) setDeadline(home_->limits().idle_seconds);
  else if (phase_ != Phase::head || !head_begun_) setDeadline(home_->limits().read_seconds);
  head_begun_ = !idle;
  readMore();
}

// Room for at least one more byte; what is unread moves to the front or into a larger buffer. It never grows beyond one
// head, or one chunk line: the parser refuses what is longer.
void HttpConnection::readMore() {
  if (reading_) return;
  if (peer_done_) return close();
  if (phase_ == Phase::lingering || from_ == to_) from_ = to_ = 0;
  const auto wanted = phase_ == Phase::body ? kBodyBuffer : kSmallBuffer;
  const auto unread = to_ - from_;
  if (capacity_ < wanted || unread == capacity_ || (unread == 0 && phase_ == Phase::head && capacity_ > kSmallBuffer)) {
    const auto size = std::max(wanted, unread == capacity_ ? capacity_ * 2 : wanted);
    auto larger = std::make_unique_for_overwrite<char[]>(std::max(size, unread + 1));
    if (unread > 0) std::memcpy(larger.get(), buffer_.get() + from_, unread);
    buffer_ = std::move(larger);
    capacity_ = std::max(size, unread + 1);
    from_ = 0;
    to_ = unread;
  } else if (to_ == capacity_) {
    std::memmove(buffer_.get(), buffer_.get() + from_, unread);
    from_ = 0;
    to_ = unread;
  }
  reading_ = true;
  stream_->read(shared_from_this(), buffer_.get() + to_, capacity_ - to_);
}

void HttpConnection::answerError(int status, std::string_view reason) {
  Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body = std::string(reason) + "\n";
  response.close = true;
  keep_ = false;
  respond(std::move(response), false);
}

void HttpConnection::respond(Response response, bool may_keep) {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::answering;
  response_ = std::move(response);
  keep_ = keep_ && may_keep && !response_.close && !draining_;
  setDeadline(home_->limits().idle_seconds);
  writeHead();
}

void HttpConnection::writeHead() {
  const auto status = response_.status;
  const bool bodiless = head_request_ || status == 204 || status == 304;
  const auto length = response_.source         ? response_.length
                      : response_.body.empty() ? (head_request_ ? response_.length : 0)
                                               : response_.body.size();
  out_.clear();
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", status, reasonOf(status));
  bool dated = false;
  for (const auto& header : response_.headers) {
    out_.append(header.name).append(": ").append(header.value).append("\r\n");
    if (!dated && header.name.size() == 4) dated = equalsIgnoreCase(header.name, "Date");
  }
  if (!dated) out_.append(home_->dateLine());
  const bool live = response_.live && !bodiless;
  // HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
  if (live) keep_ = keep_ && !http10_;
  if (live && !http10_) out_.append("Transfer-Encoding: chunked\r\n");
  if (!live && status != 204 && status != 304) fmt::format_to(std::back_inserter(out_), "Content-Length: {}\r\n", length);
  if (!keep_) out_.append("Connection: close\r\n");
  if (keep_ && http10_) out_.append("Connection: keep-alive\r\n");
  out_.append("\r\n");
  source_left_ = 0;
  live_waits_ = live_over_ = false;
  if (bodiless) {
    response_.source.reset();
    response_.live.reset();
    response_.body.clear();
  } else if (live) {
    response_.body.clear();
    response_.live->onReady([home = home_, weak = weak_from_this()] {
      home->post([weak] {
        const auto connection = weak.lock();
        if (connection && connection->phase_ == Phase::answering && connection->live_waits_) connection->writeLive();
      });
    });
  } else if (response_.source) {
    source_left_ = length;
  } else if (response_.body.size() <= kJoinLimit) {
    out_.append(response_.body);
    response_.body.clear();
  }
  stream_->write(shared_from_this(), out_, response_.body);
}

void HttpConnection::onWritten(bool ok) {
  if (phase_ == Phase::closed) return;
  if (!ok) return close();
  if (phase_ == Phase::continuing) {
    phase_ = Phase::body;
    return advance();
  }
  if (phase_ != Phase::answering) return;
  if (response_.live) return live_over_ ? answered() : writeLive();
  if (source_left_ > 0) return writeSource();
  answered();
}

// What comes while a chunk is on its way is found by the read after it: a slow reader costs one chunk of memory.
void HttpConnection::writeLive() {
  const auto keep_alive = std::exchange(live_kept_, nullptr);
  live_waits_ = false;
  // Asked before the read: what is told between the two is found by it.
  const bool over = response_.live->over();
  auto piece = response_.live->read(kLivePiece);
  if (!piece) {
    log::warn("a live answer broke off; the connection is cut", {{"remote", remote_}, {"error", piece.error().text()}});
    return close();
  }
  if (!piece->empty()) return writeChunk(std::move(*piece));
  if (over) {
    live_over_ = true;
    if (http10_) return answered();
    out_ = "0\r\n\r\n";
    setDeadline(home_->limits().idle_seconds);
    return stream_->write(shared_from_this(), out_, {});
  }
  live_waits_ = true;
  live_kept_ = shared_from_this();
  live_quiet_since_ = std::chrono::steady_clock::now();
  deadline_ = Time::max();
}

void HttpConnection::writeChunk(std::string bytes) {
  out_ = http10_ ? std::move(bytes) : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
  setDeadline(home_->limits().idle_seconds);
  stream_->write(shared_from_this(), out_, {});
}

void HttpConnection::writeSource() {
  auto piece = response_.source->read(static_cast<std::size_t>(std::min<std::uint64_t>(source_left_, kSourcePiece)));
  if (!piece || piece->empty() || piece->size() > source_left_) {
    log::error("an answer's body broke off; the connection is cut",
               {{"left", source_left_}, {"error", piece ? "the source ended early" : piece.error().text()}});
    return close();
  }
  source_left_ -= piece->size();
  out_ = std::move(*piece);
  setDeadline(home_->limits().idle_seconds);
  stream_->write(shared_from_this(), out_, {});
}

void HttpConnection::answered() {
  exchange_.reset();
  response_ = {};
  if (!keep_ || draining_) return linger();
  parser_.reset();
  phase_ = Phase::head;
  head_begun_ = false;
  advance();
}

// Closing with unread bytes would reset the connection, and the peer might lose the answer: first only our side is
// closed, and what still comes is dropped for a moment.
void HttpConnection::linger() {
  if (peer_done_) return close();
  phase_ = Phase::lingering;
  setDeadline(kLingerSeconds);
  stream_->finishWriting();
  readMore();
}

void HttpConnection::drain() {
  draining_ = true;
  if (phase_ == Phase::answering && response_.live) return close();
  if (phase_ == Phase::starting || (phase_ == Phase::head && from_ == to_ && !parser_.midRequest())) close();
}

void HttpConnection::tick(Time now) {
  // An answer takes long: whether the peer is still there is only seen by reading.
  const bool live = phase_ == Phase::answering && response_.live;
  if ((phase_ == Phase::working || live) && !reading_ && !peer_done_ && from_ == to_) readMore();
  if (live && live_waits_ && now - live_quiet_since_ > kKeepAlive) {
    const auto keep_alive = std::exchange(live_kept_, nullptr);
    live_waits_ = false;
    return writeChunk(response_.live->keepAlive());
  }
  if (now < deadline_ || phase_ == Phase::closed) return;
  const bool partial = phase_ == Phase::head && (from_ != to_ || parser_.midRequest());
  if (partial || phase_ == Phase::body || phase_ == Phase::dropping) return answerError(408, "The request did not arrive in time.");
  close();
}

void HttpConnection::setDeadline(int seconds) { deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(seconds); }

void HttpConnection::close() {
  if (phase_ == Phase::closed) return;
  const auto keep_alive = shared_from_this();
  // An exchange at work lives until its reply: the reply holds this connection.
  live_kept_.reset();
  phase_ = Phase::closed;
  stream_->close();
  home_->gone(*this);
}

}  // namespace sp::net
