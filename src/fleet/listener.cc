#include "fleet/listener.h"

#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/log.h"
#include "fleet/socket_address.h"
#include "fleet/tls.h"
#include "net/frame_reader.h"
#include "os/limits.h"

namespace sp::fleet {
namespace {

constexpr SessionId kListenerTag = 0;
constexpr SessionId kWakeTag = 1;
constexpr SessionId kFirstSession = 2;
constexpr int kTickMs = 1000;
constexpr std::size_t kReadBytes = 16 * 1024;
/// What a session without anything to send keeps for it.
constexpr std::size_t kKeptBytes = 64;
constexpr std::size_t kTrimAfter = 256;
constexpr std::chrono::seconds kTrimQuiet{3};
/// A full port is said so often.
constexpr std::chrono::minutes kSayAgain{1};

}  // namespace

struct Listener::Session {
  SessionId id = 0;
  os::Fd fd;
  SslPtr ssl;
  std::string remote;
  /// CN of its certificate, once the handshake is done.
  std::string agent;
  bool established = false;
  bool greeted = false;
  std::uint32_t watched = 0;
  bool read_wants_write = false;
  bool write_wants_read = false;
  net::FrameReader in{agentwire::kFrameMax};
  std::string out;
  std::size_t out_at = 0;
  int unhandled = 0;
  Duration since{0};
  std::atomic<Duration> heard{Duration{0}};
  /// When it was last given something to read, a ping or anything else.
  Duration told{0};
};

Listener::Listener(net::Endpoint endpoint, os::Fd socket, SslContextPtr context, const Clock& clock, const ListenerLimits& limits)
    : endpoint_(std::move(endpoint)),
      socket_(std::move(socket)),
      context_(std::move(context)),
      clock_(clock),
      limits_(limits),
      http_(limits.http_connections, limits.strangers, admissions_),
      next_id_(kFirstSession) {
  const auto files = os::openFilesLimit();
  limits_.sessions = std::min(limits_.sessions, files - std::min(files / 2, limits_.other_files));
}

Listener::~Listener() { stop(); }

Result<std::unique_ptr<Listener>> Listener::open(const net::Endpoint& endpoint, const Authority& authority, const Clock& clock,
                                                 const ListenerLimits& limits) {
  SP_TRY(const auto own, authority.issueServer(endpoint.address));
  SP_TRY(auto context, makeServerContext(own, authority.certificate()));
  SP_TRY(auto bound, bindListener(endpoint));
  auto listener =
      std::unique_ptr<Listener>(new Listener(std::move(bound.endpoint), std::move(bound.socket), std::move(context), clock, limits));
  SP_CHECK_OK(listener->prepare());
  return listener;
}

Result<void> Listener::prepare() {
  epoll_ = os::Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = os::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !wake_) return failErrno("net.epoll", "cannot watch the agents' port", errno);
  epoll_event event{EPOLLIN, {.u64 = kWakeTag}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    return failErrno("net.epoll", "cannot watch the agents' port", errno);
  return {};
}

void Listener::start(Events events) {
  events_ = std::move(events);
  thread_ = std::thread([this] { loop(); });
}

void Listener::stop() {
  if (!stopping_.exchange(true)) order({OrderKind::consumed, 0, {}});
  if (thread_.joinable()) thread_.join();
  http_.stop();
  {
    // The core outlives this and may still ask.
    const std::lock_guard lock(heard_mutex_);
    heard_.clear();
  }
  sessions_.clear();
  socket_.reset();
}

void Listener::order(Order order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
    if (orders_.size() > 1) return;  // the first one woke the thread already
  }
  const std::uint64_t one = 1;
  // A full counter wakes as well.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Listener::send(SessionId session, std::string frame) { order({OrderKind::send, session, std::move(frame)}); }
void Listener::close(SessionId session) { order({OrderKind::close, session, {}}); }
void Listener::consumed(SessionId session) { order({OrderKind::consumed, session, {}}); }

void Listener::loop() {
  acceptAgain();
  std::array<epoll_event, 128> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), kTickMs);
    for (int i = 0; i < count && !stopping_; ++i) {
      // epoll_event is packed: its tag must be copied before anything binds a reference to it.
      const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
      if (tag == kListenerTag) accept();
      else if (tag == kWakeTag) takeOrders();
      else if (const auto found = sessions_.find(tag); found != sessions_.end())
        ready(*found->second, events[static_cast<std::size_t>(i)].events);
    }
    tick();
  }
}

void Listener::takeOrders() {
  std::uint64_t counter = 0;
  std::vector<Order> orders;
  {
    const std::lock_guard lock(mutex_);
    [[maybe_unused]] const auto got = ::read(wake_.get(), &counter, sizeof counter);
    orders.swap(orders_);
  }
  for (auto& order : orders) {
    const auto found = sessions_.find(order.session);
    if (found == sessions_.end()) continue;
    auto& session = *found->second;
    if (order.kind == OrderKind::close) {
      drop(session.id, "closed by the server");
    } else if (order.kind == OrderKind::send) {
      if (session.out.size() - session.out_at + order.frame.size() > limits_.unsent_bytes) {
        drop(session.id, "it does not read what it is sent");
        continue;
      }
      session.out += order.frame;
      session.told = clock_.boottime();
      if (!write(session)) drop(session.id, "connection lost");
    } else if (--session.unhandled == limits_.unhandled / 2) {
      // Reading was paused: what TLS holds already would not make the socket readable again.
      if (!read(session)) drop(session.id, "connection lost");
    }
  }
}

void Listener::acceptAgain() {
  if (accepting_ || sessions_.size() >= limits_.sessions || !makeRoom()) return;
  epoll_event event{EPOLLIN, {.u64 = kListenerTag}};
  accepting_ = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket_.get(), &event) == 0;
}

bool Listener::makeRoom() {
  if (shaking_.size() < limits_.handshakes) return true;
  const auto oldest = std::ranges::min_element(shaking_, {}, [this](SessionId id) { return sessions_.at(id)->heard.load(); });
  const auto& session = *sessions_.at(*oldest);
  if (clock_.boottime() - session.heard.load() < limits_.patience) return false;
  log::debug("a handshake makes room for others", {{"remote", session.remote}});
  const auto id = *oldest;
  shaking_.erase(id);
  sessions_.erase(id);
  return true;
}

void Listener::sayFull() {
  const auto now = clock_.boottime();
  if (said_full_ && now - *said_full_ < kSayAgain) return;
  said_full_ = now;
  log::warn("the agents' port is full: those who come now wait until others leave. Raise the limit of open files (LimitNOFILE in the unit)",
            {{"sessions", sessions_.size()}, {"limit", limits_.sessions}, {"open_files", os::openFilesLimit()}});
}

void Listener::accept() {
  while (sessions_.size() < limits_.sessions && makeRoom()) {
    const int fd = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      adopt(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    log::warn("cannot accept an agent",
              {{"error", strerrordesc_np(errno)}, {"sessions", sessions_.size()}, {"open_files", os::openFilesLimit()}});
    break;  // out of descriptors: the next tick tries again
  }
  if (sessions_.size() >= limits_.sessions) sayFull();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
  accepting_ = false;
}

void Listener::adopt(int fd) {
  auto session = std::make_unique<Session>();
  session->id = next_id_++;
  session->fd = os::Fd(fd);
  session->ssl = SslPtr(SSL_new(context_.get()));
  session->remote = remoteAddress(fd);
  session->since = session->told = clock_.boottime();
  session->heard = session->since;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!session->ssl || SSL_set_fd(session->ssl.get(), fd) != 1) return;
  SSL_set_accept_state(session->ssl.get());
  epoll_event event{EPOLLIN, {.u64 = session->id}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return;
  session->watched = EPOLLIN;
  shaking_.insert(session->id);
  ++begun_since_trim_;
  last_begun_ = session->since;
  sessions_.emplace(session->id, std::move(session));
}

void Listener::watch(Session& session, std::uint32_t events) {
  if (session.watched == events) return;
  epoll_event event{events, {.u64 = session.id}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, session.fd.get(), &event);
  session.watched = events;
}

void Listener::ready(Session& session, std::uint32_t events) {
  const auto id = session.id;
  if (!session.established) {
    if (!handshake(session)) drop(id, "handshake failed");
    return;
  }
  bool alive = true;
  if ((events & EPOLLOUT) != 0U || session.write_wants_read) alive = write(session);
  if (alive && ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U || session.read_wants_write)) alive = read(session);
  if (!alive) drop(id, "connection lost");
}

// When all agents come back at once some give up before their turn. To shake hands with those would take the time in which the
// next ones give up.
bool Listener::hasLeft(const Session& session) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(session.fd.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state != TCP_ESTABLISHED;
}

bool Listener::handshake(Session& session) {
  if (hasLeft(session)) return false;
  ERR_clear_error();
  session.heard = clock_.boottime();
  const int done = SSL_do_handshake(session.ssl.get());
  if (done != 1) {
    const int why = SSL_get_error(session.ssl.get(), done);
    if (why == SSL_ERROR_WANT_READ) return watch(session, EPOLLIN), true;
    if (why == SSL_ERROR_WANT_WRITE) return watch(session, EPOLLOUT), true;
    log::warn("an agent's TLS handshake failed", {{"remote", session.remote}, {"error", opensslError()}});
    return false;
  }
  session.established = true;
  shaking_.erase(session.id);
  acceptAgain();
  const auto peer = peerCertificate(session.ssl.get(), clock_.now());
  session.agent = peer.agent;
  session.heard = clock_.boottime();
  if (negotiatedProtocol(session.ssl.get()) != agentwire::kAlpn) {
    handOver(session, peer);
    return true;
  }
  // It may enrol over HTTP; here it would only take a session's room.
  if (peer.agent.empty()) return refuseStranger(session), false;
  // A record's head and body in one call of the kernel.
  SSL_set_read_ahead(session.ssl.get(), 1);
  watch(session, EPOLLIN);
  return read(session);
}

// From here on the connection is its worker's; the session is only taken out of the lists.
void Listener::handOver(Session& session, const PeerCertificate& peer) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session.fd.get(), nullptr);
  const auto remote = session.remote;
  if (!http_.run(std::move(session.fd), std::move(session.ssl), peer, session.remote))
    log::warn("too many HTTP connections on the agents' port",
              {{"remote", remote}, {"limit", peer.valid() ? limits_.http_connections : limits_.strangers}});
  sessions_.erase(session.id);
}

bool Listener::read(Session& session) {
  session.read_wants_write = false;
  std::array<char, kReadBytes> buffer;
  while (session.unhandled < limits_.unhandled) {
    ERR_clear_error();
    const int got = SSL_read(session.ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (got > 0) {
      session.heard = clock_.boottime();
      session.in.append({buffer.data(), static_cast<std::size_t>(got)});
      if (!takeFrames(session)) return false;
      // What TLS does not hold yet makes the socket readable again.
      if (SSL_has_pending(session.ssl.get()) == 0) break;
      continue;
    }
    const int why = SSL_get_error(session.ssl.get(), got);
    if (why == SSL_ERROR_WANT_READ) break;
    if (why != SSL_ERROR_WANT_WRITE) return false;
    session.read_wants_write = true;
    break;
  }
  const bool paused = session.unhandled >= limits_.unhandled;
  const bool wants_write = session.out_at < session.out.size() || session.read_wants_write;
  watch(session, (paused ? 0U : std::uint32_t{EPOLLIN}) | (wants_write ? std::uint32_t{EPOLLOUT} : 0U));
  return true;
}

bool Listener::write(Session& session) {
  session.write_wants_read = false;
  while (session.out_at < session.out.size()) {
    ERR_clear_error();
    const auto left = std::min<std::size_t>(session.out.size() - session.out_at, 1U << 20U);
    const int sent = SSL_write(session.ssl.get(), session.out.data() + session.out_at, static_cast<int>(left));
    if (sent > 0) {
      session.out_at += static_cast<std::size_t>(sent);
      continue;
    }
    const int why = SSL_get_error(session.ssl.get(), sent);
    if (why == SSL_ERROR_WANT_READ) session.write_wants_read = true;
    else if (why != SSL_ERROR_WANT_WRITE) return false;
    break;
  }
  if (session.out_at == session.out.size()) {
    session.out.clear();
    session.out_at = 0;
    if (session.out.capacity() > kKeptBytes) session.out.shrink_to_fit();
  }
  const bool wants_write = (session.out_at < session.out.size() && !session.write_wants_read) || session.read_wants_write;
  watch(session, (session.watched & EPOLLIN) | (wants_write ? std::uint32_t{EPOLLOUT} : 0U));
  return true;
}

bool Listener::takeFrames(Session& session) {
  while (true) {
    const auto frame = session.in.next();
    if (!frame) {
      log::warn("an agent sent no frame", {{"agent", session.agent}, {"why", frame.error().message}});
      return false;
    }
    if (!*frame) return true;
    if (!takeMessage(session, **frame)) return false;
  }
}

bool Listener::takeMessage(Session& session, std::string_view text) {
  auto message = json::parse(text, 64);
  if (!message || !message->is_object()) {
    log::warn("an agent's message is no JSON object", {{"agent", session.agent}});
    return false;
  }
  auto& object = message->get_object();
  const bool hello = json::textOr(object, "type") == agentwire::kHello;
  if (!session.greeted && !hello) {
    log::warn("an agent's first message must be hello", {{"certificate", session.agent}, {"remote", session.remote}});
    return false;
  }
  if (hello && !takeHello(session, object)) return false;
  if (json::textOr(object, "type") == agentwire::kPong) return true;
  ++session.unhandled;
  if (hello) events_.hello(session.id, session.agent, std::move(object));
  else events_.message(session.id, session.agent, std::move(object));
  return true;
}

bool Listener::takeHello(Session& session, json::Object& hello) {
  const auto peer = peerCertificate(session.ssl.get(), clock_.now());
  if (json::textOr(hello, "agent") != peer.agent) {
    log::warn("an agent's hello must name its certificate's agent",
              {{"certificate", peer.agent}, {"agent", json::textOr(hello, "agent")}, {"remote", session.remote}});
    return false;
  }
  auto refused = admissions_.refusal(peer.agent, peer.enrolment);
  if (!refused && !peer.valid())
    refused = runtime::AgentRefusal{
        std::string(agentwire::kExpired),
        peer.begun ? "the certificate has expired: it may be renewed, and nothing else"
                   : "the certificate begins in the future of this server's clock: it may be renewed, and nothing else"};
  if (refused) return reject(session, *refused), false;
  const auto ms = [](Duration time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); };
  hello["certificate"] = json::Object{{"enrolment", peer.enrolment}, {"leftMs", ms(peer.left)}, {"lifeMs", ms(peer.life)}};
  hello["remote"] = session.remote;
  if (!session.greeted) {
    const std::lock_guard lock(heard_mutex_);
    heard_.emplace(session.id, &session.heard);
  }
  session.greeted = true;
  return true;
}

void Listener::refuseStranger(Session& session) {
  reject(session,
         {std::string(agentwire::kNoCertificate), "this machine has shown no certificate: enrol it with a token of `stillpoint enrol`"});
}

// A few bytes on a connection that has only been read from: they fit.
void Listener::reject(Session& session, const runtime::AgentRefusal& why) {
  log::warn("agent refused", {{"agent", session.agent}, {"remote", session.remote}, {"why", why.code}});
  if (const auto frame = agentwire::frame({{"type", agentwire::kRejected}, {"code", why.code}, {"message", why.message}}))
    session.out += *frame;
  (void)write(session);
}

void Listener::drop(SessionId id, std::string_view why) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const auto& session = *found->second;
  if (!session.established) shaking_.erase(id);
  else log::debug("agent's session ends", {{"agent", session.agent}, {"why", why}});
  const auto agent = session.agent;
  const bool greeted = session.greeted;
  const auto quiet = clock_.boottime() - session.heard.load();
  if (session.established) SSL_shutdown(session.ssl.get());
  if (greeted) {
    const std::lock_guard lock(heard_mutex_);
    heard_.erase(id);
  }
  sessions_.erase(found);
  acceptAgain();
  if (greeted) events_.closed(id, agent, quiet);
}

Duration Listener::quiet(SessionId session) const {
  const std::lock_guard lock(heard_mutex_);
  const auto found = heard_.find(session);
  return found == heard_.end() ? Duration{0} : clock_.boottime() - found->second->load();
}

void Listener::tick() {
  const auto now = clock_.boottime();
  if (now - last_tick_ < std::chrono::milliseconds(kTickMs)) return;
  last_tick_ = now;
  std::vector<std::pair<SessionId, std::string_view>> late;
  for (auto& [id, session] : sessions_) {
    if (!session->established || !session->greeted) {
      if (now - session->since > limits_.handshake) late.emplace_back(id, "no hello in time");
    } else if (now - session->heard.load() > limits_.silence) {
      late.emplace_back(id, "silent");
    } else if (now - session->told > limits_.ping) {
      // Both ends need to hear something: an agent that reports progress all the time as well.
      session->told = now;
      if (auto ping = agentwire::frame({{"type", agentwire::kPing}})) session->out += *ping;
      if (!write(*session)) late.emplace_back(id, "connection lost");
    }
  }
  for (const auto& [id, why] : late) drop(id, why);
  acceptAgain();
  giveBack(now);
}

// Every handshake takes three times the memory that its session keeps, and frees it between what others keep. After many of them,
// once it is quiet again, whole pages go back to the system.
void Listener::giveBack(Duration now) {
  if (begun_since_trim_ < kTrimAfter || now - last_begun_ < kTrimQuiet) return;
  begun_since_trim_ = 0;
  ::malloc_trim(0);
}

}  // namespace sp::fleet
