// The small process that a script, or a restic, runs under (src/agent/scripts/supervisor.h says what its folder holds):
//
//   stillpoint-supervise       descriptor 3: a socket of the agent's
//
// waits for messages on it, one for each script: the folder's path, and with it the folder's lock, held, a pipe that is closed once
// `status` stands, and descriptors that become 3, 4 … of the script. For each it forks the process that looks after that script, and needs
// no program to be started and loaded; so one of it is started ahead and serves all scripts of its agent. When the agent has gone it ends;
// those it forked go on. A program of its own, linked statically and with nothing but the C library: small enough that a fork of it costs
// next to nothing. Its bytes are embedded in the agent, which puts them beside its state.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kSocketFd = 3;
/// Descriptors that come with an order: lock, pipe, and so many for the script.
constexpr std::size_t kGivenMax = 8;
/// Where they are out of the way of those that they become.
constexpr int kGivenFrom = 100;
constexpr long kKillPatienceMs = 5000;
constexpr long kBusyPatienceMs = 5000;
/// So far apart processes hear of a shutdown that ends them all.
constexpr int kTogetherMs = 200;
/// How many processes the user that scripts run as may have.
constexpr rlim_t kProcessesMax = 8192;
constexpr long kForeverMs = 1'000'000'000;
/// How often a script is looked at where its end cannot be waited for.
constexpr long kLookMs = 20;
/// So much of a script tells whether it is text.
constexpr std::size_t kLookBytes = 128;
// What a shell answers for a program that is not there, and for one that cannot be run.
constexpr int kNotFound = 127;
constexpr int kNotRunnable = 126;

long nowMs() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

bool readAll(const std::string& path, std::string& out) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char buffer[16384];
  ssize_t got = 0;
  while ((got = ::read(fd, buffer, sizeof buffer)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return got == 0;
}

bool writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

/// In place, since another file would cost more than the script's start; who reads it waits for our lock, or takes what is not whole for
/// nothing. In memory only: after a power cut the script's fate is unknown, and told so; until then the kernel keeps it whatever becomes
/// of the agent.
bool writeFile(const std::string& path, std::string_view bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = writeAll(fd, bytes);
  ::close(fd);
  return written;
}

/// Room for `status`, taken before the script can fill the disk: until the end it holds nothing that could be read.
constexpr std::size_t kStatusRoom = 1024;
void reserveStatus(const std::string& path) { writeFile(path, std::string(kStatusRoom, '\0')); }

/// In that room, so that a full disk keeps nobody from hearing how the script ended.
bool writeStatus(const std::string& path, std::string text) {
  if (text.size() < kStatusRoom) text.resize(kStatusRoom, '\n');
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = writeAll(fd, text);
  ::close(fd);
  return written;
}

struct Order {
  std::string directory;
  int lock = -1;
  int done = -1;
  std::vector<int> given;
};

bool awaitOrder(Order& order) {
  constexpr std::size_t kMost = (2 + kGivenMax) * sizeof(int);
  char path[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(kMost)];
  iovec bytes{path, sizeof path};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  while ((got = ::recvmsg(kSocketFd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {}
  const auto* sent = CMSG_FIRSTHDR(&message);
  if (got <= 0 || sent == nullptr || sent->cmsg_type != SCM_RIGHTS || sent->cmsg_len < CMSG_LEN(2 * sizeof(int))) return false;
  std::vector<int> descriptors((sent->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  std::memcpy(descriptors.data(), CMSG_DATA(sent), descriptors.size() * sizeof(int));
  order = {std::string(path, static_cast<std::size_t>(got)), descriptors[0], descriptors[1], {descriptors.begin() + 2, descriptors.end()}};
  return true;
}

void closeGiven(const Order& order) {
  for (const int fd : order.given) ::close(fd);
}

/// spec: fields that each end with NUL: run, timeout in ms (0: none), the signal that asks it to end, what it is given then before it is
/// killed, in ms, reserve, cwd, number of arguments, arguments, environment …
struct Spec {
  /// Names the run for ever; `status` repeats it.
  std::string run;
  long timeout_ms = 0;
  int end_signal = SIGTERM;
  long grace_ms = 0;
  std::string reserve;
  std::string cwd;
  std::vector<std::string> argv;
  std::vector<std::string> environment;
};

bool readSpec(const std::string& path, Spec& spec) {
  std::string text;
  if (!readAll(path, text)) return false;
  std::vector<std::string> fields;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\0', at);
    if (end == std::string::npos) return false;
    fields.emplace_back(text, at, end - at);
    at = end + 1;
  }
  constexpr std::size_t kBefore = 7;
  if (fields.size() <= kBefore) return false;
  const auto number = [&](std::size_t field) { return std::strtol(fields[field].c_str(), nullptr, 10); };
  spec.run = fields[0];
  spec.timeout_ms = number(1);
  spec.end_signal = static_cast<int>(number(2));
  spec.grace_ms = number(3);
  spec.reserve = fields[4];
  spec.cwd = fields[5];
  const auto count = std::strtoul(fields[6].c_str(), nullptr, 10);
  if (count == 0 || count > fields.size() - kBefore) return false;
  const auto arguments = fields.begin() + kBefore;
  spec.argv.assign(arguments, arguments + static_cast<std::ptrdiff_t>(count));
  spec.environment.assign(arguments + static_cast<std::ptrdiff_t>(count), fields.end());
  return true;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

/// Text that names no interpreter: no kernel runs it, and a shell takes it for a shell's script. To ask the kernel first costs a
/// process that ends at once.
bool isPlainText(const std::string& path) {
  char head[kLookBytes];
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const auto got = ::read(fd, head, sizeof head);
  ::close(fd);
  if (got < 0) return false;
  const std::string_view text(head, static_cast<std::size_t>(got));
  return !text.starts_with("#!") && text.find('\0') == std::string_view::npos;
}

/// Starts the script in a session of its own; 0, or errno. One without "#!" is run by /bin/sh, as a shell does it.
int startScript(Spec& spec, int out, int err, const std::vector<int>& given, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  int next = 3;
  for (const int fd : given) posix_spawn_file_actions_adddup2(&actions, fd, next++);
  posix_spawn_file_actions_addclosefrom_np(&actions, next);
  posix_spawn_file_actions_addchdir_np(&actions, spec.cwd.c_str());
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  const auto environment = pointers(spec.environment);
  auto argv = pointers(spec.argv);
  std::string shell = "/bin/sh";
  const bool plain = isPlainText(spec.argv[0]);
  if (plain) argv.insert(argv.begin(), shell.data());
  const auto spawn = [&] { return ::posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environment.data()); };
  int error = spawn();
  // A child that the agent starts at the same moment may hold the script open for writing until its own exec.
  for (const long deadline = nowMs() + kBusyPatienceMs; error == ETXTBSY && nowMs() < deadline; error = spawn()) ::poll(nullptr, 0, 2);
  if (error == ENOEXEC && !plain) {
    argv.insert(argv.begin(), shell.data());
    error = spawn();
  }
  return error;
}

/// Why the kernel would not run it: mostly its first line.
std::string notRunnable(const std::string& path, int error) {
  std::string text;
  readAll(path, text);
  const auto why = std::string(std::strerror(error)) + "\n";
  if (!text.starts_with("#!")) return path + ": cannot be run: " + why;
  auto line = text.substr(2, text.find('\n') - 2);
  const bool cr = line.ends_with('\r');
  if (cr) line.pop_back();
  line.erase(0, std::min(line.size(), line.find_first_not_of(" \t")));
  return path + ": the interpreter that its first line names cannot be run: " + line.substr(0, 200) + (cr ? "\\r" : "") + ": " + why;
}

void killDescendants() {
  const long deadline = nowMs() + kKillPatienceMs;
  const auto list = "/proc/self/task/" + std::to_string(::gettid()) + "/children";
  while (nowMs() < deadline) {
    // Orphans become our children (subreaper): killing children until there is none reaches every descendant.
    std::string children;
    readAll(list, children);
    bool any = false;
    for (const char* at = children.c_str(); *at != '\0';) {
      char* end = nullptr;
      const long pid = std::strtol(at, &end, 10);
      if (end == at) break;
      if (pid > 0) any = ::kill(static_cast<pid_t>(pid), SIGKILL) == 0 || any;
      at = *end == ' ' ? end + 1 : end;
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) any = true;
    if (!any) return;
    ::poll(nullptr, 0, 1);
  }
}

struct Ending {
  const char* reason = "exited";
  int code = -1;
};

/// Without reaping it.
bool hasEnded(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/// Its whole group is told, and waited for until the script itself has ended or the grace is over.
void askToEnd(pid_t pid, int pidfd, const Spec& spec) {
  ::kill(-pid, spec.end_signal);
  // One that is stopped cannot end.
  ::kill(-pid, SIGCONT);
  const long deadline = nowMs() + spec.grace_ms;
  while (nowMs() < deadline && !hasEnded(pid)) {
    pollfd end{pidfd, POLLIN, 0};
    ::poll(&end, 1, static_cast<int>(pidfd < 0 ? kLookMs : std::clamp(deadline - nowMs(), 0L, kForeverMs)));
  }
}

/// Whether SIGTERM ended it, and we are told to end it as well: a machine that shuts down tells all its processes, and
/// which of them hears first is chance.
bool endedWithUs(int status, int signals) {
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) return false;
  pollfd told{signals, POLLIN, 0};
  return ::poll(&told, 1, kTogetherMs) > 0;
}

/// Until the script ends, its time is up or we are told to end it. Without a pidfd (no descriptor left, an old kernel) its end is
/// looked for, so that its time is limited all the same.
Ending watch(pid_t pid, int signals, const Spec& spec) {
  Ending ending;
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  const long deadline = spec.timeout_ms > 0 ? nowMs() + spec.timeout_ms : 0;
  bool over = false;
  while (true) {
    pollfd fds[2] = {{pidfd, POLLIN, 0}, {signals, POLLIN, 0}};
    long left = deadline == 0 ? kForeverMs : std::clamp(deadline - nowMs(), 0L, kForeverMs);
    if (pidfd < 0) left = std::min(left, kLookMs);
    const int ready = ::poll(fds, 2, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    over = pidfd < 0 ? hasEnded(pid) : fds[0].revents != 0;
    if (over) break;
    if (fds[1].revents == 0 && (deadline == 0 || nowMs() < deadline)) continue;
    ending.reason = fds[1].revents == 0 ? "timeout" : "cancelled";
    askToEnd(pid, pidfd, spec);
    ::kill(-pid, SIGKILL);
    break;
  }
  int status = 0;
  pid_t got = 0;
  while ((got = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {}
  if (over && got == pid) {
    ending.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (endedWithUs(status, signals)) ending.reason = "cancelled";
    return ending;
  }
  killDescendants();
  ending.code = 128 + SIGKILL;
  return ending;
}

/// Field 22 of /proc/self/stat.
std::string startTime() {
  std::string stat;
  readAll("/proc/self/stat", stat);
  auto at = stat.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return "0";
  return stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

/// What the script took, and every child of it that has ended.
std::string usageText() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto micros = [](const timeval& time) { return std::to_string(time.tv_sec * 1'000'000 + time.tv_usec); };
  constexpr long kBlock = 512;
  return "{\"userUs\":" + micros(used.ru_utime) + ",\"systemUs\":" + micros(used.ru_stime) +
         ",\"maxRssKiB\":" + std::to_string(used.ru_maxrss) + ",\"readBytes\":" + std::to_string(used.ru_inblock * kBlock) +
         ",\"writtenBytes\":" + std::to_string(used.ru_oublock * kBlock) + "}";
}

void appendEscaped(std::string& text, std::string_view added) {
  for (const char c : added) {
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
}

std::string statusText(std::string_view run, const Ending& ending, long duration_ms, const std::string& message) {
  std::string text = "{\"run\":\"";
  appendEscaped(text, run);
  text.append("\",\"reason\":\"").append(ending.reason).append("\",\"exitCode\":").append(std::to_string(ending.code));
  text.append(",\"durationMs\":").append(std::to_string(duration_ms)).append(",\"usage\":").append(usageText());
  text.append(",\"message\":\"");
  appendEscaped(text, message);
  return text + "\"}";
}

int openOutput(const std::string& path) { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600); }

/// A signal that tells this process to end its script, as a descriptor.
int endSignals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  return ::signalfd(-1, &wanted, SFD_CLOEXEC);
}

/// Runs what stands in the folder to its end.
void supervise(const Order& order) {
  const int signals = endSignals();
  const auto& directory = order.directory;
  const long began = nowMs();
  // Root is not held by it: there the limit of its control group counts (TasksMax of the unit or scope).
  const rlimit processes{kProcessesMax, kProcessesMax};
  if (rlimit now{}; ::getrlimit(RLIMIT_NPROC, &now) == 0 && now.rlim_max > kProcessesMax) ::setrlimit(RLIMIT_NPROC, &processes);
  writeFile(directory + "/pid", std::to_string(::getpid()) + " " + startTime());
  const int out = openOutput(directory + "/stdout");
  const int err = openOutput(directory + "/stderr");
  reserveStatus(directory + "/status");
  Ending ending;
  std::string message;
  Spec spec;
  pid_t pid = -1;
  std::vector<int> given;
  for (const int fd : order.given) given.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, kGivenFrom));
  closeGiven(order);
  if (!readSpec(directory + "/spec", spec)) {
    ending.reason = "not_started";
    message = "cannot read " + directory + "/spec";
  } else if (const int error = startScript(spec, out, err, given, pid); error == 0) {
    // What came by them is the script's alone.
    for (const int fd : given) ::close(fd);
    ending = watch(pid, signals, spec);
  } else if ((error == ENOENT || error == EACCES) && ::access(spec.cwd.c_str(), X_OK) == 0) {
    ending.code = error == ENOENT ? kNotFound : kNotRunnable;
    writeAll(err, notRunnable(spec.argv[0], error));
  } else {
    ending.reason = "not_started";
    message = "cannot start " + spec.argv[0] + " in " + spec.cwd + ": " + std::strerror(error);
  }
  // An agent that finds nobody with them open uses these files again.
  ::close(out);
  ::close(err);
  const auto text = statusText(spec.run, ending, nowMs() - began, message);
  // Without its folder nobody waits for it any more; on a full disk the agent's reserve makes room.
  while (!writeStatus(directory + "/status", text) && ::access(directory.c_str(), W_OK) == 0) {
    if (!spec.reserve.empty()) ::unlink(spec.reserve.c_str());
    ::poll(nullptr, 0, 100);
  }
  // The end of a process takes the kernel a while: who waits need not.
  ::close(order.lock);
  ::close(order.done);
}

/// In a process and a session of its own, which whoever started us does not wait for.
void begin(const Order& order) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    // Held here it would seem open to an agent whose messages nobody takes any more.
    ::close(kSocketFd);
    ::setsid();
    ::signal(SIGCHLD, SIG_DFL);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    supervise(order);
    ::_exit(0);
  }
  if (pid < 0) {
    Ending ending;
    ending.reason = "not_started";
    const auto message = std::string("no process for the script's supervisor: ") + std::strerror(errno);
    Spec spec;
    readSpec(order.directory + "/spec", spec);
    writeStatus(order.directory + "/status", statusText(spec.run, ending, 0, message));
  }
  ::close(order.lock);
  ::close(order.done);
  closeGiven(order);
}

}  // namespace

int main() {
  ::prctl(PR_SET_NAME, "sp-supervise");
  ::umask(022);
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&blocked, number);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  // Whom we forked nobody waits for.
  ::signal(SIGCHLD, SIG_IGN);
  Order order;
  while (awaitOrder(order)) begin(order);
  return 0;
}
