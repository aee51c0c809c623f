#include "services/stillpoint/leases.h"

#include <algorithm>

namespace sp::services::stillpoint {
namespace {

using quiesce::DebtKind;
using quiesce::DebtState;

constexpr std::string_view kTimer = "stillpoint.lease";
// What a machine that boots with its freeze open gives the server to come.
constexpr std::chrono::milliseconds kBootWait = std::chrono::seconds(120);
// Twice it may be lost.
constexpr int kRenewals = 3;

/// Not one that the server has failed to pay: the machine tries as well, by what it holds. Nor one that a person has suspended by a stop: a
/// machine that boots is not to stay frozen.
bool holdsThaw(const quiesce::Debt& debt) {
  return debt.kind == DebtKind::thaw && debt.state == DebtState::open && debt.last_error.empty();
}

/// One that a person has suspended is not paid by anybody: nobody holds its start any more.
bool holdsStart(const quiesce::Debt& debt) { return debt.kind == DebtKind::start && debt.state == DebtState::open; }

}  // namespace

Leases::Leases(runtime::Core& core, const Ports& ports) : ports_(ports) {
  core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) {
    const auto separator = timer.id.rfind('#');
    renew(txn, timer.id.substr(0, separator), timer.id.substr(separator + 1));
  });
  // The machines count by a clock that nobody sets.
  core.onDatesSet([this](store::Txn& txn, Duration) { everything(txn); });
}

json::Object Leases::ofFreeze(bool stops) const {
  return {{"leaseMs", length_.count()}, {"bootMs", std::min(kBootWait, length_).count()}, {"stops", stops}};
}

Answer<std::string> Leases::promiseThaw(store::Txn& txn, const Lane& lane, const Script& post, const std::string& freeze_id) const {
  ScriptOrder order{lane.instance, post, holderOf(lane.execution), "Stillpoint post-script", std::nullopt, {}};
  order.freeze = json::Object{{"id", freeze_id}, {"phase", "thaw"}};
  order.environment = {{"PRE_STATUS", "unknown"}, {"BACKUP_STATUS", "unknown"}, {"JOB_ID", ""}, {"RECOVERY_POINT", ""}};
  return ports_.scripts.promise(txn, order);
}

void Leases::begin(store::Txn& txn, const std::string& execution, const std::string& instance, DebtKind kind) {
  if (kind == DebtKind::post) return;
  if (kind == DebtKind::start) holders(txn).insert(ports_.power.holder(txn, instance));
  txn.timers().set({std::string(kTimer), laneKey(execution, instance), txn.now() + length_ / kRenewals, ""});
}

void Leases::startOver(store::Txn& txn, const std::string& instance) const { ports_.power.renewStart(txn, instance, std::nullopt); }

void Leases::renew(store::Txn& txn, const std::string& execution, const std::string& instance) {
  const auto key = laneKey(execution, instance);
  const auto lane = loadLane(txn, execution, instance);
  bool any = false;
  for (const auto& debt : debtsOfLane(txn, execution, instance)) {
    if (!lane) break;
    // Till its end the pre-script has not said whether it is guarded.
    if (holdsThaw(debt) && (lane->guarded || lane->pre_running)) {
      ports_.targets.renewFreeze(txn, instance, debt.freeze_id, length_);
      any = true;
    } else if (holdsStart(debt)) {
      // A start that was ordered has ended what its holder keeps.
      const auto machine = ports_.power.state(txn, instance);
      if (machine == quiesce::Machine::stopping || machine == quiesce::Machine::stopped) ports_.power.renewStart(txn, instance, length_);
      any = true;
    }
  }
  if (any) txn.timers().set({std::string(kTimer), key, txn.now() + length_ / kRenewals, ""});
  else txn.timers().drop(kTimer, key);
}

void Leases::connected(store::Txn& txn, const std::string& agent) {
  for (const auto& debt : owed(txn, agent))
    if (debt.kind == DebtKind::thaw) renew(txn, debt.execution, agent);
  if (!holders(txn).contains(agent)) return;
  for (const auto& debt : owed(txn, "")) {
    if (debt.kind != DebtKind::start || ports_.power.holder(txn, debt.instance) != agent) continue;
    if (holdsStart(debt)) renew(txn, debt.execution, debt.instance);
    // It may not have heard that a person has stopped the machine for good.
    else startOver(txn, debt.instance);
  }
}

void Leases::everything(store::Txn& txn) const {
  for (const auto& debt : owed(txn, ""))
    if (debt.kind != DebtKind::post) txn.timers().set({std::string(kTimer), laneKey(debt.execution, debt.instance), txn.now(), ""});
}

std::set<std::string, std::less<>>& Leases::holders(store::Txn& txn) {
  if (!holders_) {
    holders_.emplace();
    for (const auto& debt : owed(txn, ""))
      if (debt.kind == DebtKind::start) holders_->insert(ports_.power.holder(txn, debt.instance));
  }
  return *holders_;
}

}  // namespace sp::services::stillpoint
