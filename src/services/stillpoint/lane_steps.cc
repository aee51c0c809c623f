#include <fmt/format.h>

#include "base/failpoint.h"
#include "services/stillpoint/lanes.h"

namespace sp::services::stillpoint {
namespace {

using quiesce::DebtKind;
using quiesce::Machine;

// An agent that lost its server a moment ago, or a machine on its way up or down, is waited for this long.
constexpr auto kPreflightPatience = std::chrono::seconds(10);
// After a start of the server no agent is connected: each tries again within this time.
constexpr auto kPatienceAfterStart = std::chrono::seconds(60);
// Queue first, freeze last: nothing is frozen while its repository is still being made.
constexpr auto kRepositoryPatience = std::chrono::minutes(2);
constexpr auto kPreflightPause = std::chrono::milliseconds(200);
// While the space of its repository is freed, or what was owed to the machine is paid: for minutes perhaps.
constexpr auto kLongPause = std::chrono::seconds(2);

json::Object planOf(const RunInput& input, const Lane& lane) {
  json::Object plan;
  const bool scripts = !lane.found_stopped;
  plan["RunPreBackupScript"] = input.pre.has_value() && scripts;
  plan["StartStopEC2Required"] = input.stop_start && scripts;
  plan["RunPostBackupScript"] = input.post.has_value() && scripts;
  plan["Rehearsal"] = input.rehearsal;
  return plan;
}

/// Its data is told as read while it was down.
bool readStopped(const Lane& lane) { return lane.found_stopped || lane.stop == "stopped"; }

BackupOrder orderOf(const RunInput& input, const Lane& lane) {
  return {lane.instance,
          input.vault,
          input.role,
          holderOf(lane.execution),
          input.stall_timeout_seconds,
          input.delete_after_days,
          input.point_tags,
          input.start_window,
          input.completion_window,
          lane.waits_since,
          lane.boot,
          readStopped(lane),
          lane.guarded && lane.freeze && !readStopped(lane) ? lane.freeze->id : ""};
}

/// Its agent runs scripts and reads a machine that runs. One that is stopped for its backup and has no scripts is read by its holder.
bool needsAgent(const RunInput& input) { return !input.stop_start || input.pre || input.post; }

/// Of who holds a machine.
std::string nameOf(std::string_view holder) {
  if (const auto execution = executionOf(holder); !execution.empty())
    return fmt::format("run {}", execution.substr(execution.rfind(':') + 1));
  const auto id = holder.substr(holder.find(':') + 1);
  return fmt::format("{} job {}", holder.starts_with("restore:") ? "restore" : "backup", id);
}

// A post-script without a pre-script is owed from the moment the lane begins to touch the machine.
bool owesPost(const Run& run, const Lane& lane) { return run.input->post && !run.input->pre && !lane.found_stopped; }

}  // namespace

// Queue first: nothing is touched before the machine is ours and fit.
void Lanes::reserveMachine(store::Txn& txn, const runtime::TaskRequest& request, const Run& run, Lane lane) {
  if (lane.reserved) return succeed(txn, lane, request.token, planOf(*run.input, lane));
  // A copy of the state machine may try again: nothing of the last try holds.
  if (lane.skipped) lane.job = lane.backup = "";
  lane.skipped = false;
  lane.failure = {};
  lane.preflight_until.reset();
  lane.repository_until.reset();
  lane.waits_since = txn.now();
  waitsNoMore(txn, lane);
  wait(txn, lane, request.token, "reserve");
  ports_.backups.leavePlace(txn, lane.execution, lane.instance);
  if (run.input->start_window > 0)
    txn.timers().set({std::string(kStartWindowTimer), laneKey(lane.execution, lane.instance),
                      txn.now() + std::chrono::minutes(run.input->start_window), ""});
  if (locks_.holder(txn, lane.instance) == holderOf(lane.execution)) return preflight(txn, std::move(lane));
  // If the machine is free the grant, and with it the preflight, happens within this call.
  locks_.acquire(txn, lane.instance, holderOf(lane.execution));
}

// Who waits goes on waiting as long as it would have.
void Lanes::clockSet(store::Txn& txn, Duration by) {
  for (const auto& [instance, holder] : locks_.queued(txn)) {
    auto lane = loadLane(txn, executionOf(holder), instance);
    if (!lane || lane->over || lane->reserved) continue;
    for (auto* moment : {&lane->waits_since, &lane->preflight_until, &lane->repository_until})
      if (*moment) **moment += by;
    saveLane(txn, *lane);
    const auto run = loadRun(txn, lane->execution);
    const auto key = laneKey(lane->execution, instance);
    if (run && run->input && run->input->start_window > 0 && lane->waits_since)
      txn.timers().set({std::string(kStartWindowTimer), key, *lane->waits_since + std::chrono::minutes(run->input->start_window), ""});
    if (lane->waits == "reserve") txn.timers().set({std::string(kPreflightTimer), key, txn.now(), ""});
  }
}

// Nothing of it has been touched: it only waited for its turn.
void Lanes::startWindowOver(store::Txn& txn, Lane lane) {
  const auto run = loadRun(txn, lane.execution);
  if (!run || !run->input) return;
  Skip skip{run->input->start_window, locks_.holder(txn, lane.instance).value_or("")};
  std::string why = "its agent, its power driver or its repository was not ready";
  if (skip.held_by == holderOf(lane.execution)) skip.held_by.clear();
  if (!skip.held_by.empty()) why = nameOf(skip.held_by) + " held the machine";
  else if (lane.waits == "place") why = "as many backups ran as may run at once";
  why = fmt::format("{} until its start window of {} minutes had passed; nothing was touched", why, skip.minutes);
  lane.skipped = true;
  if (!run->input->rehearsal)
    lane.job = ports_.backups.expire(txn, orderOf(*run->input, lane), "Backup job expired before it could start: " + why);
  if (!lane.job.empty()) lane.backup = "EXPIRED";
  const auto execution = lane.execution;
  const auto instance = lane.instance;
  failStep(txn, std::move(lane), "", "Stillpoint.Skipped", "preflight", why);
  if (const auto now = loadLane(txn, execution, instance); now && skipped_) skipped_(txn, *now, skip);
}

void Lanes::placed(store::Txn& txn, const std::string& execution, const std::string& instance) {
  auto lane = loadLane(txn, execution, instance);
  if (!lane || lane->waits != "place") return ports_.backups.leavePlace(txn, execution, instance);
  lane->waits = "reserve";
  // While it waited anything may have happened to the machine, and to its driver.
  lane->preflight_until.reset();
  preflight(txn, std::move(*lane));
}

void Lanes::repositoryChanged(store::Txn& txn, const std::string& instance) {
  const auto holder = locks_.holder(txn, instance);
  if (!holder) return;
  auto lane = loadLane(txn, executionOf(*holder), instance);
  if (lane && !lane->over && lane->waits == "reserve") preflight(txn, std::move(*lane));
}

void Lanes::preflightAgain(store::Txn& txn, const Lane& lane, Duration pause) {
  saveLane(txn, lane);
  txn.timers().set({std::string(kPreflightTimer), laneKey(lane.execution, lane.instance), txn.now() + pause, ""});
}

void Lanes::preflight(store::Txn& txn, Lane lane) {
  const auto run = loadRun(txn, lane.execution);
  if (!run || !run->input) return;
  const auto& input = *run->input;
  if (looked_at_.insert(laneKey(lane.execution, lane.instance)).second) {
    // Of an earlier process.
    if (lane.preflight_until) lane.preflight_until = txn.now() + kPatienceAfterStart;
    if (lane.repository_until) lane.repository_until = txn.now() + kRepositoryPatience;
  }
  if (!lane.preflight_until) {
    lane.preflight_until = txn.now() + kPreflightPatience;
    ports_.power.look(txn, lane.instance);
  }
  const auto machine = ports_.power.state(txn, lane.instance);
  const bool settled = machine == Machine::running || machine == Machine::stopped || machine == Machine::gone;
  const bool online = machine == Machine::stopped || !needsAgent(input) || ports_.targets.agentOnline(lane.instance);
  const auto power = ports_.power.fitness(txn, lane.instance, input.stop_start);
  const bool waits_for_machine = (!settled || !online || power.waits) && txn.now() < *lane.preflight_until;
  const bool unfit = !power.waits && !power.why.empty();
  const bool lost = machine == Machine::gone || unfit;
  if (!lost && waitsLong(txn, input, lane)) return;
  if (!lost && waits_for_machine) return preflightAgain(txn, lane, kPreflightPause);
  if (const auto why = misfit(input, lane, machine, power); why)
    return failStep(txn, std::move(lane), "", why->error, "preflight", why->message);
  if (!input.rehearsal && !repositoryReady(txn, input, lane)) return;
  reserve(txn, input, std::move(lane), machine);
}

std::optional<Lanes::Misfit> Lanes::misfit(const RunInput& input, const Lane& lane, Machine machine, const Fitness& power) const {
  const auto because = [](std::string error, std::string why) {
    return Misfit{std::move(error), std::move(why) + "; nothing was touched"};
  };
  if (machine == Machine::gone) return because("Stillpoint.NoTarget", "the machine is terminated");
  if (!power.why.empty()) return because(power.error, power.why);
  if (machine != Machine::running && machine != Machine::stopped)
    return because("Stillpoint.NoTarget", "the machine neither runs nor is it stopped");
  if (input.rehearsal && machine == Machine::stopped)
    return because("Stillpoint.NoTarget", "the machine is stopped, and a rehearsal starts none");
  if (machine == Machine::running && needsAgent(input) && !ports_.targets.agentOnline(lane.instance))
    return because("Stillpoint.NoTarget", "the agent of the machine is not connected");
  return std::nullopt;
}

// What takes long takes no place. Whoever waits for it has all the patience left, but for the start window.
bool Lanes::waitsLong(store::Txn& txn, const RunInput& input, Lane& lane) {
  const bool maintained = !input.rehearsal && ports_.backups.repository(txn, input.vault, lane.instance) == RepositoryState::maintained;
  if (!maintained && !ledger_.paying(txn, lane.instance)) return false;
  lane.preflight_until = txn.now() + kLongPause + kPreflightPatience;
  lane.repository_until.reset();
  preflightAgain(txn, lane, kLongPause);
  ports_.backups.leavePlace(txn, lane.execution, lane.instance);
  return true;
}

// What is short, making a repository, is done in the order of places, so that a thousand new machines do not keep another waiting.
bool Lanes::repositoryReady(store::Txn& txn, const RunInput& input, Lane& lane) {
  const auto state = ports_.backups.repository(txn, input.vault, lane.instance);
  if (!ports_.backups.takePlace(txn, lane.execution, lane.instance)) {
    lane.waits = "place";
    saveLane(txn, lane);
    return false;
  }
  if (state == RepositoryState::ready) return true;
  if (!lane.repository_until) {
    lane.repository_until = txn.now() + kRepositoryPatience;
    ports_.backups.prepare(txn, input.vault, lane.instance);
  }
  if (state == RepositoryState::making || txn.now() < *lane.repository_until) {
    lane.preflight_until = txn.now() + kPreflightPatience;
    preflightAgain(txn, lane, kPreflightPause);
    return false;
  }
  failStep(txn, std::move(lane), "", "Stillpoint.BackupFailed", "preflight",
           fmt::format("the machine's repository in vault {} could not be made ready within {} s; nothing was touched", input.vault,
                       std::chrono::seconds(kRepositoryPatience).count()));
  return false;
}

void Lanes::reserve(store::Txn& txn, const RunInput& input, Lane lane, Machine machine) {
  waitsNoMore(txn, lane);
  lane.reserved = true;
  lane.reserved_at = txn.now();
  lane.found_stopped = machine == Machine::stopped;
  if (lane.found_stopped && (input.pre || input.post || input.stop_start))
    lane.warnings.emplace_back(
        "the machine was found stopped: its scripts, stop and start were skipped, it was read offline and left stopped");
  if (input.pre && !input.post && !lane.found_stopped)
    lane.notes.emplace_back("there is no post-script: what the pre-script froze, it must wake itself");
  auto output = planOf(input, lane);
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
  const auto refused = [&](const std::string& why) {
    ledger_.withdraw(txn, lane, DebtKind::thaw);
    lane.pre = "Failed";
    failStep(txn, std::move(lane), request.token, "Stillpoint.PreScriptFailed", "pre", why);
  };
  json::Object order_freeze;
  order_freeze["id"] = freeze.id;
  order_freeze["phase"] = "freeze";
  order_freeze["attempt"] = freeze.attempt;
  ScriptOrder order{lane.instance,           *run.input->pre, holderOf(lane.execution),
                    "Stillpoint pre-script", std::nullopt,    {{"ATTEMPT", std::to_string(lane.attempt)}}};
  if (run.input->post) {
    ledger_.owe(txn, lane, DebtKind::thaw, freeze.id);
    const auto promised = ledger_.leases().promiseThaw(txn, lane, *run.input->post, freeze.id);
    if (!promised) return refused("its post-script could not be sent with it: " + promised.error().message);
    order.promise = *promised;
    order_freeze["lease"] = ledger_.leases().ofFreeze(run.input->stop_start);
  }
  order.freeze = std::move(order_freeze);
  const auto sent = ports_.scripts.send(txn, order);
  if (!sent) {
    ports_.scripts.forget(txn, order.promise);
    return refused("it could not be sent: " + sent.error().message);
  }
  failpoint::hit("flow.freeze_intent");
  lane.freeze = freeze;
  lane.promise = order.promise;
  lane.boot = ports_.targets.boot(txn, lane.instance);
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
  lane.guarded = end.guarded;
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
  const auto stopped = ports_.power.stop(txn, lane.instance, holderOf(lane.execution), ledger_.leases().length());
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
  // A copy of the state machine may wait before this step, or try it again: nothing keeps anybody from a start meanwhile.
  if (readStopped(lane) && ports_.power.state(txn, lane.instance) != Machine::stopped) {
    lane.backup = "FAILED";
    return failStep(txn, std::move(lane), request.token, "Stillpoint.BackupFailed", "backup",
                    "the machine was stopped for its backup and is not stopped any more: somebody has started it; nothing was read");
  }
  if (!lane.woken_by.empty() && !readStopped(lane)) {
    lane.backup = "FAILED";
    // Its command may still run.
    const bool rebooted = !lane.boot.empty() && ports_.targets.boot(txn, lane.instance) != lane.boot;
    const auto why = !lane.woken_why.empty() ? ": " + lane.woken_why : rebooted ? ": the machine was rebooted" : "";
    const auto said = fmt::format("the machine woke itself before it could be read (command {}){}; nothing was read", lane.woken_by, why);
    return failStep(txn, std::move(lane), request.token, "Stillpoint.BackupFailed", "backup", said);
  }
  saveLane(txn, lane);
  if (owesPost(run, lane)) ledger_.owe(txn, lane, DebtKind::post);
  const auto job = ports_.backups.start(txn, orderOf(*run.input, lane));
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
  // Start and post-script need none.
  ports_.backups.leavePlace(txn, ref->execution, ref->instance);
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
  // Its machine has run it.
  if (!lane.woken_by.empty() && lane.post == "Success") {
    const auto command = lane.post_command;
    return succeed(txn, std::move(lane), request.token, {{"Status", "Success"}, {"CommandId", command}});
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
    waitsNoMore(txn, lane);
    saveLane(txn, lane);
    failpoint::hit("flow.lane_over");
    if (!lane.job_open) ports_.backups.leavePlace(txn, execution, instance);
    ledger_.laneOver(txn, execution, instance);
  }
  if (auto now = loadLane(txn, execution, instance))
    succeed(txn, std::move(*now), request.token, {{"Failed", static_cast<bool>(now->failure)}});
}

}  // namespace sp::services::stillpoint
