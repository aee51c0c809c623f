// The steps of Stillpoint's own workflow, `arn:aws:states:::stillpoint:…`: each does one thing to one machine, records its
// outcome in the lane and ends its task in the same transaction. Which step follows is the state machine's business
// (workflows/PrePostBackup.asl.json). Core thread only.
//
// Steps that wait end by event: a command's end, a power change, a job's cut or end, a granted lock. What they wait for
// is in the lane's record, so a restart needs no recovery.
#pragma once
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/random.h"
#include "runtime/core.h"
#include "runtime/executions.h"
#include "runtime/machine_lock.h"
#include "services/stillpoint/finaliser.h"
#include "services/stillpoint/ledger.h"
#include "services/stillpoint/ports.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {

class Lanes {
 public:
  /// Registers its timer, the lock's and the ledger's listeners: before the core starts. All given outlive it.
  /// `built_in_machine`: ARN of PrePostBackup, whose every execution gets a row.
  Lanes(runtime::Core& core, runtime::MachineLock& locks, const Ports& ports, Ledger& ledger, Finaliser& finaliser,
        std::string built_in_machine);
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  /// Where outcomes go; once, before the core starts. Registers for the end of executions.
  void attach(runtime::Executions& executions);

  /// "validateInput", "reserveMachine.sync", "preScript.sync", "stop.sync", "runBackupJob",
  /// "awaitBackupJobCompletion.sync", "start.sync", "postScript.sync", "releaseMachine", "saveWorkflowState.sync".
  static bool knows(std::string_view step);
  /// Does the step of `request` (its resource ends in one of the above).
  void start(store::Txn& txn, const runtime::TaskRequest& request);
  /// The execution no longer waits for the task.
  void cancel(store::Txn& txn, std::string_view token);

  /// Why a lane was skipped.
  struct Skip {
    /// Its run's start window.
    std::int64_t minutes = 0;
    /// Who held the machine at its end ("run:EXECUTION_ARN", "job:ID"); empty: nobody else.
    std::string held_by;
  };
  /// In the transaction in which a lane's start window has passed. Before the core starts.
  using Skipped = std::function<void(store::Txn&, const Lane&, const Skip&)>;
  void onSkipped(Skipped listener) { skipped_ = std::move(listener); }

  /// How a run that did not succeed goes on: with its failed lanes, each from the start, since what it had frozen was
  /// thawed; not while anything is owed to one of its machines or still under way there.
  static runtime::RedrivePlan redrivePlan(store::Txn& txn, std::string_view execution);
  /// Makes the failed lanes new; what succeeded stays. Only after a redrivePlan() that refused nothing.
  void redriven(store::Txn& txn, std::string_view execution);

  void commandEnded(store::Txn& txn, const ScriptEnd& end);
  /// A machine has begun to wake itself from that freeze, of the run that `holder` names. The command's end comes as any other's.
  void guardBegan(store::Txn& txn, std::string_view holder, const std::string& instance, std::string_view freeze_id,
                  const std::string& command);
  void jobCut(store::Txn& txn, const JobView& job);
  void jobEnded(store::Txn& txn, const JobView& job);
  /// `error` says why a power change failed, if it did.
  void powerSettled(store::Txn& txn, const std::string& instance, const std::string& error);
  /// A lane that waited for a place among the backups at once has it.
  void placed(store::Txn& txn, const std::string& execution, const std::string& instance);
  /// The state of a repository of that machine.
  void repositoryChanged(store::Txn& txn, const std::string& instance);
  void personActed(store::Txn& txn, const std::string& instance, const std::string& action, const std::string& who);
  void executionEnded(store::Txn& txn, const std::string& execution, const std::string& machine, Instant started,
                      const std::string& status);

 private:
  using Step = void (Lanes::*)(store::Txn&, const runtime::TaskRequest&, const Run&, Lane);
  static Step stepOf(std::string_view name);

  void validateInput(store::Txn& txn, const runtime::TaskRequest& request);
  Result<void> checkReferences(store::Txn& txn, const RunInput& input);
  Result<void> resolveTargets(store::Txn& txn, Run& run, std::vector<Lane>& lanes);
  void plan(store::Txn& txn, const Run& run, std::string_view token);

  void reserveMachine(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void preScript(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void stop(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void runBackupJob(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void awaitBackupJob(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void start(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void postScript(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);
  void releaseMachine(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane);

  /// What makes a machine unfit for good.
  struct Misfit {
    std::string error;
    std::string message;
  };
  void preflight(store::Txn& txn, Lane lane);
  void preflightAgain(store::Txn& txn, const Lane& lane, Duration pause);
  /// What takes long and ends by itself: whether the lane waits for it, without a place.
  bool waitsLong(store::Txn& txn, const RunInput& input, Lane& lane);
  void clockSet(store::Txn& txn, Duration by);
  /// The lane waits for its machine no longer.
  void waitsNoMore(store::Txn& txn, const Lane& lane);
  std::optional<Misfit> misfit(const RunInput& input, const Lane& lane, quiesce::Machine machine, const Fitness& power) const;
  /// With a place. False: the lane waits, or has failed.
  bool repositoryReady(store::Txn& txn, const RunInput& input, Lane& lane);
  void reserve(store::Txn& txn, const RunInput& input, Lane lane, quiesce::Machine machine);
  /// The lane has waited for its machine as long as its run's input allows.
  void startWindowOver(store::Txn& txn, Lane lane);
  void granted(store::Txn& txn, const std::string& instance, const std::string& holder);
  void preEnded(store::Txn& txn, Lane lane, const ScriptEnd& end);
  void postEnded(store::Txn& txn, Lane lane, const ScriptEnd& end);
  void guardEnded(store::Txn& txn, const std::string& execution, const ScriptEnd& end);
  void finishBackup(store::Txn& txn, Lane lane, const JobView& job);
  void abort(store::Txn& txn, Lane lane, const std::string& status);
  void renew(store::Txn& txn, const Lane& lane);

  void wait(store::Txn& txn, Lane& lane, const std::string& token, std::string_view what);
  void succeed(store::Txn& txn, Lane lane, std::string_view token, json::Object output);
  void failStep(store::Txn& txn, Lane lane, std::string_view token, const std::string& error, const std::string& phase,
                const std::string& message);
  void noteFailure(store::Txn& txn, Lane& lane, const std::string& error, const std::string& phase, const std::string& message);
  std::string takeToken(store::Txn& txn, Lane& lane);

  runtime::Core& core_;
  runtime::MachineLock& locks_;
  Ports ports_;
  Ledger& ledger_;
  Finaliser& finaliser_;
  std::string built_in_machine_;
  static constexpr std::string_view kPreflightTimer = "stillpoint.preflight";
  static constexpr std::string_view kStartWindowTimer = "stillpoint.start_window";
  Skipped skipped_;
  /// Keys of the waiting lanes that this process has looked at.
  std::set<std::string, std::less<>> looked_at_;
  runtime::Executions* executions_ = nullptr;
};

}  // namespace sp::services::stillpoint
