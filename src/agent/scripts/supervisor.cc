#include "agent/scripts/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

constexpr int kLockFd = 3;
constexpr std::chrono::milliseconds kKillPatience{5000};

json::Array toArray(const std::vector<std::string>& texts) {
  json::Array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

json::Object encode(const ScriptStatus& status) {
  return {{"reason", status.reason}, {"exitCode", status.exit_code}, {"durationMs", status.duration_ms}, {"message", status.message}};
}

Result<SuperviseSpec> readSpec(const std::string& path) {
  SP_TRY(const auto text, os::readFile(path));
  SP_TRY(const auto value, json::parse(text));
  if (!value.is_object()) return fail("agent.spec", path + " is not an object");
  json::Reader reader(value.get_object());
  SuperviseSpec spec;
  spec.argv = reader.textsIf("argv");
  spec.environment = reader.textsIf("environment");
  spec.cwd = reader.text("cwd");
  spec.timeout_ms = reader.integer("timeoutMs");
  spec.reserve = reader.text("reserve");
  SP_CHECK_OK(reader.finish());
  return spec;
}

/// What the script printed must be on disk before its status is.
void fsyncOutputs(const os::Fd& out, const os::Fd& err) {
  ::fdatasync(out.get());
  ::fdatasync(err.get());
}

struct Ending {
  std::string reason = "exited";
  os::ExitStatus status;
};

Ending watch(const os::Process& script, int signals, std::int64_t timeout_ms) {
  Ending ending;
  const auto limit = std::chrono::milliseconds(timeout_ms > 0 ? timeout_ms : -1);
  const int woken = os::waitEither(script.pidfd(), signals, limit);
  if (woken != 1) {
    ending.reason = woken == 2 ? "cancelled" : "timeout";
    script.killGroup(SIGKILL);
  }
  if (const auto status = script.wait(); status && *status) ending.status = **status;
  if (woken != 1) {
    os::killDescendants(kKillPatience);
    ending.status = {137, SIGKILL};
  }
  return ending;
}

}  // namespace

Result<void> SupervisedRun::prepare(const SuperviseSpec& spec) {
  SP_CHECK_OK(os::makeDirectories(directory_));
  lock_ = os::Fd(::open((directory_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) return failErrno("os.open", "cannot open " + directory_ + "/lock", errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return failErrno("os.lock", "cannot lock " + directory_ + "/lock", errno);
  const json::Object object{{"argv", toArray(spec.argv)},
                            {"environment", toArray(spec.environment)},
                            {"cwd", spec.cwd},
                            {"timeoutMs", spec.timeout_ms},
                            {"reserve", spec.reserve}};
  // Not durable: after a power cut nobody runs by it any more.
  return os::writeFile(directory_ + "/spec.json", json::toText(object));
}

Result<void> SupervisedRun::launch() {
  SP_TRY(auto child, os::forkSession(lock_.get(), [this] { return superviseMain(directory_); }));
  child_ = std::move(child);
  // From here on the lock lives exactly as long as the supervisor.
  lock_.reset();
  return {};
}

std::optional<ScriptStatus> SupervisedRun::status() const {
  const auto text = os::readFile(directory_ + "/status");
  if (!text) return std::nullopt;
  const auto value = json::parse(*text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  return ScriptStatus{json::textOr(object, "reason"), static_cast<int>(json::intOr(object, "exitCode", -1)),
                      json::intOr(object, "durationMs", 0), json::textOr(object, "message")};
}

bool SupervisedRun::alive() const {
  const os::Fd lock(::open((directory_ + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!lock) return false;
  return ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int SupervisedRun::pidfd() {
  if (child_) return child_->pidfd();
  if (adopted_) return adopted_.get();
  const auto text = os::readFile(directory_ + "/pid", 256);
  if (!text) return -1;
  const auto words = split(trim(*text), ' ');
  if (words.size() != 2) return -1;
  const auto pid = parseInt(words[0]);
  const auto start = parseInt(words[1]);
  if (!pid || !start) return -1;
  auto fd = os::openPidfd(static_cast<pid_t>(*pid));
  // The number may belong to another process by now.
  if (!fd || os::processStartTime(static_cast<pid_t>(*pid)) != static_cast<std::uint64_t>(*start)) return -1;
  adopted_ = std::move(*fd);
  return adopted_.get();
}

bool SupervisedRun::wait(int cancel_fd) {
  while (true) {
    const int fd = pidfd();
    // A supervisor that was started a moment ago may not have written its pid yet.
    const auto limit = std::chrono::milliseconds(fd < 0 ? 5 : -1);
    const int woken = os::waitEither(fd, cancel_fd, limit);
    if (woken == 1) {
      if (child_) (void)child_->wait();
      return true;
    }
    if (woken == 2) return false;
    if (!alive()) return true;
  }
}

void SupervisedRun::cancel() {
  // Its pid is on disk once it can take the signal.
  while (alive()) {
    if (const int fd = pidfd(); fd >= 0 && ::access((directory_ + "/pid").c_str(), F_OK) == 0) {
      os::signalPidfd(fd, SIGTERM);
      return;
    }
    ::poll(nullptr, 0, 2);
  }
}

int superviseMain(const std::string& directory) {
  ::prctl(PR_SET_NAME, "sp-supervise");
  ::fcntl(kLockFd, F_SETFD, FD_CLOEXEC);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::umask(022);
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&blocked, number);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  const os::Fd signals(::signalfd(-1, &wanted, SFD_CLOEXEC));
  const SystemClock clock;
  const auto began = clock.boottime();
  (void)os::writeFile(directory + "/pid", fmt::format("{} {}", ::getpid(), os::processStartTime(::getpid())));
  ScriptStatus status{"not_started", -1, 0, ""};
  const os::Fd out(::open((directory + "/stdout").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const os::Fd err(::open((directory + "/stderr").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  auto spec = readSpec(directory + "/spec.json");
  if (!spec) {
    status.message = spec.error().text();
  } else if (auto script = os::spawn({.argv = spec->argv,
                                      .environment = spec->environment,
                                      .cwd = spec->cwd,
                                      .stdout_fd = out.get(),
                                      .stderr_fd = err.get(),
                                      .new_session = true});
             !script) {
    status.message = script.error().text();
  } else {
    const auto ending = watch(*script, signals.get(), spec->timeout_ms);
    status.reason = ending.reason;
    status.exit_code = ending.status.code;
  }
  fsyncOutputs(out, err);
  status.duration_ms = (clock.boottime() - began).count() / 1000;
  const auto text = json::toText(encode(status));
  // Without its folder nobody waits for it any more.
  while (!os::writeFileDurably(directory + "/status", text) && ::access(directory.c_str(), W_OK) == 0) {
    if (spec) ::unlink(spec->reserve.c_str());
    ::poll(nullptr, 0, 100);
  }
  return 0;
}

}  // namespace sp::agent
