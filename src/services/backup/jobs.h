// Backup jobs: from StartBackupJob to the recovery point. Core thread only.
//
// A job waits in CREATED for the machine (its own lock, or a run's), for the repository, for an agent that can read and for a place;
// runs on the machine's own agent, or on the host's when the machine is stopped; and ends by the agent's report.
// AWS: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartBackupJob.html
#pragma once
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "services/backup/records.h"
#include "services/backup/table.h"
#include "services/context.h"
#include "services/watch.h"

namespace sp {
struct Instance;
}
namespace sp::services::ec2 {
class Instances;
}

namespace sp::services::backup {

/// The usual place of an agent's own state, which is never backed up. A running agent keeps its own place out itself, wherever it is; in a
/// stopped machine's tree it is this one.
inline constexpr std::string_view kAgentState = "/var/lib/stillpoint-agent";

class Vaults;
class Grants;
class Places;
class RecoveryPoints;

/// StartWindowMinutes of StartBackupJob and of a plan's rule that do not tell it.
inline constexpr std::int64_t kStartWindowDefault = 480;
inline constexpr std::int64_t kStartWindowLeast = 60;

/// StartBackupJob's input, decoded, plus who asks.
struct StartSpec {
  std::string vault;
  /// arn:aws:ec2:REGION:ACCOUNT:instance/i-…
  std::string resource_arn;
  std::string role_arn;
  std::string token;
  std::optional<std::int64_t> start_window_minutes;
  std::optional<std::int64_t> complete_window_minutes;
  /// 0: the recovery point is kept for ever.
  std::int64_t delete_after_days = 0;
  TextMap recovery_point_tags;
  /// Ours: "Paths" (a JSON list of absolute paths, or one path), "StallTimeoutInSeconds".
  TextMap options;
  /// "run:EXECUTION_ARN" when that run holds the machine already; empty: the job takes the machine lock itself.
  std::string by;
  /// The machine was stopped to be read: should it run when the job begins, the job fails.
  bool needs_stopped = false;
  /// When it was asked for; its windows count from there. Absent: now.
  std::optional<Instant> since{};
  /// The boot of the machine (ssm::bootOf) in which a pre-script prepared it: read while it runs in another one, the job fails.
  std::string boot{};
  /// The freeze of a machine that wakes itself when it hears nothing for too long. Read while it runs, the job succeeds only if its agent
  /// says, after the read, that nothing had broken it.
  std::string freeze{};
};

class Jobs {
 public:
  /// Registers its handlers: before the core starts. All given outlive it.
  Jobs(Context& context, ec2::Instances& instances, Vaults& vaults, Grants& grants, RecoveryPoints& points, Places& places);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  /// For how long a machine waits for the server until it wakes itself: no answer is waited for much longer. Before the core starts.
  void setLease(std::chrono::milliseconds lease) { lease_ = lease; }

  /// A new job, or the one an earlier call with the same token made. AWS's errors.
  std::expected<Job, aws::ApiError> start(store::Txn& txn, const StartSpec& spec);
  /// A job whose start window passed before it could be made: it is made, and EXPIRED as `why` says.
  std::expected<Job, aws::ApiError> expire(store::Txn& txn, const StartSpec& spec, const std::string& why);
  /// StopBackupJob: ABORTED at once while it waits, else ABORTING until the agent has stopped.
  std::expected<void, aws::ApiError> stop(store::Txn& txn, std::string_view id);
  /// With the live figures of a running job.
  std::optional<Job> find(store::Txn& txn, std::string_view id) const;
  /// Those that `wanted` accepts.
  Listed<Job> list(store::Txn& txn, const ListAsk& ask, const std::function<bool(const Job&)>& wanted) const;

  /// Makes sure that the machine's repository in the vault is there or being made, so that a later job need not wait for
  /// it. Harmless when repeated; unknown vaults are ignored.
  void prepare(store::Txn& txn, std::string_view vault, std::string_view instance);

  /// Whether somebody is at work on the machine who was let in while its holder only waited: no job that took the machine itself begins
  /// meanwhile. Before the core starts.
  using Busy = std::function<bool(store::Txn&, const std::string& instance)>;
  void onBusy(Busy asked) { busy_ = std::move(asked); }

  /// Every write of a job.
  void watch(Watch<Job> watch) { watch_ = std::move(watch); }

  /// In the transaction in which the job reaches its final state.
  using Listener = std::function<void(store::Txn&, const Job&)>;
  void onEnded(Listener listener) { ended_.push_back(std::move(listener)); }
  /// In the transaction that records that the data has been read and its snapshot is in the vault. May come again when
  /// an interrupted read was repeated; the last one before the end holds.
  void onCut(Listener listener) { cut_.push_back(std::move(listener)); }

  /// After a start: running jobs get their grants back, waiting ones are looked at again.
  void recover(store::Txn& txn);
  /// The vault is about to store a snapshot for this job; false: it has ended.
  bool snapshotComing(store::Txn& txn, std::string_view id, std::string_view snapshot);
  /// The vault's disk is full, as `why` says: the job fails.
  void diskFull(store::Txn& txn, std::string_view id, const std::string& why);
  /// The vault stored a snapshot for this job.
  void snapshotStored(store::Txn& txn, std::string_view id, std::string_view snapshot);
  /// Whether a job that has not ended writes into that vault.
  bool usesVault(store::Txn& txn, std::string_view vault) const;
  /// Its machine has woken by itself, as `why` says: the job fails if it reads the machine in its freeze.
  void woken(store::Txn& txn, std::string_view id, const std::string& why);
  /// Something a waiting job of this machine may have waited for has changed.
  void wake(store::Txn& txn, std::string_view instance);

 private:
  struct Live {
    Job figures;
    Instant saved;
    Instant moved;
    std::uint64_t seen_bytes = 0;
    /// What earlier processes of this server had stored under the job.
    std::int64_t stored_before = 0;
  };
  std::optional<aws::ApiError> check(store::Txn& txn, const StartSpec& spec, Job& job) const;
  std::expected<Job, aws::ApiError> make(store::Txn& txn, const StartSpec& spec) const;
  void save(store::Txn& txn, const Job& job) const;
  void addLive(Job& job) const;
  /// Jobs of that machine that have not ended, oldest first.
  std::vector<Job> openOf(store::Txn& txn, std::string_view instance) const;
  std::optional<Job> openJob(store::Txn& txn, const json::Object& message) const;
  void begin(store::Txn& txn, Job& job);
  /// With all that it waits for but a place. False: it waits on, or has ended.
  bool canBegin(store::Txn& txn, Job& job);
  void clockSet(store::Txn& txn, Duration by);
  /// From outside an added machine: only its volumes, on the host of who holds its driver. Why that cannot be, else empty.
  std::string readVolumes(Job& job, const Instance& instance) const;
  void dispatch(store::Txn& txn, Job& job, const std::string& agent, bool volumes);
  void openGrant(const Job& job);
  void markRunning(store::Txn& txn, Job& job);
  void handleProgress(store::Txn& txn, const json::Object& message);
  void handleResult(store::Txn& txn, const json::Object& message);
  void settle(store::Txn& txn, Job& job, const json::Object& message);
  /// All is read; a machine that was frozen for it is asked first whether it still is.
  void finish(store::Txn& txn, Job& job, JobState state, const std::string& message);
  void askFreezes();
  void ask(store::Txn& txn, const Job& job);
  static std::string question(const Job& job);
  /// Its machine was frozen for it and has not said yet that it was until its snapshot was there.
  static bool mustBeHeld(const Job& job);
  void leased(store::Txn& txn, const std::string& agent, const json::Object& message);
  void broken(store::Txn& txn, Job& job, std::string_view why);
  Instant askedUntil(store::Txn& txn) const;
  /// The server ends it: at once while it waits, else when its agent has stopped, or after a while without an answer.
  void doom(store::Txn& txn, Job& job, JobState state, const std::string& why);
  void end(store::Txn& txn, Job& job, JobState state, const std::string& message);
  void addRecoveryPoint(store::Txn& txn, const Job& job, JobState state);
  void watch(store::Txn& txn, const std::string& id);
  void settledPower(store::Txn& txn, const std::string& instance);
  std::string powerChange(store::Txn& txn, const Job& job) const;
  void hello(store::Txn& txn, const std::string& instance, const std::string& boot);

  Context& context_;
  ec2::Instances& instances_;
  Vaults& vaults_;
  Grants& grants_;
  RecoveryPoints& points_;
  Places& places_;
  std::map<std::string, Live, std::less<>> live_;
  std::vector<Listener> ended_;
  std::vector<Listener> cut_;
  Watch<Job> watch_;
  Busy busy_;
  std::chrono::milliseconds lease_ = std::chrono::seconds(300);
};

}  // namespace sp::services::backup
