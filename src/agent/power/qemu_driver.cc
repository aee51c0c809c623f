// A virtual machine that this agent starts itself. It lives on when the agent dies and is found again by its lock, which QEMU
// holds as long as it lives:
//
//   lock        flock of the running QEMU, on an inherited descriptor
//   qemu.json   {pid, startTime} of it
//   qmp         its monitor's socket; one client at a time, so nobody stays connected
//   qemu.log    what it printed since its last start
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "agent/power/driver.h"
#include "agent/power/qmp.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr int kLockThere = 3;
constexpr milliseconds kMonitorPatience{20'000};
constexpr milliseconds kReplyPatience{5'000};
constexpr milliseconds kGuestPatience{3'000};
constexpr milliseconds kEndPatience{5'000};
constexpr milliseconds kLook{2'000};
constexpr std::size_t kLogTail = 500;

struct Running {
  pid_t pid = -1;
  std::uint64_t start_time = 0;
  os::Fd pidfd;
};

class QemuDriver final : public PowerDriver {
 public:
  QemuDriver(std::string instance, PowerDescription power, std::string folder)
      : instance_(std::move(instance)), power_(std::move(power)), folder_(std::move(folder)) {}

  Result<void> preflight() override {
    if (::access(power_.argv.front().c_str(), X_OK) != 0)
      return failErrno("power.preflight", fmt::format("the program of {} cannot be run: {}", instance_, power_.argv.front()), errno);
    if (monitorPath().size() >= sizeof(sockaddr_un::sun_path))
      return fail("power.preflight",
                  fmt::format("the monitor's socket {} has a path of more than {} bytes: give the agent a shorter state directory",
                              monitorPath(), sizeof(sockaddr_un::sun_path) - 1));
    return {};
  }

  Result<PowerNow> status() override {
    SP_TRY(const auto running, find());
    if (!running) return PowerNow{};
    return PowerNow{true, fmt::format("{} {}", running->pid, running->start_time)};
  }

  Result<void> start() override {
    SP_CHECK_OK(preflight());
    SP_CHECK_OK(os::makeDirectories(folder_));
    os::Fd lock(::open(lockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock) return failErrno("power.start", "cannot open " + lockPath(), errno);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return {};  // it runs
    ::unlink(monitorPath().c_str());
    ::unlink(statePath().c_str());
    const os::Fd log(::open(logPath().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    os::SpawnSpec spec;
    spec.argv = power_.argv;
    spec.argv.insert(spec.argv.end(), {"-qmp", fmt::format("unix:{},server=on,wait=off", withDoubledCommas(monitorPath()))});
    spec.argv = os::inScope(instance_, std::move(spec.argv));
    spec.environment =
        std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/"};
    spec.cwd = "/";
    spec.stdout_fd = spec.stderr_fd = log.get();
    spec.pass = {{lock.get(), kLockThere}};
    spec.new_session = true;
    auto process = os::spawn(spec);
    if (!process) return fail("power.start", fmt::format("machine {} did not start: {}", instance_, process.error().message));
    lock.reset();
    const auto pid = process->pid();
    // Whoever finds no file asks the monitor's socket who listens.
    if (auto kept = os::writeFileDurably(statePath(), json::toText(json::Object{{"pid", pid}, {"startTime", os::processStartTime(pid)}}));
        !kept)
      log::warn("a virtual machine's process is not noted", {{"instance", instance_}, {"why", kept.error().text()}});
    return awaitMonitor(std::move(*process));
  }

  Result<void> askToStop() override {
    if (!power_.guest_agent.empty()) {
      auto guest = QmpClient::connectGuest(power_.guest_agent, kGuestPatience);
      if (guest) {
        if (auto told = guest->tell("guest-shutdown", {{"mode", "powerdown"}}); told) return {};
      }
      log::warn(
          "the guest agent does not answer: the power button is pressed instead",
          {{"instance", instance_}, {"socket", power_.guest_agent}, {"why", guest ? "it closed the connection" : guest.error().text()}});
    }
    SP_TRY(auto monitor, QmpClient::connect(monitorPath(), kReplyPatience));
    SP_TRY([[maybe_unused]] const auto pressed, monitor.execute("system_powerdown", {}, kReplyPatience));
    return {};
  }

  Result<void> kill() override {
    SP_TRY(const auto running, find());
    if (!running) return {};
    if (auto monitor = QmpClient::connect(monitorPath(), kReplyPatience); monitor) {
      // The reply is waited for: QEMU may overlook a quit whose sender has gone.
      [[maybe_unused]] const auto quit = monitor->execute("quit", {}, kReplyPatience);
      if (os::waitReadable(running->pidfd.get(), kEndPatience)) return {};
    }
    os::signalPidfd(running->pidfd.get(), SIGTERM);
    if (os::waitReadable(running->pidfd.get(), kEndPatience)) return {};
    os::signalPidfd(running->pidfd.get(), SIGKILL);
    return {};
  }

  void awaitChange(milliseconds limit) override {
    if (const auto running = find(); running && *running) os::waitReadable((*running)->pidfd.get(), limit);
    else ::poll(nullptr, 0, static_cast<int>(std::min(limit, kLook).count()));
  }
  milliseconds lookEvery() const override { return kLook; }
  std::string hint() const override { return "; see " + logPath(); }

 private:
  std::string lockPath() const { return folder_ + "/lock"; }
  std::string monitorPath() const { return folder_ + "/qmp"; }
  std::string statePath() const { return folder_ + "/qemu.json"; }
  std::string logPath() const { return folder_ + "/qemu.log"; }

  /// QEMU's way to write a comma in an option's value.
  static std::string withDoubledCommas(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == ',' ? std::string(",,") : std::string(1, c);
    return out;
  }

  bool lockIsFree() const {
    const os::Fd lock(::open(lockPath().c_str(), O_RDWR | O_CLOEXEC));
    return !lock || ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0;
  }

  /// The living QEMU, if any. Error "power.status": something holds the lock that cannot be named.
  Result<std::optional<Running>> find() const {
    if (lockIsFree()) return std::optional<Running>{};
    if (const auto text = os::readFile(statePath(), 4096))
      if (const auto value = json::parse(*text); value && value->is_object()) {
        const auto pid = static_cast<pid_t>(json::intOr(value->get_object(), "pid", -1));
        const auto started = static_cast<std::uint64_t>(json::intOr(value->get_object(), "startTime", 0));
        if (auto found = openProcess(pid); found && found->start_time == started) return found;
      }
    auto monitor = QmpClient::connect(monitorPath(), kReplyPatience);
    auto found = monitor ? openProcess(monitor->peer()) : std::nullopt;
    if (found) return found;
    if (lockIsFree()) return std::optional<Running>{};
    return fail("power.status", fmt::format("something holds {} but no process of the machine is found", lockPath()));
  }

  static std::optional<Running> openProcess(pid_t pid) {
    if (pid <= 1) return std::nullopt;
    auto fd = os::openPidfd(pid);
    const auto started = os::processStartTime(pid);
    if (!fd || started == 0) return std::nullopt;
    return Running{pid, started, std::move(*fd)};
  }

  std::string logTail() const {
    const auto text = os::readFile(logPath(), 1U << 20U);
    std::string tail(text ? trim(*text) : "");
    if (tail.size() > kLogTail) tail = tail.substr(tail.size() - kLogTail);
    std::ranges::replace(tail, '\n', ' ');
    return isUtf8(tail) ? tail : "";
  }

  /// Waits until the monitor answers: QEMU has read its command line and opened its disks by then.
  Result<void> awaitMonitor(os::Process process) const {
    const auto deadline = std::chrono::steady_clock::now() + kMonitorPatience;
    while (true) {
      SP_TRY(const auto ended, process.wait(milliseconds(20)));
      if (ended) return fail("power.start", fmt::format("machine {} ended at its start with {}: {}", instance_, ended->text(), logTail()));
      const bool answers = QmpClient::connect(monitorPath(), milliseconds(500)).has_value();
      const bool late = std::chrono::steady_clock::now() > deadline;
      if (!answers && !late) continue;
      // This process is its parent: somebody has to take its exit status.
      std::thread([process = std::move(process)] { (void)process.wait(); }).detach();
      if (answers) return {};
      return fail("power.start", fmt::format("the monitor of machine {} does not answer within {} s{}", instance_,
                                             kMonitorPatience.count() / 1000, hint()));
    }
  }

  const std::string instance_;
  const PowerDescription power_;
  const std::string folder_;
};

}  // namespace

std::unique_ptr<PowerDriver> makeQemuDriver(std::string instance, PowerDescription power, std::string folder) {
  return std::make_unique<QemuDriver>(std::move(instance), std::move(power), std::move(folder));
}

}  // namespace sp::agent
