#include "agent/session.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cmath>

#include "agent/identity.h"
#include "agentwire/messages.h"
#include "base/log.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

constexpr int kConnectMs = 5'000;
/// The server pings after 20 s of silence.
constexpr std::chrono::seconds kQuietEnd{60};
constexpr double kFirstDelayMs = 100;
constexpr double kDelayGrowth = 1.5;
constexpr double kLoopbackDelayMs = 5'000;
constexpr double kRemoteDelayMs = 30'000;

std::string hostName() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

bool isLoopback(const std::string& endpoint) {
  return endpoint.starts_with("127.") || endpoint.starts_with("[::1]") || endpoint.starts_with("localhost:");
}

}  // namespace

Session::Session(const Identity& identity, Journal& journal, Requests& requests, Outbox& outbox, int stop_fd)
    : identity_(identity), journal_(journal), requests_(requests), outbox_(outbox), stop_fd_(stop_fd) {}

bool Session::stopping() const { return os::waitReadable(stop_fd_, std::chrono::milliseconds(0)); }

std::chrono::milliseconds Session::nextDelay(bool loopback) {
  const auto cap = loopback ? kLoopbackDelayMs : kRemoteDelayMs;
  const auto limit = std::min(cap, kFirstDelayMs * std::pow(kDelayGrowth, failures_));
  ++failures_;
  return std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(limit)) + 1);
}

void Session::run() {
  while (!stopping()) {
    os::beatWatchdog();
    welcomed_ = false;
    const auto ended = connectOnce();
    outbox_.setOnline(false);
    os::beatWatchdog();
    if (stopping()) return;
    const auto why = ended ? std::string("closed") : ended.error().text();
    if (welcomed_) {
      failures_ = 0;
      last_failure_.clear();
      log::info("server lost", {{"why", why}});
      os::notifySystemd("STATUS=No server: " + why);
    } else if (why != last_failure_) {
      last_failure_ = why;
      log::warn("no server", {{"why", why}});
      os::notifySystemd("STATUS=No server: " + why);
    }
    os::waitReadable(stop_fd_, nextDelay(isLoopback(identity_.endpoint().value_or(""))));
  }
}

Result<void> Session::connectOnce() {
  SP_TRY(const auto endpoint, identity_.endpoint());
  SP_TRY(const auto address, parseHostPort(endpoint));
  const net::FramedTarget target{address.host, address.port, identity_.tls(), std::string(agentwire::kAlpn), agentwire::kFrameMax};
  SP_TRY(const auto client, net::FramedTlsClient::connect(target, kConnectMs));
  SP_TRY(const auto frame, agentwire::frame(hello()));
  client->queue(frame);
  return converse(*client);
}

json::Object Session::hello() const {
  json::Array open;
  for (const auto& id : journal_.openIds()) open.emplace_back(id);
  return {{"type", agentwire::kHello}, {"agent", identity_.agent()}, {"bootId", os::bootId()}, {"version", 1},
          {"hostname", hostName()},    {"open", std::move(open)}};
}

Result<void> Session::converse(net::FramedTlsClient& client) {
  auto heard = std::chrono::steady_clock::now();
  while (true) {
    os::beatWatchdog();
    std::array<pollfd, 3> fds{pollfd{client.fd(), static_cast<short>(client.wantsWrite() ? POLLIN | POLLOUT : POLLIN), 0},
                              pollfd{outbox_.wakeFd(), POLLIN, 0}, pollfd{stop_fd_, POLLIN, 0}};
    const auto left = heard + kQuietEnd - std::chrono::steady_clock::now();
    const auto wait = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count());
    const int got = ::poll(fds.data(), fds.size(), static_cast<int>(wait));
    if (got < 0 && errno != EINTR) return failErrno("net.closed", "cannot wait for the server", errno);
    if (fds[2].revents != 0) return {};
    if (got == 0) return fail("net.timeout", "the server said nothing for 60 s");
    if (fds[0].revents != 0) heard = std::chrono::steady_clock::now();
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
      take(value.get_object());
      took = true;
    }
    if (!pumped || !took) return pumped;
  }
}

void Session::take(const json::Object& message) {
  const auto type = json::textOr(message, "type");
  if (type == agentwire::kWelcome) {
    welcomed_ = true;
    os::notifySystemd("STATUS=Connected to " + identity_.endpoint().value_or("its server"));
    log::info("connected", {{"server", json::textOr(message, "serverId")}});
    outbox_.setOnline(true);
    requests_.resend();
    for (const auto& call : on_welcome_) call();
  } else if (type == agentwire::kSettled) {
    requests_.onSettled(json::textOr(message, "id"));
  } else if (type == agentwire::kPing) {
    outbox_.send({{"type", agentwire::kPong}});
  } else if (!json::textOr(message, "id").empty()) {
    requests_.onRequest(message);
  }
}

}  // namespace sp::agent
