#include "os/systemd.h"

#include <poll.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"
#include "os/process.h"

namespace sp::os {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// systemd's own socket for root: there also where no message bus runs.
constexpr const char* kPrivateBus = "unix:path=/run/systemd/private";
constexpr const char* kManager = "org.freedesktop.systemd1";
constexpr std::uint64_t kCallMicros = 5'000'000;
constexpr milliseconds kMovePatience{2'000};

microseconds watchdogTime() {
  static const auto time = [] {
    std::uint64_t micros = 0;
    return microseconds(::sd_watchdog_enabled(0, &micros) > 0 ? micros : 0);
  }();
  return time;
}

std::unexpected<Error> busError(const char* what, int result) { return failErrno("os.scope", what, -result); }

Result<void> askForScope(const std::string& unit) {
  sd_bus* raw = nullptr;
  int result = ::geteuid() == 0 ? ::sd_bus_new(&raw) : ::sd_bus_open_system(&raw);
  const std::unique_ptr<sd_bus, decltype(&::sd_bus_flush_close_unref)> bus(raw, ::sd_bus_flush_close_unref);
  if (result >= 0 && ::geteuid() == 0) {
    result = ::sd_bus_set_address(bus.get(), kPrivateBus);
    if (result >= 0) result = ::sd_bus_start(bus.get());
  }
  if (result < 0) return busError("cannot reach systemd", result);
  ::sd_bus_set_method_call_timeout(bus.get(), kCallMicros);
  sd_bus_error error{};
  result = ::sd_bus_call_method(bus.get(), kManager, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StartTransientUnit",
                                &error, nullptr, "ssa(sv)a(sa(sv))", unit.c_str(), "fail", 3, "Description", "s",
                                "Stillpoint's work apart from its services", "CollectMode", "s", "inactive-or-failed", "PIDs", "au", 1,
                                static_cast<std::uint32_t>(::getpid()), 0);
  const std::string said = error.message == nullptr ? "" : error.message;
  ::sd_bus_error_free(&error);
  if (result < 0) return said.empty() ? busError("systemd makes no scope", result) : fail("os.scope", "systemd makes no scope: " + said);
  return {};
}

Result<void> moveToScope(const std::string& unit) {
  SP_CHECK_OK(askForScope(unit));
  const auto deadline = Steady::now() + kMovePatience;
  while (ownCgroup().find(unit) == std::string::npos) {
    if (Steady::now() > deadline) return fail("os.scope", fmt::format("systemd has not moved this process into {}", unit));
    ::poll(nullptr, 0, 2);
  }
  return {};
}

}  // namespace

void notifySystemd(const std::string& state) { ::sd_notify(0, state.c_str()); }

milliseconds watchdogInterval() { return std::chrono::duration_cast<milliseconds>(watchdogTime() / 2); }

void beatWatchdog() {
  static Steady::time_point last{};
  const auto time = watchdogTime();
  const auto now = Steady::now();
  if (time.count() == 0 || now - last < time / 4) return;
  last = now;
  ::sd_notify(0, "WATCHDOG=1");
}

bool waitBeating(int fd, milliseconds limit) {
  const auto deadline = Steady::now() + limit;
  while (true) {
    beatWatchdog();
    auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(deadline - Steady::now()));
    const bool last = watchdogInterval().count() == 0 || left <= watchdogInterval();
    if (!last) left = watchdogInterval();
    if (waitReadable(fd, left)) return true;
    if (last) return false;
  }
}

std::vector<std::string> environmentForChildren() {
  std::vector<std::string> out;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text(*each);
    if (!text.starts_with("NOTIFY_SOCKET=") && !text.starts_with("WATCHDOG_") && !text.starts_with("LISTEN_")) out.emplace_back(text);
  }
  return out;
}

std::vector<std::string> inScope(const std::string& name, std::vector<std::string> command) {
  // Set for the processes of a unit; a person's shell in a session of systemd's has it too, and a scope does no harm there.
  const auto* invocation = std::getenv("INVOCATION_ID");
  if (invocation == nullptr || *invocation == '\0' || ::sd_booted() <= 0) return command;
  std::vector<std::string> out{ownProgram(), "in-scope", name};
  out.insert(out.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return out;
}

int inScopeMain(int argc, char** argv) {
  if (argc < 4) return 2;
  if (const auto moved = moveToScope(fmt::format("stillpoint-{}-{}.scope", argv[2], ::getpid())); !moved)
    std::fputs(fmt::format("stillpoint: {} stays among its starter's processes: {}\n", argv[2], moved.error().text()).c_str(), stderr);
  ::execvp(argv[3], argv + 3);
  std::fputs(fmt::format("stillpoint: cannot start {}: {}\n", argv[3], ::strerrordesc_np(errno)).c_str(), stderr);
  return 127;
}

std::string ownCgroup() {
  const auto text = readFile("/proc/self/cgroup", 65536);
  if (!text) return {};
  std::string found;
  // "0::/…" in the unified hierarchy, "1:name=systemd:/…" in the old one.
  for (const auto line : split(*text, '\n'))
    if (line.starts_with("0::") || line.find(":name=systemd:") != std::string_view::npos) found += std::string(line) + "\n";
  return found;
}

}  // namespace sp::os
