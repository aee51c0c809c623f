// What is durably known of a run and of each of its lanes: the single source for the row of the job log, the
// execution's error and cause, and DescribeRun. Kinds in the store: "run" (key: execution ARN), "lane"
// (EXECUTION_ARN#INSTANCE).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "quiesce/debt.h"
#include "services/stillpoint/input.h"
#include "store/store.h"

namespace sp::services::stillpoint {

/// A failure as error and row tell it.
struct Failure {
  /// Place in time among the failures of the run, from 1; 0: none.
  int order = 0;
  /// "Stillpoint.PreScriptFailed" …
  std::string error;
  /// "preflight", "pre", "stop", "backup", "start", "post".
  std::string phase;
  std::string message;
  explicit operator bool() const { return order != 0; }
};

struct Run {
  std::string execution;
  std::string machine;
  Instant started;
  std::optional<Instant> ended;
  /// Absent when the input was refused.
  std::optional<RunInput> input;
  /// What failed before any lane began.
  Failure failure;
  int failures = 0;
  /// How often the execution was redriven.
  int redrives = 0;
  /// Row attributes as last written; empty until then.
  bool row_written = false;
  /// Counts the writings of a row that was too large for its list; the list of which is stored, and where. 0: it fitted.
  std::int64_t list_revision = 0;
  std::string list_at;
  /// How the execution ended when it ended without its save step: ABORTED, TIMED_OUT, FAILED.
  std::string ended_as;
  /// A task that waits until the row is written.
  std::string save_token;
};

struct Lane {
  std::string execution;
  std::string instance;
  int index = 0;
  /// 1 for the first; a redrive of a failed lane makes the next one, which begins with nothing done.
  int attempt = 1;
  /// The state's name of the workflow it is in ("ReserveMachine", "ExecutePreBackupScript" …), "done" at the end.
  std::string step;
  /// Token of the task that waits for this step's end; empty: none.
  std::string token;
  /// What that task waits for: "reserve", "place", "pre", "stop", "cut", "job", "start", "post".
  std::string waits;
  /// Reserved: the machine is held and was fit.
  bool reserved = false;
  bool found_stopped = false;
  /// Its start window passed before it was reserved.
  bool skipped = false;
  /// Never to begin: its machine carries the tag and is terminated.
  bool left_out = false;
  /// Nothing follows; what is still owed is the payer's.
  bool over = false;
  std::optional<Instant> over_at;
  /// When it began to wait for its machine: its start window counts from here.
  std::optional<Instant> waits_since;
  /// Until when the preflight waits for the agent or for a machine on its way.
  std::optional<Instant> preflight_until;
  /// The same for the machine's repository.
  std::optional<Instant> repository_until;

  /// The row's words; empty while nothing is known.
  std::string pre, stop, backup, post, start;
  Failure failure;
  /// Further failures and remarks, as sentences.
  std::vector<std::string> warnings;
  /// What the row says without being a warning.
  std::vector<std::string> notes;

  std::optional<quiesce::Freeze> freeze;
  /// The machine's boot (Targets::boot) when its pre-script was sent: what that prepares does not outlive it.
  std::string boot;
  std::string pre_command, post_command, job;
  /// What its machine may run by itself (Scripts::promise); empty once its freeze is over.
  std::string promise;
  /// The machine has said that it wakes itself when it hears nothing for too long …
  bool guarded = false;
  /// … and has done so, or tried: the first such command.
  std::string woken_by;
  /// Why, as it said itself; empty until its command has ended.
  std::string woken_why;
  bool pre_running = false;
  bool job_open = false;
  bool cut = false;
  std::string recovery_point;
  std::optional<Instant> reserved_at, pre_at, frozen_at, stopped_at, job_at, job_ended_at, started_at, thawed_at;
};

std::string laneKey(std::string_view execution, std::string_view instance);
/// "run:EXECUTION_ARN", as machine locks and other services name a run.
std::string holderOf(std::string_view execution);
/// The execution in such a holder; empty for other holders.
std::string_view executionOf(std::string_view holder);

std::optional<Run> loadRun(store::Txn& txn, std::string_view execution);
void saveRun(store::Txn& txn, const Run& run);
std::optional<Lane> loadLane(store::Txn& txn, std::string_view execution, std::string_view instance);
void saveLane(store::Txn& txn, const Lane& lane);
/// All lanes of a run by index.
std::vector<Lane> loadLanes(store::Txn& txn, std::string_view execution);
void eraseLane(store::Txn& txn, const Lane& lane);

std::optional<quiesce::Debt> loadDebt(store::Txn& txn, std::string_view execution, std::string_view instance, quiesce::DebtKind kind);
void saveDebt(store::Txn& txn, const quiesce::Debt& debt);
/// Start first, then thaw and post.
std::vector<quiesce::Debt> debtsOfLane(store::Txn& txn, std::string_view execution, std::string_view instance);
/// Open and suspended debts of one machine, or of all (empty id).
std::vector<quiesce::Debt> owed(store::Txn& txn, std::string_view instance);

}  // namespace sp::services::stillpoint
