#include "agent/machines/init.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "json/json.h"
#include "os/process.h"

namespace sp::agent {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kLockFd = 3;
constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{5'000};
/// A service that lived this long starts again at once: one that dies every second costs little, and while a machine is without its
/// agent its application may stay frozen.
constexpr milliseconds kHealthy{1'000};
constexpr milliseconds kAgentPatience{5'000};
constexpr milliseconds kRestPatience{3'000};

struct Service {
  std::string name;
  std::vector<std::string> argv;
  std::string log;
  std::optional<os::Process> process;
  Steady::time_point started;
  Steady::time_point next;
  milliseconds delay = kFirstDelay;
};

class Init {
 public:
  explicit Init(int signals) : signals_(signals) {}
  void add(std::string name, std::vector<std::string> argv, std::string log) {
    services_.push_back({std::move(name), std::move(argv), std::move(log), {}, {}, {}});
  }
  /// Until SIGTERM or SIGINT.
  void keep();
  /// False: the stop was given up before its point of no return, and the services are to be kept again.
  bool shutDown();

 private:
  void startDue();
  void ended(pid_t pid);
  void reap();
  milliseconds untilNext() const;
  /// Waits for a signal; true: it asks to shut down.
  bool awaitSignal(milliseconds limit);
  bool awaitEnd(Service& service, milliseconds limit);
  bool awaitAlone(milliseconds limit);
  Service* find(const std::string& name);

  const int signals_;
  std::vector<Service> services_;
  /// kStaySignal came after the last wish to shut down.
  bool stay_ = false;
};

Service* Init::find(const std::string& name) {
  const auto found = std::ranges::find(services_, name, &Service::name);
  return found == services_.end() ? nullptr : &*found;
}

void Init::startDue() {
  const auto now = Steady::now();
  for (auto& service : services_) {
    if (service.process || service.next > now) continue;
    const os::Fd log(::open(service.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    auto process =
        os::spawn({.argv = service.argv, .stdout_fd = log ? log.get() : 1, .stderr_fd = log ? log.get() : 2, .new_session = true});
    if (process) service.process = std::move(*process);
    else log::error("service not started", {{"service", service.name}, {"why", process.error().text()}});
    service.started = now;
    service.next = now + service.delay;
  }
}

void Init::ended(pid_t pid) {
  for (auto& service : services_) {
    if (!service.process || service.process->pid() != pid) continue;
    service.process.reset();
    const auto lived = Steady::now() - service.started;
    service.delay = restartDelay(service.delay, std::chrono::duration_cast<milliseconds>(lived));
    service.next = Steady::now() + service.delay;
    log::warn("service ended", {{"service", service.name}, {"lived_ms", std::chrono::duration_cast<milliseconds>(lived).count()}});
  }
}

void Init::reap() {
  while (true) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid <= 0) return;
    ended(pid);
  }
}

milliseconds Init::untilNext() const {
  auto wait = milliseconds(-1);
  for (const auto& service : services_) {
    if (service.process) continue;
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(service.next - Steady::now()));
    wait = wait.count() < 0 ? left : std::min(wait, left);
  }
  return wait;
}

bool Init::awaitSignal(milliseconds limit) {
  if (!os::waitReadable(signals_, limit)) return false;
  signalfd_siginfo info{};
  const auto got = ::read(signals_, &info, sizeof info);
  if (got != static_cast<ssize_t>(sizeof info)) return false;
  if (info.ssi_signo == SIGCHLD) reap();
  const bool stop = info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
  if (stop) stay_ = false;
  else if (info.ssi_signo == kStaySignal) stay_ = true;
  return stop;
}

void Init::keep() {
  do startDue();
  while (!awaitSignal(untilNext()));
}

bool Init::awaitEnd(Service& service, milliseconds limit) {
  const auto deadline = Steady::now() + limit;
  while (service.process && !stay_) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Steady::now());
    if (limit.count() >= 0 && left.count() <= 0) return false;
    awaitSignal(limit.count() < 0 ? limit : left);
  }
  return true;
}

bool Init::awaitAlone(milliseconds limit) {
  const auto deadline = Steady::now() + limit;
  while (true) {
    reap();
    if (::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) return true;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Steady::now());
    if (left.count() <= 0) return false;
    awaitSignal(left);
  }
}

bool Init::shutDown() {
  log::info("machine shuts down");
  // One that could not listen for a while finds the stop and its end together.
  while (!stay_ && os::waitReadable(signals_, milliseconds(0))) awaitSignal(milliseconds(0));
  // The application gets the time it needs: who asked for the stop has the deadline and the right to kill.
  if (auto* application = find("application"); !stay_ && application && application->process) {
    application->process->signal(SIGTERM);
    awaitEnd(*application, milliseconds(-1));
  }
  if (auto* agent = find("agent"); !stay_ && agent && agent->process) {
    agent->process->signal(SIGTERM);
    awaitEnd(*agent, kAgentPatience);
  }
  if (stay_) {
    log::warn("machine stays up: its stop was given up");
    return false;
  }
  ::kill(-1, SIGTERM);
  if (!awaitAlone(kRestPatience)) {
    ::kill(-1, SIGKILL);
    awaitAlone(kRestPatience);
  }
  log::info("machine is down");
  return true;
}

std::string imageName() {
  const auto text = os::readFile("/etc/stillpoint-machine.json", 65536);
  const auto value = text ? json::parse(*text) : Result<json::Value>(json::Value());
  return value && value->is_object() ? json::textOr(value->get_object(), "image") : "";
}

}  // namespace

milliseconds restartDelay(milliseconds last, milliseconds lived) {
  return lived >= kHealthy ? kFirstDelay : std::min(kLongestDelay, last * 2);
}

int machineInit() {
  if (::getpid() != 1) return 2;
  ::fcntl(kLockFd, F_SETFD, FD_CLOEXEC);
  ::umask(022);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD, kStaySignal}) sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const os::Fd signals(::signalfd(-1, &set, SFD_CLOEXEC));
  const auto image = imageName();
  log::info("machine boots", {{"image", image}});
  Init init(signals.get());
  init.add("agent", {"/opt/stillpoint", "agent", "--state-dir", "/var/lib/stillpoint-agent"}, "/var/log/stillpoint-agent.log");
  if (image == "ami-demo") init.add("application", {"/opt/stillpoint", "demo-app"}, "/var/log/demo-app.log");
  do init.keep();
  while (!init.shutDown());
  return 0;
}

}  // namespace sp::agent
