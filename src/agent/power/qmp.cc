#include "agent/power/qmp.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kUnreadMost = 4U << 20U;
constexpr milliseconds kSendPatience{5'000};

}  // namespace

Result<QmpClient> QmpClient::open(const std::string& path) {
  QmpClient client;
  client.socket_ = os::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!client.socket_) return failErrno("qmp.connect", "cannot make a socket", errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail("qmp.connect", fmt::format("the socket's path is longer than {} bytes: {}", sizeof address.sun_path - 1, path));
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(client.socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failErrno("qmp.connect", "cannot connect to " + path, errno);
  return client;
}

Result<QmpClient> QmpClient::connect(const std::string& path, milliseconds limit) {
  SP_TRY(auto client, open(path));
  const auto deadline = Clock::now() + limit;
  SP_TRY([[maybe_unused]] const auto greeting, client.await([](const json::Object& said) { return said.contains("QMP"); }, deadline));
  SP_TRY([[maybe_unused]] const auto ready, client.execute("qmp_capabilities", {}, limit));
  return client;
}

Result<QmpClient> QmpClient::connectGuest(const std::string& path, milliseconds limit) {
  SP_TRY(auto client, open(path));
  // Half a line of an earlier client's may lie in the guest's parser; 0xff resets it, and the number names this conversation's reply.
  const auto number = static_cast<std::int64_t>(Clock::now().time_since_epoch().count() & 0x7fffffff);
  SP_CHECK_OK(client.send({{"execute", "guest-sync"}, {"arguments", json::Object{{"id", number}}}}));
  SP_TRY([[maybe_unused]] const auto synced,
         client.await([&](const json::Object& said) { return json::intOr(said, "return", -1) == number; }, Clock::now() + limit));
  return client;
}

Result<json::Value> QmpClient::execute(const std::string& command, const json::Object& arguments, milliseconds limit) {
  const auto id = ++last_id_;
  json::Object message{{"execute", command}, {"id", id}};
  if (!arguments.empty()) message["arguments"] = arguments;
  SP_CHECK_OK(send(message));
  SP_TRY(const auto reply,
         withContext(await([id](const json::Object& said) { return json::intOr(said, "id", -1) == id; }, Clock::now() + limit), command));
  if (const auto* error = json::find(reply, "error"); error != nullptr && error->is_object())
    return fail("qmp.refused",
                fmt::format("{}: {}: {}", command, json::textOr(error->get_object(), "class"), json::textOr(error->get_object(), "desc")));
  const auto* value = json::find(reply, "return");
  return value == nullptr ? json::Value() : *value;
}

Result<void> QmpClient::tell(const std::string& command, const json::Object& arguments) {
  return send({{"execute", command}, {"arguments", arguments}});
}

pid_t QmpClient::peer() const {
  ucred who{};
  socklen_t size = sizeof who;
  return ::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? who.pid : -1;
}

Result<void> QmpClient::send(const json::Object& message) {
  const auto text = json::toText(message) + "\n";
  const auto deadline = Clock::now() + kSendPatience;
  std::size_t done = 0;
  while (done < text.size()) {
    const auto sent = ::send(socket_.get(), text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return failErrno("qmp.closed", "cannot send to the monitor", errno);
    if (Clock::now() > deadline) return fail("qmp.timeout", "the monitor takes nothing");
    pollfd writable{socket_.get(), POLLOUT, 0};
    ::poll(&writable, 1, 100);
  }
  return {};
}

Result<json::Object> QmpClient::await(const std::function<bool(const json::Object&)>& wanted, Clock::time_point deadline) {
  while (true) {
    while (true) {
      const auto end = unread_.find('\n');
      if (end == std::string::npos) break;
      const auto line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      const auto said = json::parse(trim(line));
      if (said && said->is_object() && wanted(said->get_object())) return said->get_object();
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || !os::waitReadable(socket_.get(), left)) return fail("qmp.timeout", "no reply came in time");
    std::array<char, 4096> bytes{};
    const auto got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got == 0) return fail("qmp.closed", "the monitor closed the connection");
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return failErrno("qmp.closed", "cannot read from the monitor", errno);
    unread_.append(bytes.data(), static_cast<std::size_t>(got));
    if (unread_.size() > kUnreadMost) return fail("qmp.closed", "the monitor sends a line without end");
  }
}

}  // namespace sp::agent
