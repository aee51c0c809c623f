#include "services/news/news.h"

#include <fmt/format.h>

#include "runtime/description.h"
#include "services/backup/recovery_points.h"
#include "services/backup/restores.h"
#include "services/backup/vaults.h"
#include "services/events/chains.h"

namespace sp::services::news {
namespace {

using events::Chains;

/// The execution that holds the machine in whose name something is done; empty: none ("run:ARN" names one).
std::string_view executionOf(std::string_view holder) { return holder.starts_with("run:") ? holder.substr(4) : std::string_view(); }

std::string commandKey(std::string_view id) { return fmt::format("command/{}", id); }
std::string jobKey(std::string_view id) { return fmt::format("job/{}", id); }
std::string restoreKey(std::string_view id) { return fmt::format("restore/{}", id); }

bool passes(InstanceState state) {
  return state == InstanceState::pending || state == InstanceState::stopping || state == InstanceState::shuttingDown;
}

bool isOwed(const quiesce::Debt& debt) { return debt.state == quiesce::DebtState::open || debt.state == quiesce::DebtState::suspended; }

std::optional<std::string> textOf(const json::Object& object, std::string_view key) {
  const auto* value = json::find(object, key);
  return value != nullptr && value->is_string() ? std::optional(json::toStd(value->get_string())) : std::nullopt;
}

}  // namespace

News::News(Context& context, events::Events& events, runtime::ExecutionRuntime& executions, ec2::Instances& instances,
           ssm::Commands& commands, backup::Backup& backup, stillpoint::Ledger& ledger, stillpoint::Lanes& lanes)
    : context_(context), events_(events), executions_(executions), commands_(commands), backup_(backup) {
  instances.watch({{}, [this](store::Txn& txn, const Instance* before, const Instance& now) { instanceChanged(txn, before, now); }});
  commands.onCreated([this](store::Txn& txn, const ssm::Command& command) { commandMade(txn, command); });
  commands.onCommandEnded([](store::Txn& txn, const ssm::Command& command) { Chains::forget(txn, commandKey(command.id)); });
  commands.watch(Watch<ssm::Command>{
      [this](store::Txn& txn) { return events_.wanted(txn, kSsm, kCommandChange); },
      [this](store::Txn& txn, const ssm::Command* before, const ssm::Command& now) { commandChanged(txn, before, now); }});
  commands.watch(Watch<ssm::Invocation>{
      [this](store::Txn& txn) { return events_.wanted(txn, kSsm, kInvocationChange); },
      [this](store::Txn& txn, const ssm::Invocation* before, const ssm::Invocation& now) { invocationChanged(txn, before, now); }});
  backup.jobs().watch({{}, [this](store::Txn& txn, const backup::Job* before, const backup::Job& now) { jobChanged(txn, before, now); }});
  backup.restores().watch(
      {{}, [this](store::Txn& txn, const backup::RestoreJob* before, const backup::RestoreJob& now) { restoreChanged(txn, before, now); }});
  backup.recoveryPoints().watch({{}, [this](store::Txn& txn, const backup::RecoveryPoint* before, const backup::RecoveryPoint& now) {
                                   pointChanged(txn, before, now);
                                 }});
  backup.vaults().onExistence([this](store::Txn& txn, const std::string& vault, bool there) {
    if (events_.wanted(txn, kBackup, kVaultChange))
      tell(txn, vaultChange(vault, there ? "CREATED" : "DELETED", context_.realm), events_.chains().now(txn));
  });
  backup.plans().onChanged(
      [this](store::Txn& txn, const backup::Plan& plan, backup::PlanChange change) { planChanged(txn, plan, change); });
  lanes.onSkipped(
      [this](store::Txn& txn, const stillpoint::Lane& lane, const stillpoint::Lanes::Skip& skip) { laneSkipped(txn, lane, skip); });
  ledger.onWritten([this](store::Txn& txn, const quiesce::Debt* before, const quiesce::Debt& now, bool failed) {
    debtWritten(txn, before, now, failed);
  });
}

void News::attach() {
  executions_.onBegin([this](store::Txn& txn, const store::ExecutionRow& row) { executionBegan(txn, row); });
  executions_.onEnd([this](store::Txn& txn, const store::ExecutionRow& row) { executionEnded(txn, row); });
}

void News::tell(store::Txn& txn, Told told, const events::Chain& chain) {
  events_.tell(txn, told.source, told.type, told.resources, std::move(told.detail), chain);
}

void News::executionBegan(store::Txn& txn, const store::ExecutionRow& row) {
  if (events_.chains().now(txn).hops > 0) events_.chains().inherit(txn, row.arn);
  tellExecution(txn, row, "RUNNING");
}

void News::executionEnded(store::Txn& txn, const store::ExecutionRow& row) { tellExecution(txn, row, row.status); }

void News::tellExecution(store::Txn& txn, const store::ExecutionRow& row, std::string_view status) {
  if (!events_.wanted(txn, kStates, kExecutionChange)) return;
  const auto description = runtime::descriptionOf(row);
  ExecutionView view{row.arn, row.machine_arn, row.name, std::string(status), row.started, {}, {}, {}, {}, {}, 0, {}, false, {}};
  view.input = runtime::documentOf(txn, row, description, "input");
  view.redrives = json::intOr(description, "redriveCount", 0);
  if (const auto at = json::intOr(description, "redriven", 0); at > 0) view.redriven = fromMicros(at);
  if (status == "RUNNING") {
    view.redrive_reason = "Execution is RUNNING and cannot be redriven";
  } else {
    view.stopped = row.stopped;
    view.output = runtime::documentOf(txn, row, description, "output");
    view.error = textOf(description, "error");
    view.cause = textOf(description, "cause");
    auto [possible, reason] = executions_.redrivable(txn, row);
    view.redrivable = possible;
    view.redrive_reason = std::move(reason);
  }
  tell(txn, executionChange(view), Chains::of(txn, row.arn));
}

void News::instanceChanged(store::Txn& txn, const Instance* before, const Instance& now) {
  if (before != nullptr && before->state == now.state) return;
  const auto key = fmt::format("instance/{}", now.id);
  const auto chain = events_.chains().inherit(txn, key, executionOf(now.power_by));
  if (events_.wanted(txn, kEc2, kInstanceChange)) tell(txn, instanceChange(now, context_.realm), chain);
  // The change is over, and with it what it was asked for.
  if (chain.hops > 0 && !passes(now.state)) Chains::forget(txn, key);
}

void News::commandMade(store::Txn& txn, const ssm::Command& command) {
  events_.chains().inherit(txn, commandKey(command.id), executionOf(command.by));
}

void News::commandChanged(store::Txn& txn, const ssm::Command* before, const ssm::Command& now) {
  if (before == nullptr || before->status == now.status) return;
  tell(txn, commandChange(now, commands_.targetsOf(txn, now.id), context_.realm), Chains::of(txn, commandKey(now.id)));
}

void News::invocationChanged(store::Txn& txn, const ssm::Invocation* before, const ssm::Invocation& now) {
  if (before == nullptr || before->status == now.status) return;
  tell(txn, invocationChange(now, context_.realm), Chains::of(txn, commandKey(now.command_id)));
}

void News::jobChanged(store::Txn& txn, const backup::Job* before, const backup::Job& now) {
  const auto key = jobKey(now.id);
  if (before == nullptr) events_.chains().inherit(txn, key, executionOf(now.by));
  else if (before->state == now.state) return;
  if (events_.wanted(txn, kBackup, kJobChange)) tell(txn, jobChange(now, context_.realm), Chains::of(txn, key));
  if (backup::isFinal(now.state)) Chains::forget(txn, key);
}

void News::restoreChanged(store::Txn& txn, const backup::RestoreJob* before, const backup::RestoreJob& now) {
  const auto key = restoreKey(now.id);
  if (before == nullptr) events_.chains().inherit(txn, key);
  else if (before->status == now.status) return;
  if (events_.wanted(txn, kBackup, kRestoreChange))
    tell(txn, restoreChange(now, backup_.recoveryPoints().find(txn, now.recovery_point), context_.realm), Chains::of(txn, key));
  if (backup::isFinal(now.status)) Chains::forget(txn, key);
}

void News::pointChanged(store::Txn& txn, const backup::RecoveryPoint* before, const backup::RecoveryPoint& now) {
  if (before != nullptr && before->status == now.status) return;
  if (!events_.wanted(txn, kBackup, kPointChange)) return;
  // It is written before its job's end.
  tell(txn, pointChange(now, context_.realm), events::furthest(events_.chains().now(txn), Chains::of(txn, jobKey(now.job))));
}

void News::planChanged(store::Txn& txn, const backup::Plan& plan, backup::PlanChange change) {
  using backup::PlanChange;
  if (!events_.wanted(txn, kBackup, kPlanChange)) return;
  const auto* const state = change == PlanChange::created ? "CREATED" : change == PlanChange::deleted ? "DELETED" : "MODIFIED";
  std::optional<bool> paused;
  if (change == PlanChange::paused || change == PlanChange::resumed) paused = change == PlanChange::paused;
  tell(txn, planChange(plan.id, plan.version, state, txn.now(), paused, context_.realm), events_.chains().now(txn));
}

void News::laneSkipped(store::Txn& txn, const stillpoint::Lane& lane, const stillpoint::Lanes::Skip& skip) {
  if (!events_.wanted(txn, kRuns, kMachineSkipped)) return;
  tell(txn, machineSkipped({lane.execution, lane.instance, skip.minutes, skip.held_by, lane.failure.message, lane.job}, context_.realm),
       Chains::of(txn, lane.execution));
}

void News::debtWritten(store::Txn& txn, const quiesce::Debt* before, const quiesce::Debt& now, bool failed) {
  const auto type = debtNews(before, now, failed);
  if (type.empty()) return;
  const auto key = fmt::format("debt/{}/{}/{}", now.execution, now.instance, toText(now.kind));
  const auto chain = events_.chains().inherit(txn, key, now.execution);
  if (events_.wanted(txn, kDebts, type)) tell(txn, debtChange(type, now, context_.realm), chain);
  if (chain.hops > 0 && !isOwed(now)) Chains::forget(txn, key);
}

}  // namespace sp::services::news
