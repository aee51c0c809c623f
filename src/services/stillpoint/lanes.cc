#include "services/stillpoint/lanes.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kResourcePrefix = "arn:aws:states:::stillpoint:";

/// Phase and error of a task that waited for that and was given up.
std::pair<std::string_view, std::string_view> failureOf(std::string_view waits) {
  if (waits == "pre") return {"pre", "Stillpoint.PreScriptTimedOut"};
  if (waits == "stop") return {"stop", "Stillpoint.StopFailed"};
  if (waits == "start") return {"start", "Stillpoint.StartFailed"};
  if (waits == "post") return {"post", "Stillpoint.PostScriptFailed"};
  return {waits == "cut" || waits == "job" ? "backup" : "preflight", "Stillpoint.BackupFailed"};
}

}  // namespace

Lanes::Lanes(runtime::Core& core, runtime::MachineLock& locks, const Ports& ports, Ledger& ledger, Finaliser& finaliser,
             std::string built_in_machine)
    : core_(core), locks_(locks), ports_(ports), ledger_(ledger), finaliser_(finaliser), built_in_machine_(std::move(built_in_machine)) {
  core.onTimer(std::string(kPreflightTimer), [this](store::Txn& txn, const store::Timer& timer) {
    const auto separator = timer.id.rfind('#');
    auto lane = loadLane(txn, timer.id.substr(0, separator), timer.id.substr(separator + 1));
    // A timer that was set before a redrive finds a lane that waits for its machine.
    if (lane && !lane->over && lane->waits == "reserve" && locks_.holder(txn, lane->instance) == holderOf(lane->execution))
      preflight(txn, std::move(*lane));
  });
  core.onTimer(std::string(kStartWindowTimer), [this](store::Txn& txn, const store::Timer& timer) {
    const auto separator = timer.id.rfind('#');
    auto lane = loadLane(txn, timer.id.substr(0, separator), timer.id.substr(separator + 1));
    if (lane && !lane->over && !lane->reserved && (lane->waits == "reserve" || lane->waits == "place"))
      startWindowOver(txn, std::move(*lane));
  });
  core.onClockSet([this](store::Txn& txn, Duration by) { clockSet(txn, by); });
  locks.onIdle("run", [](store::Txn& txn, const std::string& instance, const std::string& holder) {
    const auto lane = loadLane(txn, executionOf(holder), instance);
    return lane && !lane->over && !lane->reserved;
  });
  locks.onPaying("run", [](store::Txn& txn, const std::string& instance, const std::string& holder) {
    const auto lane = loadLane(txn, executionOf(holder), instance);
    return lane && lane->over && !lane->job_open;
  });
  locks.onGranted("run",
                  [this](store::Txn& txn, const std::string& instance, const std::string& holder) { granted(txn, instance, holder); });
  ledger.onChanged([this](store::Txn& txn, const std::string& execution) { finaliser_.refresh(txn, execution); });
}

void Lanes::attach(runtime::Executions& executions) {
  executions_ = &executions;
  finaliser_.attach(executions);
  executions.onEnd(
      [this](store::Txn& txn, const store::ExecutionRow& row) { executionEnded(txn, row.arn, row.machine_arn, row.started, row.status); });
}

Lanes::Step Lanes::stepOf(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Step>, 8> kSteps = {{
      {"reserveMachine.sync", &Lanes::reserveMachine},
      {"preScript.sync", &Lanes::preScript},
      {"stop.sync", &Lanes::stop},
      {"runBackupJob", &Lanes::runBackupJob},
      {"awaitBackupJobCompletion.sync", &Lanes::awaitBackupJob},
      {"start.sync", &Lanes::start},
      {"postScript.sync", &Lanes::postScript},
      {"releaseMachine", &Lanes::releaseMachine},
  }};
  for (const auto& [known, step] : kSteps)
    if (known == name) return step;
  return nullptr;
}

bool Lanes::knows(std::string_view step) { return step == "validateInput" || step == "saveWorkflowState.sync" || stepOf(step) != nullptr; }

void Lanes::start(store::Txn& txn, const runtime::TaskRequest& request) {
  const auto name = std::string_view(request.resource).substr(std::min(kResourcePrefix.size(), request.resource.size()));
  if (name == "validateInput") return validateInput(txn, request);
  if (name == "saveWorkflowState.sync") return finaliser_.save(txn, request.execution_arn, request.token);
  const auto step = stepOf(name);
  const auto instance = request.parameters.is_object() ? json::textOr(request.parameters.get_object(), "InstanceId") : "";
  const auto run = loadRun(txn, request.execution_arn);
  auto lane = loadLane(txn, request.execution_arn, instance);
  if (step == nullptr || !run || !run->input || !lane) {
    executions_->taskFailed(
        txn, request.token, "Stillpoint.InvalidInput",
        fmt::format("{}: InstanceId \"{}\" is none of this execution's targets; stillpoint:validateInput resolves them first", name,
                    instance));
    return;
  }
  if (lane->over && step != &Lanes::releaseMachine) {
    executions_->taskFailed(txn, request.token, "Stillpoint.InvalidInput",
                            fmt::format("{}: the lane of {} was released before", name, instance));
    return;
  }
  lane->step = request.state_name;
  (this->*step)(txn, request, *run, std::move(*lane));
}

// A task given up while the execution lives: a timeout the state machine set. The lane has failed in it and goes on by its Catch; what
// was begun is undone by the steps that follow, or by the ledger.
void Lanes::cancel(store::Txn& txn, std::string_view token) {
  const auto ref = findLaneRef(txn, "tok/" + std::string(token));
  if (!ref) return;
  dropLaneRef(txn, "tok/" + std::string(token));
  auto lane = loadLane(txn, ref->execution, ref->instance);
  if (!lane || lane->token != token) return;
  lane->token.clear();
  const auto [phase, error] = failureOf(std::exchange(lane->waits, ""));
  noteFailure(txn, *lane, std::string(error), std::string(phase), fmt::format("{} was given up before it ended", lane->step));
  saveLane(txn, *lane);
  // What had not begun yet ends within these calls, and its end is written to the lane.
  if (lane->pre_running) ports_.scripts.cancel(txn, lane->pre_command, lane->instance);
  if (lane->job_open) ports_.backups.stop(txn, lane->job);
}

void Lanes::wait(store::Txn& txn, Lane& lane, const std::string& token, std::string_view what) {
  lane.token = token;
  lane.waits = what;
  saveLane(txn, lane);
  putLaneRef(txn, "tok/" + token, {lane.execution, lane.instance, "step"});
}

std::string Lanes::takeToken(store::Txn& txn, Lane& lane) {
  auto token = std::exchange(lane.token, "");
  lane.waits.clear();
  if (!token.empty()) dropLaneRef(txn, "tok/" + token);
  return token;
}

void Lanes::succeed(store::Txn& txn, Lane lane, std::string_view token, json::Object output) {
  const auto waiting = takeToken(txn, lane);
  output["InstanceId"] = lane.instance;
  saveLane(txn, lane);
  executions_->taskSucceeded(txn, token.empty() ? std::string_view(waiting) : token, std::move(output));
}

void Lanes::failStep(store::Txn& txn, Lane lane, std::string_view token, const std::string& error, const std::string& phase,
                     const std::string& message) {
  const auto waiting = takeToken(txn, lane);
  noteFailure(txn, lane, error, phase, message);
  saveLane(txn, lane);
  executions_->taskFailed(txn, token.empty() ? std::string_view(waiting) : token, error,
                          fmt::format("{}: {}: {}", lane.instance, phase, message));
}

// The first failure is the lane's; later ones (the start that failed after the backup did) stand beside it.
void Lanes::noteFailure(store::Txn& txn, Lane& lane, const std::string& error, const std::string& phase, const std::string& message) {
  if (lane.failure) {
    lane.warnings.push_back(fmt::format("{}: {}", phase, message));
    return;
  }
  auto run = loadRun(txn, lane.execution);
  if (!run) return;
  lane.failure = {++run->failures, error, phase, message};
  saveRun(txn, *run);
}

void Lanes::granted(store::Txn& txn, const std::string& instance, const std::string& holder) {
  const std::string execution(executionOf(holder));
  auto lane = loadLane(txn, execution, instance);
  if (!lane) {
    locks_.release(txn, instance, holder);
    return;
  }
  if (lane->over) {
    ledger_.work(txn, execution, instance);
    return;
  }
  if (lane->waits == "reserve") preflight(txn, std::move(*lane));
}

void Lanes::commandEnded(store::Txn& txn, const ScriptEnd& end) {
  const auto subject = "cmd/" + end.command;
  const auto ref = findLaneRef(txn, subject);
  if (!ref || ref->instance != end.instance) return;
  dropLaneRef(txn, subject);
  if (ref->role == "pre") {
    if (auto lane = loadLane(txn, ref->execution, ref->instance)) preEnded(txn, std::move(*lane), end);
    return;
  }
  if (ref->role == "guard") return guardEnded(txn, ref->execution, end);
  ledger_.commandEnded(txn, ref->execution, end);
  if (auto lane = loadLane(txn, ref->execution, ref->instance); lane && lane->waits == "post" && lane->post_command == end.command)
    postEnded(txn, std::move(*lane), end);
}

void Lanes::personActed(store::Txn& txn, const std::string& instance, const std::string& action, const std::string& who) {
  ledger_.personActed(txn, instance, action, who);
}

void Lanes::executionEnded(store::Txn& txn, const std::string& execution, const std::string& machine, Instant started,
                           const std::string& status) {
  auto run = loadRun(txn, execution);
  if (!run) {
    if (machine != built_in_machine_) return;
    run = Run{};
    run->execution = execution;
    run->machine = machine;
    run->started = started;
    saveRun(txn, *run);
  }
  // First the turns: the place of one of its lanes must not go to the next one, which is to end too.
  ports_.backups.leaveTurns(txn, execution);
  for (auto& lane : loadLanes(txn, execution))
    if (!lane.over) abort(txn, std::move(lane), status);
  finaliser_.executionEnded(txn, execution, status);
}

void Lanes::waitsNoMore(store::Txn& txn, const Lane& lane) {
  const auto key = laneKey(lane.execution, lane.instance);
  txn.timers().drop(kPreflightTimer, key);
  txn.timers().drop(kStartWindowTimer, key);
  looked_at_.erase(key);
}

void Lanes::abort(store::Txn& txn, Lane lane, const std::string& status) {
  takeToken(txn, lane);
  waitsNoMore(txn, lane);
  const auto step = lane.step.empty() ? std::string("its first step") : lane.step;
  noteFailure(txn, lane, "Stillpoint.Aborted", "run", fmt::format("the execution ended as {} in {}", status, step));
  if (lane.pre_running) lane.pre = "Cancelled";
  if (lane.job_open) lane.backup = "ABORTING";
  lane.step = "done";
  lane.over = true;
  lane.over_at = txn.now();
  saveLane(txn, lane);
  if (lane.pre_running) ports_.scripts.cancel(txn, lane.pre_command, lane.instance);
  if (lane.job_open) ports_.backups.stop(txn, lane.job);
  else ports_.backups.leavePlace(txn, lane.execution, lane.instance);
  ledger_.laneOver(txn, lane.execution, lane.instance);
}

}  // namespace sp::services::stillpoint
