#include "fleet/http_workers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "fleet/attempts.h"
#include "net/request_parser.h"

namespace sp::fleet {
namespace {

/// What is read at once: of a pack of 16 MiB each byte is copied by the kernel and decrypted, and by nobody else.
constexpr std::size_t kPiece = 128 * 1024;
constexpr std::size_t kRecord = 16 * 1024;
/// In the middle of a large body the thread sleeps until this much has arrived: a client sends a record at a time.
constexpr int kGather = 64 * 1024;
constexpr std::uint64_t kDrainBytes = 64U << 20U;
// A backup's client keeps its connections while it reads large files: silence is normal.
constexpr time_t kIdleSeconds = 300;
// Who shows no certificate has one request to make, and little to say.
constexpr time_t kStrangerIdleSeconds = 5;
constexpr auto kStrangerWhole = std::chrono::seconds(20);

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Answer";
  }
}

/// One connection: bytes in and out over TLS, one request after the other.
class Connection final : public AgentHttpStream {
 public:
  Connection(SSL* ssl, const PeerCertificate& peer, const std::string& remote)
      : ssl_(ssl),
        peer_(peer),
        agent_(peer.agent),
        remote_(remote),
        begun_(std::chrono::steady_clock::now()),
        buffer_(std::make_unique_for_overwrite<char[]>(kPiece)) {
    // Several records for one call of the kernel, instead of two calls for each.
    SSL_set_read_ahead(ssl_, 1);
    SSL_set_default_read_buffer_len(ssl_, kPiece);
  }

  /// False when the connection has ended or the request makes no sense (then it was answered).
  bool readHead();
  /// Drops the rest of the body; false if the connection cannot be used further.
  bool finishRequest();

  const net::RequestHead& head() const override { return head_; }
  const std::string& agent() const override { return agent_; }
  std::string enrolment() const override { return peer_.enrolment; }
  std::string publicKey() const override { return peerPublicKey(ssl_); }
  std::optional<std::pair<std::string, std::string>> credential() const override;
  Result<std::string_view> readBody(std::size_t limit) override;
  Result<void> respond(int status, const net::Headers& headers, std::string_view body) override;
  Result<void> respondHead(int status, const net::Headers& headers, std::uint64_t length) override;
  Result<void> write(std::string_view bytes) override;

 private:
  Result<bool> fill();
  net::RequestParser::Event advance();
  void gather();
  Result<void> writeAll(std::string_view bytes);

  SSL* ssl_;
  const PeerCertificate& peer_;
  const std::string& agent_;
  const std::string& remote_;
  const std::chrono::steady_clock::time_point begun_;
  std::unique_ptr<char[]> buffer_;
  /// What of the buffer has arrived and was not yet parsed.
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  net::RequestParser parser_{net::HttpLimits{}};
  net::RequestHead head_;
  /// What the parser gave of the body and nobody has read; lies in the buffer.
  std::string_view unread_;
  /// Bytes of the body the parser has given so far.
  std::uint64_t taken_ = 0;
  bool gathers_ = false;
  bool complete_ = true;
  bool continued_ = false;
  bool answered_ = false;
  bool keep_alive_ = false;
  std::uint64_t owed_ = 0;
};

/// False at the end of the connection.
Result<bool> Connection::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == kPiece) return fail("net.protocol", fmt::format("a head or chunk line of {} is longer than {} bytes", agent_, kPiece));
  if (!peer_.valid() && std::chrono::steady_clock::now() - begun_ > kStrangerWhole)
    return fail("net.timeout", remote_ + " took too long for a request without a certificate");
  int got = 0;
  do {
    ERR_clear_error();
    got = SSL_read(ssl_, buffer_.get() + end_, static_cast<int>(kPiece - end_));
    if (got > 0) end_ += static_cast<std::size_t>(got);
  } while (got > 0 && kPiece - end_ >= kRecord && SSL_has_pending(ssl_) == 1);
  if (got > 0) return true;
  const int why = SSL_get_error(ssl_, got);
  if (why == SSL_ERROR_ZERO_RETURN) return false;
  if (why == SSL_ERROR_WANT_READ) return fail("net.timeout", fmt::format("no byte from {} within {} s", agent_, kIdleSeconds));
  return fail("net.closed", "the connection to " + agent_ + " broke");
}

/// The parser's next event; a piece of the body lies in the buffer until that is filled again.
net::RequestParser::Event Connection::advance() {
  std::string_view input(buffer_.get() + begin_, end_ - begin_);
  auto event = parser_.next(input);
  begin_ = end_ - input.size();
  return event;
}

/// Only while more is to come than what OpenSSL may hold already: to wait for bytes that are here would never end.
void Connection::gather() {
  const bool wanted = head_.content_length.value_or(0) > taken_ + 2 * kPiece;
  if (wanted == gathers_) return;
  const int least = wanted ? kGather : 1;
  gathers_ = ::setsockopt(SSL_get_fd(ssl_), SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least) == 0 && wanted;
}

bool Connection::readHead() {
  using Step = net::RequestParser::Step;
  parser_.reset();
  head_ = {};
  unread_ = {};
  complete_ = continued_ = answered_ = keep_alive_ = false;
  owed_ = taken_ = 0;
  while (true) {
    const auto event = advance();
    if (event.step == Step::head) break;
    if (event.step == Step::error) {
      (void)respond(event.status, {}, std::string(event.reason) + "\n");
      return false;
    }
    const auto more = fill();
    if (!more || !*more) return false;
  }
  head_ = parser_.takeHead();
  head_.remote = remote_;
  keep_alive_ = parser_.keepAlive();
  return true;
}

std::optional<std::pair<std::string, std::string>> Connection::credential() const {
  for (const auto& header : head_.headers) {
    if (!equalsIgnoreCase(header.name, "authorization")) continue;
    const std::string_view value = header.value;
    if (value.size() < 6 || !equalsIgnoreCase(value.substr(0, 6), "basic ")) return std::nullopt;
    const auto text = fromBase64(trim(value.substr(6)));
    if (!text) return std::nullopt;
    const auto colon = text->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return std::pair(text->substr(0, colon), text->substr(colon + 1));
  }
  return std::nullopt;
}

Result<std::string_view> Connection::readBody(std::size_t limit) {
  if (head_.expects_continue && !continued_ && !answered_) {
    continued_ = true;
    SP_CHECK_OK(writeAll("HTTP/1.1 100 Continue\r\n\r\n"));
  }
  while (unread_.empty() && !complete_) {
    const auto event = advance();
    unread_ = event.bytes;
    taken_ += event.bytes.size();
    if (event.step == net::RequestParser::Step::error)
      return fail("net.protocol", fmt::format("the body of the request is broken: {}", event.reason));
    complete_ = event.step == net::RequestParser::Step::complete;
    if (event.step != net::RequestParser::Step::needMore) continue;
    gather();
    SP_TRY(const bool more, fill());
    if (!more) return fail("net.closed", "the connection ended within the body of a request");
  }
  const auto piece = unread_.substr(0, limit);
  unread_.remove_prefix(piece.size());
  return piece;
}

Result<void> Connection::writeAll(std::string_view bytes) {
  while (!bytes.empty()) {
    ERR_clear_error();
    const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1U << 20U)));
    if (sent <= 0) return fail("net.closed", "the connection to " + agent_ + " broke while it was answered");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> Connection::respondHead(int status, const net::Headers& headers, std::uint64_t length) {
  if (answered_) return fail("net.protocol", "a request was answered twice");
  answered_ = true;
  owed_ = head_.method == "HEAD" ? 0 : length;
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, reason(status));
  for (const auto& header : headers) text += fmt::format("{}: {}\r\n", header.name, header.value);
  if (status != 204 && status != 304) text += fmt::format("Content-Length: {}\r\n", length);
  // An answer before the body was asked for: what the client still sends is drained, or the connection closed.
  if (!keep_alive_) text += "Connection: close\r\n";
  text += "\r\n";
  return writeAll(text);
}

Result<void> Connection::respond(int status, const net::Headers& headers, std::string_view body) {
  SP_CHECK_OK(respondHead(status, headers, body.size()));
  return owed_ > 0 ? write(body) : Result<void>{};
}

Result<void> Connection::write(std::string_view bytes) {
  if (bytes.size() > owed_) return fail("net.protocol", "more bytes were written than the answer's length says");
  SP_CHECK_OK(writeAll(bytes));
  owed_ -= bytes.size();
  return {};
}

bool Connection::finishRequest() {
  if (!answered_) (void)respond(500, {}, "the request was not answered\n");
  if (owed_ > 0 || !keep_alive_) return false;
  // Whoever waits for "100 Continue" has not sent its body, and may never do so.
  if (!complete_ && head_.expects_continue && !continued_) return false;
  std::uint64_t drained = 0;
  while (!complete_) {
    const auto piece = readBody(kPiece);
    if (!piece) return false;
    drained += piece->size();
    if (drained > kDrainBytes) return false;
  }
  return true;
}

void makeBlocking(int fd, time_t idle_seconds) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  const timeval limit{idle_seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

bool HttpWorkers::run(os::Fd socket, SslPtr ssl, PeerCertificate peer, std::string remote) {
  const bool stranger = !peer.valid();
  makeBlocking(socket.get(), stranger ? kStrangerIdleSeconds : kIdleSeconds);
  const std::lock_guard lock(mutex_);
  for (auto each = workers_.begin(); each != workers_.end();) {
    if (!(*each)->done) {
      ++each;
      continue;
    }
    (*each)->thread.join();
    each = workers_.erase(each);
  }
  const auto address = addressPart(remote);
  std::size_t strangers = 0;
  std::size_t alike = 0;
  for (const auto& each : workers_) {
    strangers += each->stranger ? 1 : 0;
    alike += each->stranger && each->address == address ? 1 : 0;
  }
  // Each kind has room of its own: strangers must not keep backups out, nor one address other strangers.
  if (stopped_ || (stranger ? strangers >= stranger_limit_ || alike > stranger_limit_ / 2 : workers_.size() - strangers >= limit_))
    return false;
  auto worker = std::make_unique<Worker>();
  worker->socket = std::move(socket);
  worker->agent = peer.agent;
  worker->enrolment = peer.enrolment;
  worker->stranger = stranger;
  worker->address = address;
  auto& here = *worker;
  workers_.push_back(std::move(worker));
  here.thread = std::thread([this, &here, owned = std::move(ssl), certificate = std::move(peer), from = std::move(remote)] {
    serve(here, owned.get(), certificate, from);
    here.done = true;
  });
  return true;
}

void HttpWorkers::serve(Worker& worker, SSL* ssl, const PeerCertificate& peer, const std::string& remote) {
  Connection connection(ssl, peer, remote);
  while (connection.readHead()) {
    const auto* route = find(connection.head().target);
    if (route == nullptr) {
      (void)connection.respond(404, {}, "nothing here\n");
    } else if (const auto refused = refusal(*route, peer)) {
      const json::Object answer{{"error", refused->code}, {"message", refused->message}};
      (void)connection.respond(peer.agent.empty() ? 401 : 403, {{"Content-Type", "application/json"}}, json::toText(answer) + "\n");
    } else {
      route->route->serve(connection);
    }
    if (!connection.finishRequest() || worker.stranger) break;
  }
  SSL_shutdown(ssl);
  ::shutdown(worker.socket.get(), SHUT_RDWR);
}

std::optional<runtime::AgentRefusal> HttpWorkers::refusal(const Route& route, const PeerCertificate& peer) const {
  if (route.access == AgentHttpAccess::anyone) return std::nullopt;
  if (peer.agent.empty())
    return runtime::AgentRefusal{std::string(agentwire::kNoCertificate), "this needs an agent's certificate: enrol the machine first"};
  if (route.access == AgentHttpAccess::agents && !peer.valid())
    return runtime::AgentRefusal{std::string(agentwire::kExpired), "the certificate has expired: it may be renewed, and nothing else"};
  return admissions_.refusal(peer.agent, peer.enrolment);
}

const HttpWorkers::Route* HttpWorkers::find(std::string_view target) const {
  const Route* best = nullptr;
  for (const auto& route : routes_)
    if (target.starts_with(route.prefix) && (best == nullptr || route.prefix.size() > best->prefix.size())) best = &route;
  return best;
}

void HttpWorkers::cut(std::string_view agent) {
  const std::lock_guard lock(mutex_);
  for (const auto& worker : workers_)
    if (worker->agent == agent && admissions_.refusal(agent, worker->enrolment)) ::shutdown(worker->socket.get(), SHUT_RDWR);
}

void HttpWorkers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& worker : workers_) ::shutdown(worker->socket.get(), SHUT_RDWR);
  }
  for (const auto& worker : workers_)
    if (worker->thread.joinable()) worker->thread.join();
  workers_.clear();
}

}  // namespace sp::fleet
