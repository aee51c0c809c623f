// One run of restic against the server's vault: secrets by descriptor, both streams read line by line, ended by SIGINT.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

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
  static ResticAccess of(const json::Object& request);
};

struct ResticRun {
  ResticAccess access;
  /// Verb and flags.
  std::vector<std::string> arguments;
  /// Given as /proc/self/fd/7: the paths of a backup, each ended by NUL.
  std::string files;
  /// Tree to run in as "/", read-only; empty: this host's own.
  std::string root;
  /// Without movement for so long it is ended.
  std::chrono::milliseconds stall{600'000};
};

enum class ResticEnd { exited, cancelled, stalled };

struct ResticOutcome {
  ResticEnd end = ResticEnd::exited;
  os::ExitStatus status;
  /// restic's own words on standard error, the last lines of them.
  std::string words;
};

/// Where a run's lines go. `moved()` is asked for a number that changes whenever the run gets on.
class ResticListener {
 public:
  virtual ~ResticListener() = default;
  virtual void line(bool error_stream, std::string_view text) = 0;
  /// About four times a second.
  virtual void tick(pid_t pid) = 0;
  virtual std::uint64_t moved() const = 0;
  /// The run was broken off by the server's absence and begins anew: what was heard so far does not count.
  virtual void again() = 0;
};

inline constexpr std::string_view kFilesArgument = "/proc/self/fd/7";

/// Whether what restic said last before it failed tells of a server that is away (no connection, one that broke, 5xx but
/// 507, a full disk): then the same run may succeed later. False for everything that it would say again.
bool tellsOfAbsence(std::string_view words);

/// Runs restic to its end; while the server is away, again and again until it was served, cancelled or without movement
/// for `run.stall`. At most as many at once as this host has cores. `waiting` gets what is waited for, about once a second
/// or at each new try. Errors: "restic.…" when it could not be started.
Result<ResticOutcome> runRestic(RequestContext& context, const ResticRun& run, ResticListener& listener,
                                const std::function<void(std::string_view)>& waiting);

/// Text that may go into a JSON message: bytes that are no UTF-8 become '?'.
std::string plainText(std::string_view text);

}  // namespace sp::agent
