// What the backup service keeps: vaults, repositories, jobs, recovery points, restores. Plain records, written as JSON.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::services::backup {

using TextMap = std::map<std::string, std::string>;

/// A named place for recovery points. Record kind "backup_vault", key `name`.
struct Vault {
  std::string name;
  Instant created;
  std::string creator_request_id;
  std::string encryption_key_arn;
  TextMap tags;
  /// How many recovery points lie in it.
  std::int64_t points = 0;

  json::Object encode() const;
  static Result<Vault> decode(const json::Object& body);
};

/// One machine's restic repository in one vault. Record kind "vault_repository", key "VAULT/INSTANCE".
struct Repository {
  std::string vault;
  /// Instance id; also the folder's name.
  std::string name;
  /// restic's password, 64 hex digits: a secret.
  std::string key;
  Instant created;
  /// "creating", "ready", "maintenance" (forget and prune under way) or "broken".
  std::string state = "creating";
  /// Why it is broken.
  std::string error;
  /// When a maintenance last succeeded, and why the last one did not ("" if it did).
  std::optional<Instant> maintained{};
  std::string maintenance_error{};
  /// When it was last looked through for snapshots that no job made, and why that could not be done.
  std::optional<Instant> looked{};
  std::string look_error{};

  json::Object encode() const;
  static Result<Repository> decode(const json::Object& body);
};

/// AWS's words (BackupJobState).
enum class JobState { created, pending, running, aborting, aborted, completed, partial, failed, expired };
std::string_view name(JobState state);
Result<JobState> parseJobState(std::string_view text);
/// Whether a job in that state will never change again.
bool isFinal(JobState state);

/// One StartBackupJob. Record kind "backup_job", key by time.
struct Job {
  std::string id;
  std::string vault;
  std::string instance;
  std::string resource_arn;
  std::string role_arn;
  /// The client's IdempotencyToken and a hash of what it asked with it.
  std::string token;
  std::string arguments_hash;
  /// "run:EXECUTION_ARN" when a run holds the machine for this job; empty when the job takes the lock itself.
  std::string by;
  TextMap options;
  TextMap recovery_point_tags;
  /// 0: for ever.
  std::int64_t delete_after_days = 0;
  /// BackupPlanId, BackupPlanArn, BackupPlanVersion and BackupRuleId of the plan that made it; empty: none.
  TextMap created_by;
  /// UUID of the recovery point it makes.
  std::string recovery_point;

  JobState state = JobState::created;
  std::string message;
  Instant created;
  Instant start_by;
  Instant complete_by;
  std::optional<Instant> started;
  std::optional<Instant> ended;
  /// When the read of the data had finished and its snapshot lay in the vault.
  std::optional<Instant> cut;

  /// As seen inside the machine.
  std::vector<std::string> paths;
  std::vector<std::string> excludes;
  std::int64_t stall_seconds = 600;

  /// It fails if the machine runs when it begins.
  bool needs_stopped = false;
  /// While it waits for an agent that is away: that agent's name.
  std::string waits_for;
  /// Set once the request went to an agent: its name, and whether it reads a stopped machine from outside.
  std::string agent;
  bool outside = false;
  std::int64_t boot_generation = 0;
  /// The boot of the machine (ssm::bootOf) in which its data was prepared; empty: any will do.
  std::string boot;
  /// The freeze that it is read in while it runs, whose machine can say whether it held; empty: nobody can.
  std::string freeze;
  /// Its agent has told its end, and the machine is asked: COMPLETED or PARTIAL if it was still, with that message.
  std::optional<JobState> verdict;
  std::string verdict_message;
  /// The snapshot of which its machine has said that it was frozen until then; empty: none.
  std::string held_snapshot;
  std::string secret_hash;
  bool stop_asked = false;
  /// Why the server itself ends it, when not by the agent's report ("" if not): becomes the message.
  std::string doomed;
  JobState doomed_state = JobState::failed;

  /// Full id of the newest snapshot stored under this job, and older ones that an interrupted try left.
  std::string snapshot;
  std::vector<std::string> superseded;

  double percent = 0;
  std::int64_t bytes_done = 0;
  std::int64_t bytes_total = 0;
  std::int64_t files_done = 0;
  std::int64_t files_total = 0;
  /// Bytes that went into the vault: compressed, encrypted, without what was there already.
  std::int64_t stored_bytes = 0;
  std::vector<std::string> failed_files;
  std::int64_t failed_count = 0;

  json::Object encode() const;
  static Result<Job> decode(const json::Object& body);
};

/// Record kind "recovery_point", key by time.
struct RecoveryPoint {
  /// UUID; the ARN is arn:aws:backup:REGION:ACCOUNT:recovery-point:UUID.
  std::string id;
  std::string vault;
  std::string instance;
  std::string resource_arn;
  std::string role_arn;
  std::string job;
  std::string snapshot;
  /// COMPLETED, PARTIAL, DELETING, or EXPIRED: its lifecycle has ended and its data could not be removed yet.
  std::string status = "COMPLETED";
  std::string message;
  Instant created;
  Instant completed;
  std::optional<Instant> restored;
  std::int64_t size = 0;
  std::int64_t files = 0;
  /// 0: for ever.
  std::int64_t delete_after_days = 0;
  /// Why it is still there although its time has come ("" if it has not).
  std::string held;
  /// Its lifecycle removes it, not a person.
  bool by_lifecycle = false;
  /// As the job's.
  TextMap created_by;
  std::vector<std::string> paths;
  TextMap tags;

  bool isGoing() const { return status == "DELETING" || status == "EXPIRED"; }

  json::Object encode() const;
  static Result<RecoveryPoint> decode(const json::Object& body);
};

/// AWS's words (RestoreJobStatus).
enum class RestoreStatus { pending, running, completed, aborted, failed };
std::string_view name(RestoreStatus status);
Result<RestoreStatus> parseRestoreStatus(std::string_view text);
bool isFinal(RestoreStatus status);

/// One StartRestoreJob. Record kind "restore_job", key by time.
struct RestoreJob {
  std::string id;
  std::string recovery_point;
  std::string vault;
  /// The repository's name: the machine that was backed up.
  std::string source;
  std::string role_arn;
  std::string token;
  std::string arguments_hash;
  /// Instance id, or "host" for a folder on the server's own host.
  std::string target;
  std::string target_path;
  std::vector<std::string> include_paths;
  bool in_place = false;

  RestoreStatus status = RestoreStatus::pending;
  std::string message;
  Instant created;
  std::optional<Instant> ended;
  std::string agent;
  bool outside = false;
  std::string secret_hash;
  std::string doomed;
  double percent = 0;
  std::int64_t bytes = 0;
  std::int64_t files = 0;
  std::int64_t size = 0;

  json::Object encode() const;
  static Result<RestoreJob> decode(const json::Object& body);
};

}  // namespace sp::services::backup
