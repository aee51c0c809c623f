#include "services/stillpoint/ledger.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"

namespace sp::services::stillpoint {
namespace {

using quiesce::Debt;
using quiesce::DebtKind;
using quiesce::DebtState;
using quiesce::Move;

constexpr std::string_view kTimer = "stillpoint.debt";
// While an open debt waits for an event, look all the same: an event that never comes must not leave a machine stopped.
constexpr auto kWatch = std::chrono::seconds(30);
// How long a job that was asked to stop may keep its machine from being started.
constexpr auto kJobGrace = std::chrono::seconds(60);
constexpr int kMovesAtOnce = 8;

bool isOpen(const Debt& debt) { return debt.state == DebtState::open; }
bool isOwed(const Debt& debt) { return debt.state == DebtState::open || debt.state == DebtState::suspended; }

bool owesStart(const std::vector<Debt>& debts) {
  return std::ranges::any_of(debts, [](const Debt& debt) { return debt.kind == DebtKind::start && isOwed(debt); });
}

// A post-script without a freeze is sent once: only a command that surely never ran may be sent again.
bool surelyNotRun(const ScriptEnd& end) { return end.never_ran || (end.details == "DeliveryTimedOut" && !end.may_have_run); }

}  // namespace

void putLaneRef(store::Txn& txn, const std::string& subject, const LaneRef& ref) {
  json::Object body;
  body["execution"] = ref.execution;
  body["instance"] = ref.instance;
  body["role"] = ref.role;
  txn.records().put("lane_of", subject, json::toText(body));
}

std::optional<LaneRef> findLaneRef(store::Txn& txn, std::string_view subject) {
  const auto body = txn.records().get("lane_of", subject);
  if (!body) return std::nullopt;
  const auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& object = parsed->get_object();
  return LaneRef{json::textOr(object, "execution"), json::textOr(object, "instance"), json::textOr(object, "role")};
}

void dropLaneRef(store::Txn& txn, std::string_view subject) { txn.records().erase("lane_of", subject); }

Ledger::Ledger(runtime::Core& core, runtime::MachineLock& locks, const Ports& ports) : locks_(locks), ports_(ports), leases_(core, ports) {
  core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) {
    const auto separator = timer.id.rfind('#');
    work(txn, timer.id.substr(0, separator), timer.id.substr(separator + 1));
  });
  // Not only what is owed while the server looks on: a machine that waits must not wait for a time that a wrong clock had shown.
  core.onDatesSet([this](store::Txn& txn, Duration by) { clockSet(txn, by); });
}

void Ledger::owe(store::Txn& txn, const Lane& lane, DebtKind kind, const std::string& freeze_id) {
  if (const auto known = loadDebt(txn, lane.execution, lane.instance, kind); known && isOwed(*known)) return;
  Debt debt;
  debt.kind = kind;
  debt.instance = lane.instance;
  debt.execution = lane.execution;
  debt.freeze_id = freeze_id;
  debt.since = txn.now();
  debt.not_before = txn.now();
  save(txn, debt);
  leases_.begin(txn, lane.execution, lane.instance, kind);
}

void Ledger::withdraw(store::Txn& txn, const Lane& lane, DebtKind kind) {
  if (auto debt = loadDebt(txn, lane.execution, lane.instance, kind); debt && isOwed(*debt))
    settle(txn, std::move(*debt), DebtState::voided, "nothing was sent");
}

Answer<std::string> Ledger::sendPayment(store::Txn& txn, Debt debt) {
  const auto run = loadRun(txn, debt.execution);
  auto lane = loadLane(txn, debt.execution, debt.instance);
  if (!run || !run->input || !run->input->post || !lane)
    return aws::refuse("InternalFailure", "the run of this debt has no post-script", 500);
  const int attempt = debt.attempts + 1;
  ScriptOrder order{debt.instance, *run->input->post, holderOf(debt.execution), "Stillpoint post-script", std::nullopt, {}};
  if (debt.kind == DebtKind::thaw) {
    json::Object freeze;
    freeze["id"] = debt.freeze_id;
    freeze["phase"] = "thaw";
    freeze["attempt"] = attempt;
    order.freeze = std::move(freeze);
  }
  order.environment["PRE_STATUS"] = lane->pre.empty() ? "skipped" : lane->pre;
  order.environment["BACKUP_STATUS"] = lane->backup.empty() ? "skipped" : lane->backup;
  order.environment["JOB_ID"] = lane->job;
  order.environment["RECOVERY_POINT"] = lane->recovery_point;
  order.environment["ATTEMPT"] = std::to_string(attempt);
  auto sent = ports_.scripts.send(txn, order);
  if (!sent) return sent;
  debt.attempts = attempt;
  debt.command = *sent;
  save(txn, debt);
  lane->post_command = *sent;
  saveLane(txn, *lane);
  putLaneRef(txn, "cmd/" + *sent, {debt.execution, debt.instance, std::string(toText(debt.kind))});
  failpoint::hit("flow.thaw_sent");
  return sent;
}

void Ledger::laneOver(store::Txn& txn, const std::string& execution, const std::string& instance) { work(txn, execution, instance); }

void Ledger::work(store::Txn& txn, const std::string& execution, const std::string& instance) {
  for (int moves = 0; moves < kMovesAtOnce; ++moves) {
    const auto lane = loadLane(txn, execution, instance);
    if (!lane) return;
    const auto debts = debtsOfLane(txn, execution, instance);
    const bool start_owed = owesStart(debts);
    const bool acted = std::ranges::any_of(debts, [&](const Debt& debt) { return act(txn, *lane, debt, start_owed); });
    if (!acted) break;
  }
  arrange(txn, execution, instance);
}

// Whoever holds the machine but only waits, for a place perhaps and for hours, has touched nothing: what is owed comes first.
quiesce::Scene Ledger::sceneOf(store::Txn& txn, const Lane& lane, bool start_owed) const {
  quiesce::Scene scene;
  scene.machine = ports_.power.state(txn, lane.instance);
  scene.lane_over = lane.over;
  scene.lock_held = holds(txn, lane.execution, lane.instance) || locks_.idle(txn, lane.instance);
  scene.job_open = lane.job_open && lane.over_at && txn.now() < *lane.over_at + kJobGrace;
  scene.start_owed = start_owed;
  scene.now = txn.now();
  return scene;
}

bool Ledger::paying(store::Txn& txn, const std::string& instance) const {
  for (const auto& debt : owed(txn, instance)) {
    if (!isOpen(debt)) continue;
    const auto lane = loadLane(txn, debt.execution, instance);
    if (!lane || !lane->over) continue;
    auto scene = sceneOf(txn, *lane, owesStart(debtsOfLane(txn, debt.execution, instance)));
    if (!debt.command.empty() || (debt.kind == DebtKind::start && scene.machine == quiesce::Machine::pending)) return true;
    scene.lock_held = true;
    const auto move = quiesce::nextMove(debt, scene);
    if (move == Move::startMachine || move == Move::sendScript) return true;
  }
  return false;
}

// True if something changed that may allow a further move at once.
bool Ledger::act(store::Txn& txn, const Lane& lane, Debt debt, bool start_owed) {
  const auto move = quiesce::nextMove(debt, sceneOf(txn, lane, start_owed));
  // In line all the same, if it is let in while another waits: nobody comes in between.
  if (move == Move::startMachine || move == Move::sendScript) locks_.acquire(txn, lane.instance, holderOf(lane.execution));
  switch (move) {
    case Move::wait: return false;
    case Move::confirm: settle(txn, std::move(debt), DebtState::paid, "the machine runs"); return true;
    case Move::giveUp: settle(txn, std::move(debt), DebtState::voided, "the machine is gone"); return true;
    case Move::takeLock: locks_.acquire(txn, lane.instance, holderOf(lane.execution)); return holds(txn, lane.execution, lane.instance);
    case Move::startMachine: startMachine(txn, std::move(debt)); return true;
    case Move::sendScript:
      if (const auto sent = sendPayment(txn, debt); !sent) {
        // No attempt for the agent, but the next pause grows all the same.
        ++debt.attempts;
        tryLater(txn, std::move(debt), sent.error().message);
      }
      return true;
  }
  return false;
}

void Ledger::startMachine(store::Txn& txn, Debt debt) {
  failpoint::hit("flow.payer_start");
  const auto started = ports_.power.start(txn, debt.instance, holderOf(debt.execution));
  ++debt.attempts;
  if (!started) {
    tryLater(txn, std::move(debt), started.error().message);
    return;
  }
  debt.not_before = txn.now() + quiesce::backoff(debt.attempts);
  save(txn, debt);
}

void Ledger::tryLater(store::Txn& txn, Debt debt, const std::string& error) {
  debt.command.clear();
  debt.last_error = error;
  debt.not_before = txn.now() + quiesce::backoff(debt.attempts);
  save(txn, debt, true);
  log::warn("a payment failed and will be tried again", {{"debt", toText(debt.kind)},
                                                         {"instance", debt.instance},
                                                         {"execution", debt.execution},
                                                         {"attempts", debt.attempts},
                                                         {"error", error}});
  tellChanged(txn, debt.execution);
}

void Ledger::settle(store::Txn& txn, Debt debt, DebtState state, const std::string& by) {
  debt.state = state;
  debt.by = by;
  debt.command.clear();
  debt.settled = txn.now();
  save(txn, debt);
  auto lane = loadLane(txn, debt.execution, debt.instance);
  // However it ended: it may have come up by itself.
  if (debt.kind == DebtKind::start) leases_.startOver(txn, debt.instance);
  if (lane && debt.kind == DebtKind::thaw && !lane->promise.empty()) {
    ports_.scripts.forget(txn, std::exchange(lane->promise, ""));
    saveLane(txn, *lane);
  }
  if (lane && state == DebtState::paid) {
    if (debt.kind == DebtKind::start) {
      lane->start = "running";
      lane->started_at = txn.now();
    } else {
      lane->post = "Success";
      lane->thawed_at = txn.now();
      if (lane->freeze) lane->freeze->state = quiesce::Freeze::State::thawed;
    }
    saveLane(txn, *lane);
  }
  tellChanged(txn, debt.execution);
}

// The next try comes as soon as it would have.
void Ledger::clockSet(store::Txn& txn, Duration by) {
  for (auto debt : owed(txn, "")) {
    debt.not_before += by;
    saveDebt(txn, debt);
    txn.timers().set({std::string(kTimer), laneKey(debt.execution, debt.instance), txn.now(), ""});
  }
}

void Ledger::powerSettled(store::Txn& txn, const std::string& instance, const std::string& error) {
  for (auto& debt : owed(txn, instance)) {
    const auto execution = debt.execution;
    // Its holder may have heard of the stop after it had heard that nothing is owed.
    if (debt.kind == DebtKind::start && debt.state == DebtState::suspended) leases_.startOver(txn, instance);
    if (!error.empty() && debt.kind == DebtKind::start && isOpen(debt)) {
      const auto lane = loadLane(txn, execution, instance);
      if (lane && lane->over) tryLater(txn, std::move(debt), error);
    }
    work(txn, execution, instance);
  }
}

void Ledger::commandEnded(store::Txn& txn, const std::string& execution, const ScriptEnd& end) {
  for (auto& debt : debtsOfLane(txn, execution, end.instance)) {
    if (debt.command != end.command) continue;
    if (!isOwed(debt)) continue;
    if (end.status == "Success") {
      settle(txn, std::move(debt), DebtState::paid, "command " + end.command);
      continue;
    }
    if (auto lane = loadLane(txn, execution, end.instance)) {
      lane->post = end.status;
      saveLane(txn, *lane);
    }
    const auto why = end.message.empty() ? "the post-script ended as " + end.details : end.message;
    if (debt.kind == DebtKind::thaw || surelyNotRun(end)) tryLater(txn, std::move(debt), why);
    else
      settle(
          txn, std::move(debt), DebtState::voided,
          fmt::format("it {} and ended as {} (command {})", end.may_have_run ? "may have run once" : "ran once", end.status, end.command));
  }
  work(txn, execution, end.instance);
}

// Whatever pays beside it goes on: the agent lets one thaw at a time run, and answers with a success once there is one.
bool Ledger::guardEnded(store::Txn& txn, const std::string& execution, const ScriptEnd& end) {
  auto debt = loadDebt(txn, execution, end.instance, DebtKind::thaw);
  if (!debt || debt->freeze_id != end.freeze || !isOwed(*debt)) return false;
  const bool paid = end.status == "Success";
  if (paid) {
    settle(txn, std::move(*debt), DebtState::paid, "the machine's own guard, command " + end.command);
  } else {
    debt->last_error = fmt::format("the machine's own guard, command {}, ended as {}{}{}", end.command, end.details,
                                   end.message.empty() ? "" : ": ", end.message);
    save(txn, *debt, true);
    tellChanged(txn, execution);
  }
  work(txn, execution, end.instance);
  return paid;
}

void Ledger::personActed(store::Txn& txn, const std::string& instance, const std::string& action, const std::string& who) {
  if (action == "start") {
    payNow(txn, instance, who);
    return;
  }
  for (auto& debt : owed(txn, instance)) {
    const auto execution = debt.execution;
    if (action == "terminate") {
      settle(txn, std::move(debt), DebtState::voided, "terminated by " + who);
    } else if (action == "stop") {
      debt.state = DebtState::suspended;
      debt.by = "stopped by " + who;
      save(txn, debt);
      if (debt.kind == DebtKind::start) leases_.startOver(txn, instance);
      tellChanged(txn, execution);
    }
    arrange(txn, execution, instance);
  }
}

std::vector<Debt> Ledger::payNow(store::Txn& txn, const std::string& instance, const std::string& who) {
  std::vector<std::string> executions;
  for (auto& debt : owed(txn, instance)) {
    if (debt.state == DebtState::suspended) debt.by = "resumed by " + who;
    debt.state = DebtState::open;
    debt.not_before = txn.now();
    save(txn, debt);
    leases_.begin(txn, debt.execution, instance, debt.kind);
    if (std::ranges::find(executions, debt.execution) == executions.end()) executions.push_back(debt.execution);
  }
  for (const auto& execution : executions) work(txn, execution, instance);
  return owed(txn, instance);
}

bool Ledger::holds(store::Txn& txn, const std::string& execution, const std::string& instance) const {
  return locks_.holder(txn, instance) == holderOf(execution);
}

// The machine stays held while it is stopped by us, while a paying script is due or under way, and while the run's job or
// pre-script may still touch it. One that is stopped, and not by us, runs no script until somebody starts it. Between two attempts of a
// thaw alone it is free: a post-script that always fails must not keep tomorrow's backup waiting, and the next attempt queues for the
// machine like everyone.
void Ledger::arrange(store::Txn& txn, const std::string& execution, const std::string& instance) {
  const auto lane = loadLane(txn, execution, instance);
  if (!lane || !lane->over) return;
  const auto now = txn.now();
  const auto key = laneKey(execution, instance);
  const auto debts = debtsOfLane(txn, execution, instance);
  const bool can_run = owesStart(debts) || ports_.power.state(txn, instance) != quiesce::Machine::stopped;
  bool needs_machine = lane->job_open || lane->pre_running;
  std::optional<Instant> next;
  for (const auto& debt : debts) {
    if (!isOpen(debt)) continue;
    const bool due = can_run && debt.not_before <= now;
    needs_machine = needs_machine || debt.kind == DebtKind::start || !debt.command.empty() || due;
    const auto look = debt.not_before > now ? debt.not_before : now + kWatch;
    if (!next || look < *next) next = look;
  }
  if (!needs_machine) locks_.release(txn, instance, holderOf(execution));
  if (next) txn.timers().set({std::string(kTimer), key, *next, ""});
  else txn.timers().drop(kTimer, key);
}

void Ledger::save(store::Txn& txn, const Debt& debt, bool failed) const {
  const auto before = written_ ? loadDebt(txn, debt.execution, debt.instance, debt.kind) : std::nullopt;
  saveDebt(txn, debt);
  if (written_) written_(txn, before ? &*before : nullptr, debt, failed);
}

void Ledger::tellChanged(store::Txn& txn, const std::string& execution) const {
  if (changed_) changed_(txn, execution);
}

}  // namespace sp::services::stillpoint
