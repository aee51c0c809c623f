#include <fmt/format.h>

#include "base/failpoint.h"
#include "services/stillpoint/lanes.h"

namespace sp::services::stillpoint {
namespace {

using quiesce::DebtKind;
using quiesce::Machine;

constexpr std::string_view kPreflightTimer = "stillpoint.preflight";
constexpr std::string_view kStartWindowTimer = "stillpoint.start_window";
// An agent that lost its server a moment ago, or a machine on its way up or down, is waited for this long.
constexpr auto kPreflightPatience = std::chrono::seconds(10);
// Queue first, freeze last: nothing is frozen while its repository is still being made.
constexpr auto kRepositoryPatience = std::chrono::minutes(2);
constexpr auto kPreflightPause = std::chrono::milliseconds(200);
// While the space of its repository is freed, for minutes perhaps.
constexpr auto kMaintenancePause = std::chrono::seconds(2);

json::Object planOf(const RunInput& input, const Lane& lane) {
  json::Object plan;
  const bool scripts = !lane.found_stopped;
  plan["RunPreBackupScript"] = input.pre.has_value() && scripts;
  plan["StartStopEC2Required"] = input.stop_start && scripts;
  plan["RunPostBackupScript"] = input.post.has_value() && scripts;
  plan["Rehearsal"] = input.rehearsal;
  return plan;
}

// A post-script without a pre-script is owed from the moment the lane begins to touch the machine.
bool owesPost(const Run& run, const Lane& lane) { return run.input->post && !run.input->pre && !lane.found_stopped; }

}  // namespace

// Queue first: nothing is touched before the machine is ours and fit.
void Lanes::reserveMachine(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane) {
  if (lane.reserved) return succeed(txn, lane, request.token, planOf(*run.input, lane));
  wait(txn, lane, request.token, "reserve");
  if (!run.input->rehearsal) ports_.backups.prepare(txn, run.input->vault, lane.instance);
  if (run.input->start_window > 0)
    txn.timers().set({std::string(kStartWindowTimer), laneKey(lane.execution, lane.instance),
                      txn.now() + std::chrono::minutes(run.input->start_window), ""});
  // If the machine is free the grant, and with it the preflight, happens within this call.
  locks_.acquire(txn, lane.instance, holderOf(lane.execution));
}

// Nothing of it has been touched: it only waited for its turn.
void Lanes::startWindowOver(store::Txn& txn, Lane lane) {
  const auto run = loadRun(txn, lane.execution);
  if (!run || !run->input) return;
  failStep(txn, std::move(lane), "", "Stillpoint.BackupFailed", "preflight",
           fmt::format("the machine or its repository was not free within the start window of {} minutes; nothing was touched",
                       run->input->start_window));
}

void Lanes::preflight(store::Txn& txn, Lane lane) {
  const auto run = loadRun(txn, lane.execution);
  if (!run || !run->input) return;
  if (!lane.preflight_until) {
    lane.preflight_until = txn.now() + kPreflightPatience;
    lane.repository_until = txn.now() + kRepositoryPatience;
    ports_.power.look(txn, lane.instance);
  }
  const auto machine = ports_.power.state(txn, lane.instance);
  const bool settled = machine == Machine::running || machine == Machine::stopped || machine == Machine::gone;
  const bool online = machine == Machine::stopped || ports_.targets.agentOnline(lane.instance);
  const bool repository = run->input->rehearsal || ports_.backups.ready(txn, run->input->vault, lane.instance);
  // That ends by itself: whoever waits for it has all the patience left.
  const bool maintained = !repository && ports_.backups.maintained(txn, run->input->vault, lane.instance);
  if (maintained) {
    lane.preflight_until = txn.now() + kPreflightPatience;
    lane.repository_until = txn.now() + kRepositoryPatience;
  }
  const auto power = ports_.power.fitness(txn, lane.instance, run->input->stop_start);
  const bool waits_for_machine = (!settled || !online || power.waits) && txn.now() < *lane.preflight_until;
  const bool waits_for_repository = !repository && (maintained || (settled && online && txn.now() < *lane.repository_until));
  const bool unfit = !power.waits && !power.why.empty();
  if (machine != Machine::gone && !unfit && (waits_for_machine || waits_for_repository)) {
    saveLane(txn, lane);
    txn.timers().set({std::string(kPreflightTimer), laneKey(lane.execution, lane.instance),
                      txn.now() + (maintained ? Duration(kMaintenancePause) : Duration(kPreflightPause)), ""});
    return;
  }
  if (machine == Machine::gone)
    return failStep(txn, std::move(lane), "", "Stillpoint.NoTarget", "preflight", "the machine is terminated; nothing was touched");
  if (!power.why.empty()) return failStep(txn, std::move(lane), "", power.error, "preflight", power.why + "; nothing was touched");
  if (!settled)
    return failStep(txn, std::move(lane), "", "Stillpoint.NoTarget", "preflight",
                    "the machine neither runs nor is it stopped; nothing was touched");
  if (run->input->rehearsal && machine == Machine::stopped)
    return failStep(txn, std::move(lane), "", "Stillpoint.NoTarget", "preflight",
                    "the machine is stopped, and a rehearsal starts none; nothing was touched");
  if (!online)
    return failStep(txn, std::move(lane), "", "Stillpoint.NoTarget", "preflight",
                    "the agent of the machine is not connected; nothing was touched");
  if (!repository)
    return failStep(txn, std::move(lane), "", "Stillpoint.BackupFailed", "preflight",
                    fmt::format("the machine's repository in vault {} could not be made ready within {} s; nothing was touched",
                                run->input->vault, std::chrono::seconds(kRepositoryPatience).count()));
  lane.reserved = true;
  lane.reserved_at = txn.now();
  lane.found_stopped = machine == Machine::stopped;
  if (lane.found_stopped && (run->input->pre || run->input->post || run->input->stop_start))
    lane.warnings.emplace_back(
        "the machine was found stopped: its scripts, stop and start were skipped, it was read offline and left stopped");
  if (run->input->pre && !run->input->post && !lane.found_stopped)
    lane.notes.emplace_back("there is no post-script: what the pre-script froze, it must wake itself");
  auto output = planOf(*run->input, lane);
  output["FoundStopped"] = lane.found_stopped;
  succeed(txn, std::move(lane), "", std::move(output));
}

// The debt and the order are one commit: from here on a thaw is owed, whatever becomes of the command.
void Lanes::preScript(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane) {
  if (!run.input->pre || lane.freeze) {
    lane.pre = lane.pre.empty() ? "skipped" : lane.pre;
    return succeed(txn, std::move(lane), request.token, {{"Status", "skipped"}});
  }
  const quiesce::Freeze freeze{"frz-" + core_.random().uuid(), 1, quiesce::Freeze::State::asked};
  if (run.input->post) ledger_.owe(txn, lane, DebtKind::thaw, freeze.id);
  json::Object order_freeze;
  order_freeze["id"] = freeze.id;
  order_freeze["phase"] = "freeze";
  order_freeze["attempt"] = freeze.attempt;
  const ScriptOrder order{lane.instance,           *run.input->pre,         holderOf(lane.execution),
                          "Stillpoint pre-script", std::move(order_freeze), {{"ATTEMPT", std::to_string(lane.attempt)}}};
  const auto sent = ports_.scripts.send(txn, order);
  if (!sent) {
    ledger_.withdraw(txn, lane, DebtKind::thaw);
    lane.pre = "Failed";
    return failStep(txn, std::move(lane), request.token, "Stillpoint.PreScriptFailed", "pre",
                    "it could not be sent: " + sent.error().message);
  }
  failpoint::hit("flow.freeze_intent");
  lane.freeze = freeze;
  lane.pre_command = *sent;
  lane.pre_running = true;
  lane.pre_at = txn.now();
  lane.frozen_at = txn.now();
  putLaneRef(txn, "cmd/" + *sent, {lane.execution, lane.instance, "pre"});
  wait(txn, lane, request.token, "pre");
}

void Lanes::preEnded(store::Txn& txn, Lane lane, const ScriptEnd& end) {
  lane.pre_running = false;
  lane.pre = end.status;
  const bool good = end.status == "Success";
  if (lane.freeze && lane.freeze->state == quiesce::Freeze::State::asked)
    lane.freeze->state = good ? quiesce::Freeze::State::frozen : quiesce::Freeze::State::failed;
  if (lane.token.empty()) {
    const auto execution = lane.execution;
    const auto instance = lane.instance;
    saveLane(txn, lane);
    ledger_.work(txn, execution, instance);
    finaliser_.refresh(txn, execution);
    return;
  }
  json::Object output;
  output["Status"] = end.status;
  output["CommandId"] = end.command;
  if (good) return succeed(txn, std::move(lane), "", std::move(output));
  const bool late = end.status == "TimedOut";
  const auto why = fmt::format("command {} ended as {}{}{}", end.command, end.details, end.message.empty() ? "" : ": ", end.message);
  failStep(txn, std::move(lane), "", late ? "Stillpoint.PreScriptTimedOut" : "Stillpoint.PreScriptFailed", "pre", why);
}

void Lanes::stop(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane) {
  if (lane.found_stopped) return succeed(txn, std::move(lane), request.token, {{"Status", "skipped"}});
  saveLane(txn, lane);
  ledger_.owe(txn, lane, DebtKind::start);
  if (owesPost(run, lane)) ledger_.owe(txn, lane, DebtKind::post);
  const auto stopped = ports_.power.stop(txn, lane.instance, holderOf(lane.execution));
  failpoint::hit("flow.stop_intent");
  if (!stopped) {
    lane.stop = "Failed";
    const auto instance = lane.instance;
    const auto execution = lane.execution;
    saveLane(txn, lane);
    // It runs still: nothing is owed to a machine that was never stopped.
    if (ports_.power.state(txn, instance) == Machine::running) ledger_.withdraw(txn, lane, DebtKind::start);
    if (auto now = loadLane(txn, execution, instance))
      failStep(txn, std::move(*now), request.token, "Stillpoint.StopFailed", "stop", stopped.error().message);
    return;
  }
  wait(txn, lane, request.token, "stop");
  if (ports_.power.state(txn, lane.instance) == Machine::stopped) powerSettled(txn, lane.instance, "");
}

void Lanes::runBackupJob(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane) {
  // PrePostBackup goes past it; a copy of an older one comes here.
  if (run.input->rehearsal) return succeed(txn, std::move(lane), request.token, {{"Status", "skipped"}});
  saveLane(txn, lane);
  if (owesPost(run, lane)) ledger_.owe(txn, lane, DebtKind::post);
  const auto& input = *run.input;
  const auto job = ports_.backups.start(txn, {lane.instance, input.vault, input.role, holderOf(lane.execution), input.stall_timeout_seconds,
                                              input.delete_after_days, input.point_tags, input.start_window, input.completion_window});
  failpoint::hit("flow.job_intent");
  if (!job) {
    lane.backup = "FAILED";
    return failStep(txn, std::move(lane), request.token, "Stillpoint.BackupFailed", "backup",
                    "the job was refused: " + job.error().message);
  }
  lane.job = *job;
  lane.job_open = true;
  lane.job_at = txn.now();
  putLaneRef(txn, "job/" + *job, {lane.execution, lane.instance, "job"});
  wait(txn, lane, request.token, "cut");
  if (const auto view = ports_.backups.find(txn, *job); view && view->ended()) jobEnded(txn, *view);
}

void Lanes::jobCut(store::Txn& txn, const JobView& job) {
  const auto ref = findLaneRef(txn, "job/" + job.id);
  if (!ref) return;
  auto lane = loadLane(txn, ref->execution, ref->instance);
  if (!lane) return;
  lane->cut = true;
  if (lane->waits != "cut") {
    saveLane(txn, *lane);
    return;
  }
  succeed(txn, std::move(*lane), "", {{"BackupJobId", job.id}, {"State", job.state}});
}

void Lanes::jobEnded(store::Txn& txn, const JobView& job) {
  const auto ref = findLaneRef(txn, "job/" + job.id);
  if (!ref) return;
  dropLaneRef(txn, "job/" + job.id);
  auto lane = loadLane(txn, ref->execution, ref->instance);
  if (!lane) return;
  lane->job_open = false;
  lane->job_ended_at = txn.now();
  lane->backup = job.state;
  lane->recovery_point = job.recovery_point;
  if (job.state == "PARTIAL") lane->warnings.push_back("the backup is PARTIAL: " + job.message);
  if (lane->over) {
    saveLane(txn, *lane);
    ledger_.work(txn, ref->execution, ref->instance);
    finaliser_.refresh(txn, ref->execution);
    return;
  }
  if (lane->token.empty()) {
    saveLane(txn, *lane);
    return;
  }
  finishBackup(txn, std::move(*lane), job);
}

void Lanes::finishBackup(store::Txn& txn, Lane lane, const JobView& job) {
  if (job.state != "COMPLETED" && job.state != "PARTIAL")
    return failStep(txn, std::move(lane), "", "Stillpoint.BackupFailed", "backup",
                    fmt::format("job {} ended as {}{}{}", job.id, job.state, job.message.empty() ? "" : ": ", job.message));
  json::Object output;
  output["BackupJobId"] = job.id;
  output["State"] = job.state;
  output["RecoveryPointArn"] = job.recovery_point;
  if (!job.message.empty()) output["StatusMessage"] = job.message;
  succeed(txn, std::move(lane), "", std::move(output));
}

void Lanes::awaitBackupJob(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane) {
  if (run.input->rehearsal) return succeed(txn, std::move(lane), request.token, {{"Status", "skipped"}});
  const auto job = lane.job.empty() ? std::nullopt : ports_.backups.find(txn, lane.job);
  if (!job) return failStep(txn, std::move(lane), request.token, "Stillpoint.BackupFailed", "backup", "there is no job to wait for");
  wait(txn, lane, request.token, "job");
  if (!lane.job_open) finishBackup(txn, std::move(lane), *job);
}

void Lanes::start(store::Txn& txn, const runtime::TaskRequest& request, const Run&, Lane lane) {
  if (lane.found_stopped) return succeed(txn, std::move(lane), request.token, {{"Status", "skipped"}});
  const auto debt = loadDebt(txn, lane.execution, lane.instance, DebtKind::start);
  if (debt && debt->state == quiesce::DebtState::suspended) {
    lane.start = "Failed";
    const auto why = fmt::format("{}: it stays stopped until `stillpoint start {}`", debt->by, lane.instance);
    return failStep(txn, std::move(lane), request.token, "Stillpoint.StartFailed", "start", why);
  }
  wait(txn, lane, request.token, "start");
  const auto machine = ports_.power.state(txn, lane.instance);
  if (machine == Machine::running) return powerSettled(txn, lane.instance, "");
  // On its way down (a stop that was given up): the start follows when it has settled.
  if (machine == Machine::stopping || machine == Machine::pending) return;
  if (const auto started = ports_.power.start(txn, lane.instance, holderOf(lane.execution)); !started) {
    lane.start = "Failed";
    failStep(txn, std::move(lane), "", "Stillpoint.StartFailed", "start", started.error().message);
  }
}

void Lanes::postScript(store::Txn& txn, const runtime::TaskRequest& request, const Run&, Lane lane) {
  for (const auto& debt : debtsOfLane(txn, lane.execution, lane.instance)) {
    if (debt.kind == DebtKind::start || debt.state == quiesce::DebtState::paid || debt.state == quiesce::DebtState::voided) continue;
    saveLane(txn, lane);
    const auto sent = ledger_.sendPayment(txn, debt);
    auto now = loadLane(txn, lane.execution, lane.instance);
    if (!now) return;
    if (!sent) {
      now->post = "Failed";
      return failStep(txn, std::move(*now), request.token, "Stillpoint.PostScriptFailed", "post",
                      "it could not be sent: " + sent.error().message);
    }
    wait(txn, *now, request.token, "post");
    return;
  }
  // Nothing was frozen and nothing begun: there is nothing to wake.
  succeed(txn, std::move(lane), request.token, {{"Status", "skipped"}});
}

void Lanes::postEnded(store::Txn& txn, Lane lane, const ScriptEnd& end) {
  json::Object output;
  output["Status"] = end.status;
  output["CommandId"] = end.command;
  if (end.status == "Success") return succeed(txn, std::move(lane), "", std::move(output));
  failStep(txn, std::move(lane), "", "Stillpoint.PostScriptFailed", "post",
           fmt::format("command {} ended as {}{}{}; the application may still be frozen", end.command, end.details,
                       end.message.empty() ? "" : ": ", end.message));
}

// A change of the machine's power: first the ledger's (a machine that runs is a start that is paid), then the step that
// waits for it.
void Lanes::powerSettled(store::Txn& txn, const std::string& instance, const std::string& error) {
  ledger_.powerSettled(txn, instance, error);
  const auto holder = locks_.holder(txn, instance);
  if (!holder) return;
  auto lane = loadLane(txn, executionOf(*holder), instance);
  if (!lane || lane->over || lane->token.empty()) return;
  const auto machine = ports_.power.state(txn, instance);
  if (lane->waits == "stop") {
    if (machine == Machine::stopped) {
      lane->stop = "stopped";
      lane->stopped_at = txn.now();
      return succeed(txn, std::move(*lane), "", {{"State", "stopped"}});
    }
    if (machine == Machine::stopping && error.empty()) return;
    lane->stop = "Failed";
    const auto why = !error.empty() ? error : std::string(machine == Machine::gone ? "the machine is gone" : "the machine did not stop");
    return failStep(txn, std::move(*lane), "", "Stillpoint.StopFailed", "stop", why);
  }
  if (lane->waits != "start") return;
  if (machine == Machine::running) {
    lane->start = "running";
    if (!lane->started_at) lane->started_at = txn.now();
    return succeed(txn, std::move(*lane), "", {{"State", "running"}});
  }
  if (error.empty() && machine == Machine::stopped) {
    if (const auto started = ports_.power.start(txn, instance, *holder); started) return;
  }
  if (error.empty() && (machine == Machine::pending || machine == Machine::stopping)) return;
  lane->start = "Failed";
  failStep(txn, std::move(*lane), "", "Stillpoint.StartFailed", "start", error.empty() ? "the machine did not start" : error);
}

void Lanes::releaseMachine(store::Txn& txn, const runtime::TaskRequest& request, const Run&, Lane lane) {
  const auto execution = lane.execution;
  const auto instance = lane.instance;
  if (!lane.over) {
    lane.step = "done";
    lane.over = true;
    lane.over_at = txn.now();
    saveLane(txn, lane);
    failpoint::hit("flow.lane_over");
    ledger_.laneOver(txn, execution, instance);
  }
  if (auto now = loadLane(txn, execution, instance))
    succeed(txn, std::move(*now), request.token, {{"Failed", static_cast<bool>(now->failure)}});
}

}  // namespace sp::services::stillpoint
