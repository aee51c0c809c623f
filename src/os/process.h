// Child processes: started without fork from a large process, watched through a pidfd, ended by group.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/file.h"

namespace sp::os {

/// How a process ended.
struct ExitStatus {
  /// Exit code, or 128 + signal when a signal ended it (as a shell says it).
  int code = 0;
  /// The signal that ended it, 0 if none.
  int signal = 0;
  bool ok() const { return code == 0; }
  /// "exit 3" or "signal 9 (Killed)".
  std::string text() const;
};

/// What to start and with what.
struct SpawnSpec {
  /// argv[0] is the program: a path, or a name looked up in this process's PATH.
  std::vector<std::string> argv{};
  /// "NAME=value"; nullopt: this process's environment.
  std::optional<std::vector<std::string>> environment{};
  /// Working directory; empty: this process's.
  std::string cwd{};
  /// Descriptors to become 0, 1, 2 of the child; -1: /dev/null.
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  /// Further descriptors {here, there}; all others of this process must be close-on-exec.
  std::vector<std::pair<int, int>> pass{};
  /// A session of its own (survives this process, no terminal).
  bool new_session = false;
  /// A process group of its own, so that killGroup() ends its children too.
  bool new_group = false;
};

/// A child of this process. Not thread-safe; waiting and signalling from two threads is allowed.
class Process {
 public:
  Process() = default;
  Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  pid_t pid() const { return pid_; }
  /// Readable (poll) once the process has ended.
  int pidfd() const { return pidfd_.get(); }
  /// Sends a signal; nothing happens when it has ended already.
  void signal(int number) const;
  /// Sends a signal to its process group (only if started with new_group or new_session).
  void killGroup(int number) const;
  /// Waits for the end and reaps it; at most `limit` (negative: for ever), nullopt then. Error "os.wait".
  Result<std::optional<ExitStatus>> wait(std::chrono::milliseconds limit = std::chrono::milliseconds(-1)) const;

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
};

/// Starts a process (posix_spawn). All signals are unblocked and at their defaults in it. Error "os.spawn" names program and why.
Result<Process> spawn(const SpawnSpec& spec);

struct Pipe {
  Fd read;
  Fd write;
};
/// Both ends close-on-exec.
Result<Pipe> makePipe();

/// What a finished program said.
struct Output {
  ExitStatus status;
  std::string out;
  std::string err;
  bool timed_out = false;
};
/// Runs a program to its end, with `input` on its standard input; kills its group after `limit` (timed_out is then set).
/// Output above 16 MiB a stream is dropped. spec's stdin/stdout/stderr are set here.
Result<Output> run(SpawnSpec spec, std::chrono::milliseconds limit, std::string_view input = {});

/// Polls one descriptor for reading: true when readable, false after `limit` (negative: for ever).
bool waitReadable(int fd, std::chrono::milliseconds limit);
/// Polls two (a negative one is ignored): 1 the first is readable, 2 the second, 0 neither within the limit.
int waitEither(int first, int second, std::chrono::milliseconds limit);

/// SIGTERM and SIGINT as a descriptor, for programs that end in order: blocked from here on in this thread and all that it starts. SIGPIPE
/// is ignored.
Fd stopSignals();

/// This boot of the kernel (/proc/sys/kernel/random/boot_id).
std::string bootId();
/// Field 22 of /proc/PID/stat: with the pid and the boot id it names a process for ever. 0: no such process, or a zombie.
std::uint64_t processStartTime(pid_t pid);
/// Path of this program's file, also after the file was replaced ("/proc/self/exe" resolved; " (deleted)" removed).
std::string ownProgram();
/// A pidfd of any process; error "os.pidfd".
Result<Fd> openPidfd(pid_t pid);
void signalPidfd(int pidfd, int number);

}  // namespace sp::os
