// The small process that a script runs under (src/agent/scripts/supervisor.h says what its folder holds):
//
//   stillpoint-supervise       descriptor 3: a socket of the agent's
//
// waits for one message on it: the folder's path, and with it two descriptors, the folder's lock, held, and a pipe that is closed once
// `status` stands. So it can be started before it is needed. Without a message (the agent has gone) it ends.
// A program of its own, linked statically and with nothing but the C library, because one starts for every script: it is there in a
// millisecond where the agent's own program needs fifteen. Its bytes are embedded in the agent, which puts them beside its state.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
constexpr long kKillPatienceMs = 5000;
constexpr long kBusyPatienceMs = 5000;
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

/// The whole file or the old one. In memory only: after a power cut the script's fate is unknown, and told so; until then
/// the kernel keeps it whatever becomes of the agent.
bool replaceFile(const std::string& path, std::string_view bytes) {
  const auto fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = writeAll(fd, bytes);
  ::close(fd);
  return written && ::rename(fresh.c_str(), path.c_str()) == 0;
}

struct Order {
  std::string directory;
  int lock = -1;
  int done = -1;
};

bool awaitOrder(Order& order) {
  char path[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  iovec bytes{path, sizeof path};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  while ((got = ::recvmsg(kSocketFd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {}
  ::close(kSocketFd);
  const auto* sent = CMSG_FIRSTHDR(&message);
  if (got <= 0 || sent == nullptr || sent->cmsg_type != SCM_RIGHTS || sent->cmsg_len != CMSG_LEN(2 * sizeof(int))) return false;
  int descriptors[2] = {};
  std::memcpy(descriptors, CMSG_DATA(sent), sizeof descriptors);
  order = {std::string(path, static_cast<std::size_t>(got)), descriptors[0], descriptors[1]};
  return true;
}

/// spec: fields that each end with NUL: timeout in ms (0: none), reserve, cwd, number of arguments, arguments, environment …
struct Spec {
  long timeout_ms = 0;
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
  if (fields.size() < 5) return false;
  spec.timeout_ms = std::strtol(fields[0].c_str(), nullptr, 10);
  spec.reserve = fields[1];
  spec.cwd = fields[2];
  const auto count = std::strtoul(fields[3].c_str(), nullptr, 10);
  if (count == 0 || count > fields.size() - 4) return false;
  const auto arguments = fields.begin() + 4;
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

/// Starts the script in a session of its own; 0, or errno. One without "#!" is run by /bin/sh, as a shell does it.
int startScript(Spec& spec, int out, int err, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
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
  const auto spawn = [&] { return ::posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environment.data()); };
  int error = spawn();
  // A child that the agent starts at the same moment may hold the script open for writing until its own exec.
  for (const long deadline = nowMs() + kBusyPatienceMs; error == ETXTBSY && nowMs() < deadline; error = spawn()) ::poll(nullptr, 0, 2);
  if (error == ENOEXEC) {
    std::string shell = "/bin/sh";
    argv.insert(argv.begin(), shell.data());
    error = spawn();
  }
  return error;
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

/// Until the script ends, its time is up or we are told to end it.
Ending watch(pid_t pid, int signals, long timeout_ms) {
  Ending ending;
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  const long deadline = timeout_ms > 0 ? nowMs() + timeout_ms : 0;
  bool over = pidfd < 0;
  while (!over) {
    pollfd fds[2] = {{pidfd, POLLIN, 0}, {signals, POLLIN, 0}};
    const long left = deadline == 0 ? -1 : deadline - nowMs();
    const int ready = left < 0 && deadline != 0 ? 0 : ::poll(fds, 2, static_cast<int>(left > 1'000'000'000 ? 1'000'000'000 : left));
    if (ready < 0 && errno == EINTR) continue;
    over = ready > 0 && fds[0].revents != 0;
    if (over) break;
    if (ready == 0 && (deadline == 0 || nowMs() < deadline)) continue;
    ending.reason = ready == 0 ? "timeout" : "cancelled";
    ::kill(-pid, SIGKILL);
    break;
  }
  int status = 0;
  pid_t got = 0;
  while ((got = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {}
  if (over && got == pid) {
    ending.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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

std::string statusText(const Ending& ending, long duration_ms, const std::string& message) {
  std::string text = "{\"reason\":\"";
  text.append(ending.reason).append("\",\"exitCode\":").append(std::to_string(ending.code)).append(",\"durationMs\":");
  text.append(std::to_string(duration_ms)).append(",\"message\":\"");
  for (const char c : message) {
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return text + "\"}";
}

int openOutput(const std::string& path) { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600); }

}  // namespace

int main() {
  ::prctl(PR_SET_NAME, "sp-supervise");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::umask(022);
  sigset_t blocked;
  sigset_t wanted;
  sigemptyset(&blocked);
  sigemptyset(&wanted);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&blocked, number);
  sigaddset(&wanted, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const int signals = ::signalfd(-1, &wanted, SFD_CLOEXEC);
  Order order;
  if (!awaitOrder(order)) return 0;
  const auto& directory = order.directory;
  const long began = nowMs();
  replaceFile(directory + "/pid", std::to_string(::getpid()) + " " + startTime());
  const int out = openOutput(directory + "/stdout");
  const int err = openOutput(directory + "/stderr");
  Ending ending;
  std::string message;
  Spec spec;
  pid_t pid = -1;
  if (!readSpec(directory + "/spec", spec)) {
    ending.reason = "not_started";
    message = "cannot read " + directory + "/spec";
  } else if (const int error = startScript(spec, out, err, pid); error == 0) {
    ending = watch(pid, signals, spec.timeout_ms);
  } else if ((error == ENOENT || error == EACCES) && ::access(spec.cwd.c_str(), X_OK) == 0) {
    ending.code = error == ENOENT ? kNotFound : kNotRunnable;
    writeAll(err, spec.argv[0] + ": cannot be run, or what its first line names: " + std::strerror(error) + "\n");
  } else {
    ending.reason = "not_started";
    message = "cannot start " + spec.argv[0] + " in " + spec.cwd + ": " + std::strerror(error);
  }
  const auto text = statusText(ending, nowMs() - began, message);
  // Without its folder nobody waits for it any more; on a full disk the agent's reserve makes room.
  while (!replaceFile(directory + "/status", text) && ::access(directory.c_str(), W_OK) == 0) {
    if (!spec.reserve.empty()) ::unlink(spec.reserve.c_str());
    ::poll(nullptr, 0, 100);
  }
  // The end of a process takes the kernel a while: who waits need not.
  ::close(order.lock);
  ::close(order.done);
  return 0;
}
