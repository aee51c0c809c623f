#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/limits.h"

namespace sp::os {
namespace {

constexpr std::size_t kOutputLimit = 16U << 20U;

std::chrono::steady_clock::time_point deadlineAfter(std::chrono::milliseconds limit) { return std::chrono::steady_clock::now() + limit; }

int pollTimeout(std::chrono::milliseconds limit, std::chrono::steady_clock::time_point deadline) {
  if (limit.count() < 0) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

/// posix_spawn's two objects, released whatever happens.
struct SpawnObjects {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnObjects() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnObjects(const SpawnObjects&) = delete;
  SpawnObjects& operator=(const SpawnObjects&) = delete;
  ~SpawnObjects() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

void setAttributes(posix_spawnattr_t& attributes, const SpawnSpec& spec) {
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (spec.new_session) flags = static_cast<short>(flags | POSIX_SPAWN_SETSID);
  if (spec.new_group && !spec.new_session) {
    posix_spawnattr_setpgroup(&attributes, 0);
    flags = static_cast<short>(flags | POSIX_SPAWN_SETPGROUP);
  }
  posix_spawnattr_setflags(&attributes, flags);
}

/// Moves wanted descriptors out of the way of the low numbers first, so that {4→3, 3→4} works too.
struct Passed {
  std::vector<Fd> copies;
  Result<void> add(posix_spawn_file_actions_t& actions, int here, int there) {
    Fd copy(fcntl(here, F_DUPFD_CLOEXEC, 100));
    if (!copy) return failErrno("os.spawn", "cannot pass a descriptor to a child process", errno);
    posix_spawn_file_actions_adddup2(&actions, copy.get(), there);
    copies.push_back(std::move(copy));
    return {};
  }
};

void drain(Fd& fd, std::string& into) {
  std::array<char, 65536> buffer{};
  const auto got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    fd.reset();
    return;
  }
  const auto room = kOutputLimit - std::min(kOutputLimit, into.size());
  into.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
}

void feed(Fd& fd, std::string_view& input) {
  const auto put = ::write(fd.get(), input.data(), input.size());
  if (put < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (put < 0) {
    fd.reset();
    return;
  }
  input.remove_prefix(static_cast<std::size_t>(put));
  if (input.empty()) fd.reset();
}

/// Moves bytes between this process and a child until it has ended and its streams are empty, or the time is over.
void pump(const Process& child, Fd& in, std::string_view input, Fd& out, Fd& err, Output& output, std::chrono::milliseconds limit) {
  const auto deadline = deadlineAfter(limit);
  if (input.empty()) in.reset();
  bool ended = false;
  while (!ended || out || err) {
    std::array<pollfd, 4> fds{};
    fds[0] = {in.get(), POLLOUT, 0};
    fds[1] = {out.get(), POLLIN, 0};
    fds[2] = {err.get(), POLLIN, 0};
    fds[3] = {ended ? -1 : child.pidfd(), POLLIN, 0};
    // After its end only what is in the pipes already counts: a daemon it left behind may hold them open for ever.
    const int got = ::poll(fds.data(), fds.size(), ended ? 0 : pollTimeout(limit, deadline));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (!ended) output.timed_out = true;
      return;
    }
    if (fds[0].revents != 0) feed(in, input);
    if (fds[1].revents != 0) drain(out, output.out);
    if (fds[2].revents != 0) drain(err, output.err);
    if (fds[3].revents != 0) ended = true;
  }
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal == 0) return fmt::format("exit {}", code);
  const char* name = sigdescr_np(signal);
  return fmt::format("signal {} ({})", signal, name ? name : "?");
}

void Process::signal(int number) const {
  if (pidfd_) signalPidfd(pidfd_.get(), number);
}

void Process::killGroup(int number) const {
  if (pid_ > 0) ::kill(-pid_, number);
}

Result<std::optional<ExitStatus>> Process::wait(std::chrono::milliseconds limit) const {
  if (limit.count() >= 0 && !waitReadable(pidfd_.get(), limit)) return std::nullopt;
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0)
    if (errno != EINTR) return failErrno("os.wait", fmt::format("cannot wait for process {}", pid_), errno);
  if (info.si_code == CLD_EXITED) return ExitStatus{info.si_status, 0};
  return ExitStatus{128 + info.si_status, info.si_status};
}

Result<Process> spawn(const SpawnSpec& spec) {
  if (spec.argv.empty()) return fail("os.spawn", "no program to start");
  SpawnObjects objects;
  setAttributes(objects.attributes, spec);
  Passed passed;
  const std::array<int, 3> standard{spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
  for (int number = 0; number < 3; ++number) {
    const int fd = standard[static_cast<std::size_t>(number)];
    if (fd < 0) posix_spawn_file_actions_addopen(&objects.actions, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0);
    if (fd >= 0) SP_CHECK_OK(passed.add(objects.actions, fd, number));
  }
  int last = 2;
  for (const auto& [here, there] : spec.pass) {
    SP_CHECK_OK(passed.add(objects.actions, here, there));
    last = std::max(last, there);
  }
  // Libraries open descriptors without close-on-exec; a child that outlives us would hold our ports.
  posix_spawn_file_actions_addclosefrom_np(&objects.actions, last + 1);
  if (!spec.cwd.empty()) posix_spawn_file_actions_addchdir_np(&objects.actions, spec.cwd.c_str());
  auto argv = spec.argv;
  auto environment = spec.environment.value_or(std::vector<std::string>{});
  const auto argv_pointers = pointers(argv);
  const auto environment_pointers = pointers(environment);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0].c_str(), &objects.actions, &objects.attributes, argv_pointers.data(),
                                   spec.environment ? environment_pointers.data() : environ);
  if (error != 0) {
    const auto where = spec.cwd.empty() ? std::string() : " in " + spec.cwd;
    return failErrno("os.spawn", fmt::format("cannot start {}{}", argv[0], where), error);
  }
  auto pidfd = openPidfd(pid);
  if (!pidfd) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return std::unexpected(std::move(pidfd).error());
  }
  lowerOpenFilesOf(pid);
  return Process(pid, std::move(*pidfd));
}

Result<Pipe> makePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failErrno("os.pipe", "cannot make a pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<Output> run(SpawnSpec spec, std::chrono::milliseconds limit, std::string_view input) {
  SP_TRY(auto in, makePipe());
  SP_TRY(auto out, makePipe());
  SP_TRY(auto err, makePipe());
  spec.stdin_fd = in.read.get();
  spec.stdout_fd = out.write.get();
  spec.stderr_fd = err.write.get();
  if (!spec.new_session) spec.new_group = true;
  SP_TRY(const auto child, spawn(spec));
  in.read.reset();
  out.write.reset();
  err.write.reset();
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  Output output;
  pump(child, in.write, input, out.read, err.read, output, limit);
  if (output.timed_out) child.killGroup(SIGKILL);
  SP_TRY(const auto status, child.wait());
  output.status = *status;
  return output;
}

bool waitReadable(int fd, std::chrono::milliseconds limit) { return waitEither(fd, -1, limit) != 0; }

int waitEither(int first, int second, std::chrono::milliseconds limit) {
  const auto deadline = deadlineAfter(limit);
  while (true) {
    std::array<pollfd, 2> fds{pollfd{first, POLLIN, 0}, pollfd{second, POLLIN, 0}};
    const int got = ::poll(fds.data(), fds.size(), pollTimeout(limit, deadline));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return 0;
    return fds[0].revents != 0 ? 1 : 2;
  }
}

std::string bootId() {
  const auto text = readFile("/proc/sys/kernel/random/boot_id", 256);
  return text ? std::string(trim(*text)) : std::string();
}

std::uint64_t processStartTime(pid_t pid) {
  const auto text = readFile(fmt::format("/proc/{}/stat", pid), 4096);
  if (!text) return 0;
  // The command name stands in parentheses and may hold anything: count from the last ')'.
  const auto close = text->rfind(')');
  if (close == std::string::npos || close + 2 >= text->size()) return 0;
  const auto fields = split(std::string_view(*text).substr(close + 2), ' ');
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return 0;
  return static_cast<std::uint64_t>(parseInt(fields[19]).value_or(0));
}

Fd stopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::string ownProgram() {
  std::error_code error;
  auto path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

Result<Fd> openPidfd(pid_t pid) {
  const auto fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return failErrno("os.pidfd", fmt::format("cannot watch process {}", pid), errno);
  return Fd(static_cast<int>(fd));
}

void signalPidfd(int pidfd, int number) { ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0); }

}  // namespace sp::os
