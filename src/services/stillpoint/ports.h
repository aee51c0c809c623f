// The narrow ports under the workflow: scripts, power, backups, targets and the job log. The own provider
// (services/stillpoint/adapters.h) stands on ssm, ec2, backup and dynamodb; tests put a model fleet in their place. All
// calls happen on the core thread inside the caller's transaction; what they began comes back through Lanes' events.
#pragma once
#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"
#include "quiesce/debt.h"
#include "store/store.h"

namespace sp::services::stillpoint {

template <class T>
using Answer = std::expected<T, aws::ApiError>;

/// One script of the input (PreBackupScriptDetails, PostBackupScriptDetails).
struct Script {
  /// URL or s3:// form, as given.
  std::string source;
  std::string command;
  std::string working_directory;
  /// Run Command's meaning: it must begin within this time. Seconds.
  std::int64_t timeout_seconds = 3600;
  std::int64_t execution_timeout_seconds = 3600;
  std::string output_bucket;
  std::string output_prefix;
};

/// What a script is sent with.
struct ScriptOrder {
  std::string instance;
  Script script;
  /// "run:EXECUTION_ARN".
  std::string by;
  std::string comment;
  /// For a freeze or its thaw: {"id","phase","attempt"}.
  std::optional<json::Object> freeze;
  /// What the script is told: ATTEMPT; a post-script also PRE_STATUS, BACKUP_STATUS, JOB_ID, RECOVERY_POINT.
  std::map<std::string, std::string> environment;
  /// Of a freeze: the thaw that its machine runs by itself when it hears nothing for too long (Scripts::promise). Empty: none.
  std::string promise{};
};

/// How a script ended on its machine; status in AWS's words (Success, Failed, TimedOut, Cancelled …).
struct ScriptEnd {
  std::string command;
  std::string instance;
  std::string status;
  std::string details;
  std::string message;
  /// Nobody knows: it had been sent, and nothing was heard of its end.
  bool may_have_run = false;
  /// Its machine would not take it: surely it has not.
  bool never_ran = false;
  /// Of a freeze: its machine wakes itself when it hears nothing for too long.
  bool guarded = false;
  /// When; nullopt: just now.
  std::optional<Instant> ended{};
  /// The freeze that it began or was to end; empty: none.
  std::string freeze{};
};

class Scripts {
 public:
  virtual ~Scripts() = default;
  /// The command's id; its end comes by event, after this call. What ends within it is refused, as the words say.
  virtual Answer<std::string> send(store::Txn& txn, const ScriptOrder& order) = 0;
  /// A thaw that goes to the machine with its freeze, for the machine to run by itself, several times if need be; the promise's id. That it
  /// did comes by event (Lanes::guardBegan, and its end as that of any command).
  virtual Answer<std::string> promise(store::Txn& txn, const ScriptOrder& order) = 0;
  /// The freeze is over. Harmless when repeated.
  virtual void forget(store::Txn& txn, const std::string& promise) = 0;
  /// Asks for the end of a command that runs; its end still comes by event. Harmless when it has ended.
  virtual void cancel(store::Txn& txn, const std::string& command, const std::string& instance) = 0;
  /// Whether the script's source and its output bucket exist; the refusal tells which does not.
  virtual Answer<void> check(store::Txn& txn, const Script& script) = 0;
};

/// Whether a machine's power is fit for what a run wants of it.
struct Fitness {
  /// Not known yet; what it waits for stands in `why`.
  bool waits = false;
  /// Empty: fit. Else what is wrong and what to do.
  std::string why{};
  /// The lane's error with it ("Stillpoint.StopFailed" …).
  std::string error{};
};

class Power {
 public:
  virtual ~Power() = default;
  /// Has the driver look whether it could do its work; fitness() waits for it. Drivers that cannot be wrong are not asked.
  virtual void look(store::Txn& txn, const std::string& instance) = 0;
  /// `stops`: the run wants to stop it, read it while it is stopped, and start it.
  virtual Fitness fitness(store::Txn& txn, const std::string& instance, bool stops) = 0;
  virtual quiesce::Machine state(store::Txn& txn, const std::string& instance) = 0;
  virtual Answer<void> start(store::Txn& txn, const std::string& instance, const std::string& by) = 0;
  /// Whoever holds the driver starts the machine again when it has heard nothing of it for longer than `lease`.
  virtual Answer<void> stop(store::Txn& txn, const std::string& instance, const std::string& by, std::chrono::milliseconds lease) = 0;
  /// Renews that from now on; nullopt: the machine's start is owed no longer. Told once, if its holder is there.
  virtual void renewStart(store::Txn& txn, const std::string& instance, std::optional<std::chrono::milliseconds> lease) = 0;
  /// The agent that holds the machine's driver.
  virtual std::string holder(store::Txn& txn, const std::string& instance) = 0;
};

struct BackupOrder {
  std::string instance;
  std::string vault;
  std::string role;
  std::string by;
  std::int64_t stall_timeout_seconds = 600;
  /// 0: the recovery point is kept for ever.
  std::int64_t delete_after_days = 0;
  std::map<std::string, std::string> point_tags{};
  /// Minutes; 0: StartBackupJob's default.
  std::int64_t start_window = 0;
  std::int64_t completion_window = 0;
  /// When the lane began to wait for its machine, for a job that expired meanwhile.
  std::optional<Instant> since{};
  /// The machine's boot in which its pre-script prepared it: a job that reads it while it runs in another one fails. Empty: any will do.
  std::string boot{};
  /// It is to be read while it is stopped: a job that finds it running fails.
  bool stopped = false;
  /// The freeze that it is read in while it runs: the job succeeds only if its machine says that it held until then. Empty: nobody can say.
  std::string freeze{};
};

/// A job as the lane sees it; state in AWS's words.
struct JobView {
  std::string id;
  std::string state;
  std::string message;
  std::string recovery_point;
  double percent = 0;
  std::int64_t bytes_done = 0;
  std::int64_t bytes_total = 0;
  bool ended() const { return state == "COMPLETED" || state == "PARTIAL" || state == "FAILED" || state == "ABORTED" || state == "EXPIRED"; }
};

/// Whether a machine's repository can take a backup now.
enum class RepositoryState {
  ready,
  /// It is being made, or its space is being freed: both come to an end by themselves.
  making,
  maintained,
  /// It is not there, or could not be made.
  unusable
};

class Backups {
 public:
  virtual ~Backups() = default;
  virtual bool vaultExists(store::Txn& txn, const std::string& vault) = 0;
  /// Has the machine's repository in that vault made, in the background, if it is not there.
  virtual void prepare(store::Txn& txn, const std::string& vault, const std::string& instance) = 0;
  virtual RepositoryState repository(store::Txn& txn, const std::string& vault, const std::string& instance) = 0;
  /// A place among the backups that may run at once. False: the lane waits for its turn, and Lanes::placed() tells it.
  virtual bool takePlace(store::Txn& txn, const std::string& execution, const std::string& instance) = 0;
  /// Gives up the place, or the turn. Harmless without one.
  virtual void leavePlace(store::Txn& txn, const std::string& execution, const std::string& instance) = 0;
  /// Gives up the turns of all of the run's lanes; their places stay.
  virtual void leaveTurns(store::Txn& txn, const std::string& execution) = 0;
  /// The job's id.
  virtual Answer<std::string> start(store::Txn& txn, const BackupOrder& order) = 0;
  /// A plan's run has not come to this machine within its start window: the job that it would have had, EXPIRED as `why` says. Empty
  /// for the runs of no plan, which have none.
  virtual std::string expire(store::Txn& txn, const BackupOrder& order, const std::string& why) = 0;
  /// Asks for the job's end; it still comes by event. Harmless when it has ended.
  virtual void stop(store::Txn& txn, const std::string& job) = 0;
  /// The machine has woken by itself, as `why` says: a job that reads it in its freeze fails. Harmless for any other.
  virtual void woken(store::Txn& txn, const std::string& job, const std::string& why) = 0;
  virtual std::optional<JobView> find(store::Txn& txn, const std::string& job) = 0;
};

struct Target {
  std::string instance;
  bool terminated = false;
};

class Targets {
 public:
  virtual ~Targets() = default;
  virtual std::optional<Target> find(store::Txn& txn, const std::string& instance) = 0;
  /// All that carry the tag, terminated ones too, ordered by id.
  virtual std::vector<Target> byTag(store::Txn& txn, const std::string& key, const std::string& value) = 0;
  virtual bool agentOnline(const std::string& instance) = 0;
  /// Names the boot that the machine's agent last told of; empty: not known.
  virtual std::string boot(store::Txn& txn, const std::string& instance) = 0;
  /// The freeze is to be held for so long from now on. Told once, if its agent is there.
  virtual void renewFreeze(store::Txn& txn, const std::string& instance, const std::string& freeze, std::chrono::milliseconds lease) = 0;
};

class JobLog {
 public:
  virtual ~JobLog() = default;
  /// Puts the row (attribute → text); makes the table if it is missing.
  virtual Answer<void> put(store::Txn& txn, const std::map<std::string, std::string>& row) = 0;
  /// Stores an execution's whole list of statuses, which is too large for a row, once the transaction is committed. `kept`
  /// runs on any thread, with where it lies ("s3://…") once it is durable, or why it could not be stored.
  virtual void keepList(store::Txn& txn, const std::string& execution, std::string list, std::function<void(Result<std::string>)> kept) = 0;
};

struct Ports {
  Scripts& scripts;
  Power& power;
  Backups& backups;
  Targets& targets;
  JobLog& log;
};

}  // namespace sp::services::stillpoint
