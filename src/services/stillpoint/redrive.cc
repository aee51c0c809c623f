// A run that did not succeed goes on with the machines that failed.
//
// A failed lane's freeze has been given up: its thaw was sent, by the lane or by the payer, and its agent refuses that
// freeze for ever. So no step of it may stand on what it did before: it begins again with the reservation, under a new
// freeze. Lanes that succeeded stay as they are.
#include <fmt/format.h>

#include "services/stillpoint/lanes.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kValidate = "arn:aws:states:::stillpoint:validateInput";

// What keeps this lane's machine from being touched anew; empty: nothing.
std::string hindrance(store::Txn& txn, const Lane& lane) {
  if (lane.pre_running) return fmt::format("The pre-script on {} was cancelled and has not ended yet: redrive when it has", lane.instance);
  if (lane.job_open) return fmt::format("The backup job {} of {} has not ended yet: redrive when it has", lane.job, lane.instance);
  for (const auto& debt : debtsOfLane(txn, lane.execution, lane.instance)) {
    if (debt.state != quiesce::DebtState::open && debt.state != quiesce::DebtState::suspended) continue;
    const bool start = debt.kind == quiesce::DebtKind::start;
    return fmt::format("{} is still owed {}: redrive when it is paid (stillpoint {} {} pays now)", lane.instance,
                       start ? "its start" : "its post-script", start ? "start" : "thaw", lane.instance);
  }
  return "";
}

}  // namespace

runtime::RedrivePlan Lanes::redrivePlan(store::Txn& txn, std::string_view execution) {
  const auto run = loadRun(txn, execution);
  if (!run) return {};
  bool any_failed = static_cast<bool>(run->failure);
  for (const auto& lane : loadLanes(txn, execution)) {
    if (auto why = hindrance(txn, lane); !why.empty()) return {std::move(why), ""};
    any_failed = any_failed || lane.failure;
  }
  return {"", any_failed ? std::string(kValidate) : ""};
}

void Lanes::redriven(store::Txn& txn, std::string_view execution) {
  const auto run = loadRun(txn, execution);
  if (!run) return;
  Finaliser::redriven(txn, run->execution);
  // What was refused before any lane began is validated anew, and its targets with it.
  if (run->failure) return;
  for (const auto& lane : loadLanes(txn, execution))
    if (lane.failure) renew(txn, lane);
}

void Lanes::renew(store::Txn& txn, const Lane& lane) {
  // A target that does not exist stays bad; one that was only away is tried.
  if (!lane.reserved) {
    const auto target = ports_.targets.find(txn, lane.instance);
    if (!target || target->terminated) return;
  }
  waitsNoMore(txn, lane);
  locks_.release(txn, lane.instance, holderOf(lane.execution));
  ports_.backups.leavePlace(txn, lane.execution, lane.instance);
  Lane again;
  again.execution = lane.execution;
  again.instance = lane.instance;
  again.index = lane.index;
  again.attempt = lane.attempt + 1;
  again.notes = lane.notes;
  auto note = fmt::format("attempt {} failed in {}: {}", lane.attempt, lane.failure.phase, lane.failure.message);
  if (!lane.recovery_point.empty()) note += fmt::format("; its recovery point {} stays", lane.recovery_point);
  again.notes.push_back(std::move(note));
  saveLane(txn, again);
}

}  // namespace sp::services::stillpoint
