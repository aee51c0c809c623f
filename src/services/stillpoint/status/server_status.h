// What the server tells of itself, and what of that is wrong: DescribeServer, `stillpoint status` and the log. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/json.h"
#include "store/disk_use.h"
#include "store/store.h"

namespace sp::services::stillpoint {

/// Machines, debts and executions. Counted on the core thread, anew when the last count is a hundred times as old as it took.
struct Survey {
  Instant counted;
  std::uint64_t executions_running = 0;
  /// Those that are not gone, and of them those that run.
  std::uint64_t machines = 0;
  std::uint64_t machines_running = 0;
  std::uint64_t agents_connected = 0;
  /// Running machines whose agent was connected before, is not now, and was not revoked.
  std::vector<std::string> agents_lost;
  /// The agent of the server's own host.
  bool host_agent = false;
  std::uint64_t debts_open = 0;
  /// Of the open ones those that no lane pays any more on its way, and those whose last payment failed.
  std::uint64_t debts_overdue = 0;
  std::uint64_t debts_suspended = 0;
  /// The oldest of them all, and of the overdue ones.
  std::optional<Instant> oldest_debt;
  std::optional<Instant> oldest_overdue;
};

struct ServerStatus {
  std::string version;
  Instant started;
  Instant now;
  std::string data_dir;
  struct FileSystem {
    /// The data directory, or a folder in it that has a file system of its own.
    std::string path;
    store::Disk disk;
    Instant counted;
  };
  /// The data directory's is the first, unless it could not be asked for.
  std::vector<FileSystem> file_systems;
  store::ExecutionTable::Extent store;
  /// Of the log of the store's last commits, a file beside it.
  std::uint64_t store_log_bytes = 0;
  std::int64_t executions_kept_days = 0;
  std::int64_t history_events = 0;
  std::int64_t commands_kept_days = 0;
  /// Bodies of S3 objects; all vaults' repositories. Absent until they were first counted.
  std::optional<store::FolderSizes::Size> objects;
  std::optional<store::FolderSizes::Size> vaults;
  /// Places among the backups that run at once: taken, waited for, all.
  std::int64_t backups_running = 0;
  std::int64_t backups_waiting = 0;
  std::int64_t backups_at_once = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t output_quota = 0;
  std::uint64_t output_free_floor = 0;
  Survey survey;
};

/// Something that is wrong now and what to do about it.
struct Warning {
  /// "DiskNearlyFull", "ScriptOutputsLimited", "DebtsOverdue", "DebtsSuspended", "HostAgentLost", "AgentsLost".
  std::string code;
  std::string message;
};

/// Less of a file system is free than a twentieth.
bool isNearlyFull(const store::Disk& disk);
/// The disk's first.
std::vector<Warning> warningsOf(const ServerStatus& status);
/// DescribeServer's answer.
json::Object shapeOf(const ServerStatus& status);

}  // namespace sp::services::stillpoint
