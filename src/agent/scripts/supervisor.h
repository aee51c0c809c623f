// The agent's side of the small process that a script, or a restic, runs under (src/supervise). It outlives the agent, ends the script's
// whole process tree at its deadline or when told to (SIGTERM), and leaves in its folder how it ended:
//
//   spec        what to run (main.cc of src/supervise says how)          written by the agent before
//   lock        flock held from before the start until after `status`    the descriptor is inherited from the agent
//   pid         "PID START_TIME" of the supervisor
//   stdout, stderr   written by the script itself
//   status      {run, reason: "exited|timeout|cancelled|not_started", exitCode, durationMs, message, usage}; once, whole; not durable
#pragma once
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "os/process.h"

namespace sp::agent {

struct SuperviseSpec {
  /// The first is a path; a file without "#!" there is run by /bin/sh.
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::string cwd;
  /// 0: none.
  std::int64_t timeout_ms = 0;
  /// What asks it to end, and what it is given then before it is killed.
  int end_signal = SIGTERM;
  std::int64_t grace_ms = 5'000;
  /// File to unlink when the status cannot be written because the disk is full.
  std::string reserve;
};

/// How a supervised script ended.
struct ScriptStatus {
  /// "exited", "timeout", "cancelled", "not_started".
  std::string reason;
  int exit_code = -1;
  std::int64_t duration_ms = 0;
  std::string message;
  /// {userUs, systemUs, maxRssKiB, readBytes, writtenBytes} of the script and of all its children that have ended.
  json::Object usage;
};

/// The folder of one script as the agent sees it.
class SupervisedRun {
 public:
  /// `run` names this run for ever: the folder may have been another's.
  explicit SupervisedRun(std::string directory, std::string run = {}) : directory_(std::move(directory)), run_(std::move(run)) {}
  SupervisedRun(const SupervisedRun&) = delete;
  SupervisedRun& operator=(const SupervisedRun&) = delete;
  const std::string& directory() const { return directory_; }

  /// Makes the folder, writes `spec` and takes the lock; nothing runs yet. Errors "os.…", "agent.spec" (a NUL byte).
  Result<void> prepare(const SuperviseSpec& spec);
  /// Starts its supervisor, which takes over the lock; of `program` (superviseProgram) if none was kept ready. `given` (at most 8)
  /// become descriptors 3, 4 … of the script. After prepare().
  Result<void> launch(const std::string& program, const std::vector<int>& given = {});
  /// The status if this run's is on disk.
  std::optional<ScriptStatus> status() const;
  /// Whether a supervisor lives (someone holds the lock). A false is final: none will come later.
  bool alive() const;
  /// Waits until the supervisor has written its status or ended, or `cancel_fd` is readable; then true: ended.
  bool wait(int cancel_fd);
  /// The same, but not for longer than `limit`; false also when that is over.
  bool endsWithin(int cancel_fd, std::chrono::milliseconds limit);
  /// Tells a living supervisor to end its script.
  void cancel();
  /// The script's process; -1: not known (yet, or any more).
  pid_t scriptPid();

 private:
  /// pidfd of the supervisor, from the file `pid`; -1: not known (yet).
  int pidfd();

  const std::string directory_;
  const std::string run_;
  os::Fd lock_;
  /// Readable once the supervisor that was launched here has nothing more to tell.
  os::Fd done_;
  os::Fd adopted_;
};

/// Path of the supervisor's program, which is put into the agent's state directory first if it is not there. Any thread. Errors "os.…".
Result<std::string> superviseProgram(const std::string& state_dir);

/// Tells the process at the other end of `socket` (src/supervise) to run what stands in `directory`, and hands it the folder's held
/// lock, the pipe that it closes at the end, and what the script gets. False: nobody takes it.
bool orderSupervisor(int socket, const std::string& directory, int lock, int done, const std::vector<int>& given = {});

/// Starts the process that forks supervisors ahead of its use, so that not even the first script waits for it; it ends with the
/// agent. `program` is superviseProgram()'s. Any thread. Where it cannot be started launch() will say why.
void keepSupervisorsReady(const std::string& program);

/// Its bytes (supervise_program.cc).
extern const std::string_view kSuperviseProgram;

}  // namespace sp::agent
