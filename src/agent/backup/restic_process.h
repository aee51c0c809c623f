// One run of restic against the server's vault, under a supervisor of its own (scripts/supervisor.h), so that it outlives the agent:
// secrets by descriptor, ended by SIGINT, its lines and its end on disk.
//
// DIR/runs/ID/restic/…   what its supervisor keeps; `heard` (restic_output.h); `stalled`: it was ended for that
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/backup/restic_output.h"
#include "agent/request_handler.h"
#include "os/process.h"

namespace sp::agent {

/// What restic needs to reach a repository. `secret` and `key` never stand in an argument, a variable or a file.
struct ResticAccess {
  /// "/vault/VAULT/REPO/"
  std::string repository;
  std::string user;
  std::string secret;
  std::string key;
  /// `secrets`: what the request's context gives as such.
  static ResticAccess of(const json::Object& request, const json::Object& secrets);
};

struct ResticRun {
  /// Verb and flags.
  std::vector<std::string> arguments{};
  /// Given as kFilesArgument: the paths of a backup, each ended by NUL.
  std::string files{};
  /// Tree to run in as "/", read-only; empty: this host's own.
  std::string root{};
};

/// `lost`: ended by neither itself nor us, again and again.
enum class ResticEnd { exited, cancelled, stalled, lost };

struct ResticOutcome {
  ResticEnd end = ResticEnd::exited;
  os::ExitStatus status;
  /// restic's own words on standard error, the last lines of them.
  std::string words;
};

/// What restic shall do. Used by the request's thread.
class ResticTask : public ResticListener {
 public:
  /// Before each start, of which there may be several (runRestic): what to run; what was heard before does not count any more. Not
  /// called for a run that an earlier agent started. An error ends the task.
  virtual Result<ResticRun> prepare() = 0;
  /// restic failed with these words, and not because the server was away: whether the task now asks for something else, which is
  /// tried at once.
  virtual bool changesCourse(std::string_view /*words*/) { return false; }
  /// About four times a second. `pid`: restic's, -1 while it is not known.
  virtual void tick(pid_t pid) = 0;
  /// A number that changes whenever the run gets on.
  virtual std::uint64_t moved() const = 0;
};

/// A request's member that lists texts.
std::vector<std::string> textsOf(const json::Object& request, std::string_view key);

/// restic's patterns are globs: one that means a path as it is written.
std::string literalPattern(std::string_view path);

inline constexpr std::string_view kFilesArgument = "/proc/self/fd/7";

/// Whether what restic said last before it failed tells of a server that is away (no connection, one that broke, 5xx but
/// 507, a full disk): then the same run may succeed later. False for everything that it would say again.
bool tellsOfAbsence(std::string_view words);

/// Whether restic failed because it could not write its lock, as on a full disk: not because another's lock stood there.
bool tellsOfUnwrittenLock(std::string_view words);

/// Runs restic to its end. One that an earlier agent started for this request is followed, or its end is taken from disk. While the
/// server is away, or when restic and its supervisor were killed, again and again until it was served, cancelled or without movement
/// for `stall`. At most as many are started at once as this host has cores. `waiting` gets what is waited for, about once a second or at
/// each new try. Errors: prepare()'s, or "restic.…", "os.…" when it could not be started.
Result<ResticOutcome> runRestic(RequestContext& context, ResticTask& task, std::chrono::milliseconds stall,
                                const std::function<void(std::string_view)>& waiting);

/// The server has the request's result: its run's files go, and the run itself should nobody have waited for its end.
void removeResticRun(const Identity& identity, const std::string& id);

}  // namespace sp::agent
