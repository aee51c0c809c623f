#include "agent/session.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include <fmt/format.h>

#include "agent/backoff.h"
#include "agent/enrolment.h"
#include "agent/facts.h"
#include "agent/identity.h"
#include "agentwire/messages.h"
#include "base/log.h"
#include "base/time_format.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

constexpr int kConnectMs = 5'000;
/// The server pings after 20 s of silence.
constexpr std::chrono::seconds kQuietEnd{60};

constexpr std::string_view kRejectedCode = "rejected.";
/// What a person has to mend is not asked for often.
constexpr std::uint64_t kMendMs = 300'000;
constexpr std::uint64_t kSecondAgentMs = 60'000;

/// This machine's address on the way to the server.
std::string ownAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  std::array<char, NI_MAXHOST> text{};
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0)
    return "";
  return text.data();
}

bool isLoopback(const std::string& endpoint) {
  return endpoint.starts_with("127.") || endpoint.starts_with("[::1]") || endpoint.starts_with("localhost:");
}

}  // namespace

Session::Session(const Identity& identity, Journal& journal, Requests& requests, Outbox& outbox, int stop_fd, std::string machine_hash)
    : identity_(identity),
      journal_(journal),
      requests_(requests),
      outbox_(outbox),
      stop_fd_(stop_fd),
      machine_hash_(std::move(machine_hash)),
      renewal_(identity),
      run_(random_.hex(12)) {}

bool Session::stopping() const { return os::waitReadable(stop_fd_, std::chrono::milliseconds(0)); }

std::chrono::milliseconds Session::nextDelay(bool loopback) { return backoffDelay(failures_++, loopback, random_); }

void Session::run() {
  while (!stopping()) {
    os::beatWatchdog();
    welcomed_ = false;
    const auto ended = connectOnce();
    outbox_.setOnline(false);
    if (stopping()) return;
    rest(judge(ended ? Error{"net.closed", "closed", {}, nullptr} : ended.error()));
  }
}

void Session::rest(std::chrono::milliseconds time) { os::waitBeating(stop_fd_, time); }

std::chrono::milliseconds Session::judge(const Error& why) {
  if (why.code.starts_with(kRejectedCode)) return afterRefusal(why);
  const auto text = why.text();
  if (welcomed_ || text != last_failure_) os::notifySystemd("STATUS=No server: " + text);
  if (welcomed_) {
    failures_ = 0;
    last_failure_.clear();
    log::info("server lost", {{"why", text}});
  } else if (text != last_failure_) {
    last_failure_ = text;
    log::warn("no server", {{"why", text}});
  }
  return nextDelay(isLoopback(identity_.endpoint().value_or("")));
}

std::chrono::milliseconds Session::afterRefusal(const Error& why) {
  const std::string_view code = std::string_view(why.code).substr(kRejectedCode.size());
  if (code == agentwire::kExpired) {
    const auto renewed = renewal_.renewNow();
    // At once the first time: the next refusal would be another one.
    if (renewed) return failures_++ == 0 ? std::chrono::milliseconds(0) : nextDelay(false);
    if (!renewed.error().code.starts_with("agent.")) return judge(renewed.error());
    return afterRefusal({std::string(kRejectedCode) + renewed.error().code.substr(6), renewed.error().message, {}, nullptr});
  }
  if (why.code != last_failure_) {
    last_failure_ = why.code;
    os::notifySystemd(fmt::format("STATUS=Refused by the server: {}", code));
    log::error("the server refuses this agent", {{"why", code}, {"message", why.message}});
  }
  const bool second = code == agentwire::kDuplicate;
  const bool version = code == agentwire::kProtocolTooOld || code == agentwire::kProtocolTooNew;
  if (!second && !version) noteRejected(identity_.stateDir(), code);
  const auto limit = second ? kSecondAgentMs : kMendMs;
  return std::chrono::milliseconds(limit / 2 + random_.below(limit / 2));
}

Result<void> Session::connectOnce() {
  SP_TRY(const auto endpoint, identity_.endpoint());
  SP_TRY(const auto address, parseHostPort(endpoint));
  const net::FramedTarget target{address.host, address.port, identity_.tls(), std::string(agentwire::kAlpn), agentwire::kFrameMax};
  SP_TRY(const auto client, net::FramedTlsClient::connect(target, kConnectMs));
  SP_TRY(const auto frame, agentwire::frame(hello(client->fd())));
  client->queue(frame);
  return converse(*client);
}

json::Object Session::hello(int fd) const {
  auto message = machineFacts(machine_hash_);
  json::Array open;
  for (const auto& id : journal_.openIds()) open.emplace_back(id);
  message["type"] = agentwire::kHello;
  message["agent"] = identity_.agent();
  message["protocol"] = json::Object{{"least", agentwire::kProtocolLeast}, {"most", agentwire::kProtocolMost}};
  message["address"] = ownAddress(fd);
  message["clock"] = toMicros(clock_.now());
  message["run"] = run_;
  message["open"] = std::move(open);
  return message;
}

void Session::tellClock() {
  if (!clock_watch_.wasSet()) return;
  log::warn("this machine's clock was set: what is limited in time goes on by the time since boot",
            {{"now", toIso8601Seconds(clock_.now())}});
  outbox_.send({{"type", agentwire::kClock}, {"clock", toMicros(clock_.now())}});
}

Result<void> Session::converse(net::FramedTlsClient& client) {
  auto heard = clock_.boottime();
  while (true) {
    os::beatWatchdog();
    std::array<pollfd, 4> fds{pollfd{client.fd(), static_cast<short>(client.wantsWrite() ? POLLIN | POLLOUT : POLLIN), 0},
                              pollfd{outbox_.wakeFd(), POLLIN, 0}, pollfd{stop_fd_, POLLIN, 0}, pollfd{clock_watch_.fd(), POLLIN, 0}};
    const auto quiet_left = std::chrono::ceil<std::chrono::milliseconds>(heard + kQuietEnd - clock_.boottime());
    // A renewal that fails sets its next time itself: a moment is left for its thread.
    auto wait = std::clamp<std::int64_t>(std::min(quiet_left, renewal_.untilDue() + std::chrono::milliseconds(100)).count(), 0, 600'000);
    if (const auto held = outbox_.untilDue()) wait = std::min<std::int64_t>(wait, held->count());
    const auto beat = os::watchdogInterval().count();
    const int got = ::poll(fds.data(), fds.size(), static_cast<int>(beat > 0 ? std::min<std::int64_t>(wait, beat) : wait));
    if (got < 0 && errno != EINTR) return failErrno("net.closed", "cannot wait for the server", errno);
    if (fds[2].revents != 0) return {};
    if (fds[0].revents != 0) heard = clock_.boottime();
    if (clock_.boottime() - heard >= kQuietEnd) return fail("net.timeout", "the server said nothing for 60 s");
    if (fds[3].revents != 0) tellClock();
    if (welcomed_) renewal_.startIfDue();
    SP_CHECK_OK(step(client));
  }
}

// A pump that sends receives as well, and what it brought will not make the socket readable again: only when nothing was
// taken may the loop wait.
Result<void> Session::step(net::FramedTlsClient& client) {
  while (true) {
    client.queue(outbox_.take());
    auto pumped = client.pump();
    bool took = false;
    while (true) {
      SP_TRY(const auto text, client.next());
      if (!text) break;
      SP_TRY(const auto value, json::parse(*text));
      if (!value.is_object()) return fail("net.protocol", "the server sent something that is not an object");
      SP_CHECK_OK(take(value.get_object()));
      took = true;
    }
    if (!pumped || !took) return pumped;
  }
}

Result<void> Session::take(const json::Object& message) {
  const auto type = json::textOr(message, "type");
  if (type == agentwire::kWelcome) {
    welcomed_ = true;
    os::notifySystemd("STATUS=Connected to " + identity_.endpoint().value_or("its server"));
    log::info("connected", {{"server", json::textOr(message, "serverId")}});
    noteWelcomed(identity_.stateDir());
    if (const auto in = json::intOr(message, "renewInMs", -1); in >= 0) renewal_.setDue(std::chrono::milliseconds(in));
    outbox_.setOnline(true);
    requests_.resend();
    for (const auto& call : on_welcome_) call();
  } else if (type == agentwire::kRejected) {
    return fail(std::string(kRejectedCode) + json::textOr(message, "code"), json::textOr(message, "message"));
  } else if (type == agentwire::kProbe) {
    outbox_.send({{"type", agentwire::kProbeResult}, {"id", json::textOr(message, "id")}});
  } else if (type == agentwire::kSettled) {
    requests_.onSettled(json::textOr(message, "id"));
  } else if (type == agentwire::kLease) {
    requests_.guards().onLease(message);
    for (const auto& call : on_lease_) call(message);
  } else if (type == agentwire::kPing) {
    outbox_.send({{"type", agentwire::kPong}});
  } else if (!json::textOr(message, "id").empty()) {
    requests_.onRequest(message);
  }
  return {};
}

}  // namespace sp::agent
