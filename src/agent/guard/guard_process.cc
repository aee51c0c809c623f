#include "agent/guard/guard_process.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "agent/guard/lease_files.h"
#include "agent/handlers.h"
#include "agent/identity.h"
#include "agent/requests.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// An agent that lives has noted the end of a lease at once; one that has not by now hangs. It is ended: whatever it did goes on
/// without it and is taken up again.
constexpr seconds kHungAfter{30};
constexpr int kDoublings = 7;
constexpr seconds kPause{5};
constexpr int kExitOtherRuns = 3;
constexpr milliseconds kLockPatience{10'000};
constexpr milliseconds kLockLook{5};
constexpr milliseconds kStandInLook{50};
constexpr std::string_view kStandIn = "stand-in";
constexpr std::uint64_t kRunAsMost = 64U << 10U;

/// Who holds the lock on the state directory, as it says itself.
struct Holder {
  pid_t pid = -1;
  bool stand_in = false;
  os::Fd pidfd;
};
/// Nobody if that process has ended.
std::optional<Holder> holderOf(const std::string& state_dir) {
  const auto text = os::readFile(state_dir + "/pid", 256);
  if (!text) return std::nullopt;
  const auto words = split(trim(*text), ' ');
  const auto pid = words.size() >= 2 ? parseInt(words[0]) : std::nullopt;
  const auto start = words.size() >= 2 ? parseInt(words[1]) : std::nullopt;
  if (!pid || !start || *pid <= 1) return std::nullopt;
  auto pidfd = os::openPidfd(static_cast<pid_t>(*pid));
  // The number may belong to another process by now.
  if (!pidfd || os::processStartTime(static_cast<pid_t>(*pid)) != static_cast<std::uint64_t>(*start)) return std::nullopt;
  return Holder{static_cast<pid_t>(*pid), words.size() > 2 && words[2] == kStandIn, std::move(*pidfd)};
}

Result<std::vector<std::string>> keptRunAs(const std::string& state_dir) {
  const auto path = state_dir + "/run-as.json";
  SP_TRY(const auto text, os::readFile(path, kRunAsMost));
  SP_TRY(const auto value, withContext(json::parse(text), "read " + path));
  if (!value.is_object()) return fail("agent.guard", path + " is not a JSON object");
  json::Reader reader(value.get_object(), path);
  auto users = reader.textsIf("runAs");
  SP_CHECK_OK(reader.finish());
  return users;
}

class Watcher {
 public:
  explicit Watcher(std::string state_dir) : state_dir_(std::move(state_dir)), files_(state_dir_) {}
  int run();

 private:
  void watch();
  /// Until a lease comes, goes or ends, or that time has come.
  void waitUntil(Duration time);
  void late();
  void standIn() const;

  const std::string state_dir_;
  const LeaseFiles files_;
  const SystemClock clock_;
  os::Fd changes_;
  os::Fd timer_;
  /// Who holds the lock while a lease has ended, and since when: a machine that slept gives its agent its time anew.
  pid_t late_pid_ = -1;
  std::chrono::steady_clock::time_point late_since_;
  int killed_ = 0;
};

int Watcher::run() {
  changes_ = os::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  timer_ = os::Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) {
    std::perror("stillpoint agent-guard");
    return 1;
  }
  // Where there are no more watches to be had it looks now and then.
  if (changes_ && ::inotify_add_watch(changes_.get(), files_.directory().c_str(), IN_MOVED_TO | IN_MODIFY | IN_DELETE | IN_DELETE_SELF) < 0)
    changes_.reset();
  // Who has just written a lease sees either this lock or that it is free: no lease stands without a guard.
  while (true) {
    {
      const auto lock = files_.lock();
      if (!lock) return lock.error().code == "os.locked" ? 0 : 1;
      watch();
    }
    if (files_.all().empty()) return 0;
  }
}

void Watcher::watch() {
  while (true) {
    const auto leases = files_.all();
    if (leases.empty()) return;
    auto first = leases.begin()->second;
    for (const auto& [id, until] : leases) first = std::min(first, until);
    if (clock_.boottime() >= first) {
      late();
      continue;
    }
    late_pid_ = -1;
    killed_ = 0;
    waitUntil(first);
  }
}

void Watcher::waitUntil(Duration time) {
  if (!changes_) time = std::min<Duration>(time, clock_.boottime() + seconds(1));
  const auto left = std::max<Duration>(time - clock_.boottime(), milliseconds(1));
  const auto whole = std::chrono::floor<seconds>(left);
  itimerspec spec{};
  spec.it_value.tv_sec = whole.count();
  spec.it_value.tv_nsec = std::chrono::nanoseconds(left - whole).count();
  ::timerfd_settime(timer_.get(), 0, &spec, nullptr);
  os::waitEither(changes_.get(), timer_.get(), milliseconds(-1));
  alignas(inotify_event) std::array<char, 4096> told{};
  while (changes_ && ::read(changes_.get(), told.data(), told.size()) > 0) {}
}

void Watcher::late() {
  // Given back at once: the stand-in, or an agent that has just come, takes it.
  if (const bool free = os::lockFile(state_dir_ + "/lock").has_value(); free) return standIn();
  const auto holder = holderOf(state_dir_);
  const auto now = std::chrono::steady_clock::now();
  if (!holder || holder->pid != late_pid_) {
    late_pid_ = holder ? holder->pid : -1;
    late_since_ = now;
  }
  // Each one that follows has longer: it may be as slow as the last.
  const auto patience = kHungAfter * (1U << static_cast<unsigned>(std::min(killed_, kDoublings)));
  if (!holder || holder->stand_in || now - late_since_ < patience) return waitUntil(clock_.boottime() + seconds(1));
  log::error("the agent has not noted the end of a lease: it hangs and is ended", {{"pid", holder->pid}});
  ++killed_;
  os::signalPidfd(holder->pidfd.get(), SIGKILL);
  os::waitReadable(holder->pidfd.get(), kLockPatience);
}

// Of the program as it is now: an upgrade since this process began may have changed what the journal holds. One that knows no stand-in is
// older than the freeze.
void Watcher::standIn() const {
  for (const auto& program : std::array<std::string, 2>{os::ownProgram(), "/proc/self/exe"}) {
    const auto process = os::spawn({.argv = {program, "agent-stand-in", state_dir_},
                                    .environment = os::environmentForChildren(),
                                    .cwd = "/",
                                    .stderr_fd = STDERR_FILENO,
                                    .new_session = true});
    const auto ended = process ? process->wait() : Result<std::optional<os::ExitStatus>>(std::nullopt);
    if (ended && *ended && (*ended)->ok()) return;
    if (ended && *ended && (*ended)->code == kExitOtherRuns) break;
    log::error("the agent's stand-in did not do its work",
               {{"program", program}, {"how", ended && *ended ? (*ended)->text() : "not started"}});
  }
  os::waitReadable(-1, kPause);
}

Result<void> standInLocked(const std::string& state_dir, int stop_fd) {
  Options options;
  options.state_dir = state_dir;
  SP_TRY(options.run_as, keptRunAs(state_dir));
  SP_TRY(const auto identity, FileIdentity::load(options));
  SP_TRY(const auto journal, Journal::open(state_dir + "/journal"));
  Outbox outbox;
  SP_TRY(auto parts, makeScriptParts(identity, *journal));
  // Its threads are never joined: it stays until the process ends.
  auto* const requests = new Requests(*journal, identity, outbox, std::move(parts.handlers));
  log::warn("stands in for the agent, which does not run", {{"agent", identity.agent()}});
  requests->adoptGuarded();
  if (!requests->guards().begin()) return fail("agent.guard", "there is no thread to be had");
  while (!requests->guards().idle() && !os::waitReadable(stop_fd, kStandInLook)) {}
  std::fflush(nullptr);
  ::_exit(0);
}

}  // namespace

int guardMain(const std::string& state_dir) {
  ::umask(0022);
  ::signal(SIGPIPE, SIG_IGN);
  return Watcher(state_dir).run();
}

int standInMain(const std::string& state_dir) {
  ::umask(0022);
  const auto stop = os::stopSignals();
  // As the agent does (scripts/run_folders.cc).
  ::signal(SIGIO, SIG_IGN);
  const auto lock = os::lockFile(state_dir + "/lock");
  if (!lock) return kExitOtherRuns;
  auto done = writePid(state_dir, true);
  if (done) done = standInLocked(state_dir, stop.get());
  std::fputs(fmt::format("stillpoint agent-stand-in: {}\n", done ? "" : done.error().text()).c_str(), stderr);
  return 1;
}

Result<os::Fd> lockState(const std::string& state_dir) {
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  const auto asked_until = deadline - kLockPatience / 2;
  while (true) {
    auto lock = os::lockFile(state_dir + "/lock");
    if (lock || lock.error().code != "os.locked") return lock;
    const auto holder = holderOf(state_dir);
    const auto now = std::chrono::steady_clock::now();
    // One whose name is not written down has only just begun, or has just ended.
    if ((holder && !holder->stand_in) || now > deadline) return lock;
    if (holder) os::signalPidfd(holder->pidfd.get(), now > asked_until ? SIGKILL : SIGTERM);
    os::waitReadable(-1, kLockLook);
  }
}

Result<void> keepRunAs(const std::string& state_dir, const std::vector<std::string>& users) {
  const auto text = json::toText(json::Object{{"runAs", json::Array(users.begin(), users.end())}});
  const auto path = state_dir + "/run-as.json";
  if (const auto kept = os::readFile(path, kRunAsMost); kept && *kept == text) return {};
  return os::writeFileDurably(path, text, 0600);
}

Result<void> writePid(const std::string& state_dir, bool stand_in) {
  return os::writeFile(
      state_dir + "/pid",
      fmt::format("{} {}{}{}\n", ::getpid(), os::processStartTime(::getpid()), stand_in ? " " : "", stand_in ? kStandIn : ""), 0644);
}

}  // namespace sp::agent
