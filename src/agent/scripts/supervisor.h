// The small process that a script runs under. It outlives the agent, ends the script's whole process tree at its deadline
// or when told to (SIGTERM), and leaves on disk how it ended. Its folder:
//
//   spec.json   what to run: argv, environment, cwd, timeoutMs, reserve   written by the agent before
//   lock        flock held from before the start until after `status`    the descriptor is inherited from the agent
//   pid         "PID START_TIME" of the supervisor
//   stdout, stderr   written by the script itself
//   status      {reason: "exited|timeout|cancelled|not_started", exitCode, durationMs, message?}; durable, once
#pragma once
#include <optional>
#include <string>

#include "json/json.h"
#include "os/process.h"

namespace sp::agent {

struct SuperviseSpec {
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::string cwd;
  /// 0: none.
  std::int64_t timeout_ms = 0;
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
};

/// The folder of one script as the agent sees it.
class SupervisedRun {
 public:
  explicit SupervisedRun(std::string directory) : directory_(std::move(directory)) {}
  const std::string& directory() const { return directory_; }

  /// Makes the folder, writes spec.json and takes the lock; nothing runs yet. Error "os.…".
  Result<void> prepare(const SuperviseSpec& spec);
  /// Starts the supervisor, which inherits the lock. After prepare().
  Result<void> launch();
  /// The status if it is on disk.
  std::optional<ScriptStatus> status() const;
  /// Whether a supervisor lives (someone holds the lock). A false is final: none will come later.
  bool alive() const;
  /// Waits until the supervisor has ended or `cancel_fd` is readable; then true: ended.
  bool wait(int cancel_fd);
  /// Tells a living supervisor to end its script.
  void cancel();

 private:
  /// pidfd of the supervisor, from our own child or from the file `pid`; -1: not known (yet).
  int pidfd();

  const std::string directory_;
  os::Fd lock_;
  std::optional<os::Process> child_;
  os::Fd adopted_;
};

/// The supervisor itself, in a process of its own with the lock as descriptor 3. Takes no lock and logs nothing.
int superviseMain(const std::string& directory);

}  // namespace sp::agent
