// Tells on the default bus what becomes of executions, machines, commands, backups and debts: in the commit of each change, and only
// what some rule waits for. Core thread only.
#pragma once
#include <string>
#include <string_view>

#include "runtime/execution_runtime.h"
#include "services/backup/backup.h"
#include "services/backup/plans/plans.h"
#include "services/context.h"
#include "services/ec2/instances.h"
#include "services/events/events.h"
#include "services/news/shapes.h"
#include "services/ssm/commands.h"
#include "services/stillpoint/lanes.h"
#include "services/stillpoint/ledger.h"

namespace sp::services::news {

class News {
 public:
  /// Registers with all but executions: before the core starts. All outlive it.
  News(Context& context, events::Events& events, runtime::ExecutionRuntime& executions, ec2::Instances& instances, ssm::Commands& commands,
       backup::Backup& backup, stillpoint::Ledger& ledger, stillpoint::Lanes& lanes);
  News(const News&) = delete;
  News& operator=(const News&) = delete;
  /// Registers with executions: after what an execution's end changes is written, before events.attach(), which forgets its chain.
  void attach();

 private:
  void tell(store::Txn& txn, Told told, const events::Chain& chain);
  void executionBegan(store::Txn& txn, const store::ExecutionRow& row);
  void executionEnded(store::Txn& txn, const store::ExecutionRow& row);
  void tellExecution(store::Txn& txn, const store::ExecutionRow& row, std::string_view status);
  void instanceChanged(store::Txn& txn, const Instance* before, const Instance& now);
  void commandMade(store::Txn& txn, const ssm::Command& command);
  void commandChanged(store::Txn& txn, const ssm::Command* before, const ssm::Command& now);
  void invocationChanged(store::Txn& txn, const ssm::Invocation* before, const ssm::Invocation& now);
  void jobChanged(store::Txn& txn, const backup::Job* before, const backup::Job& now);
  void restoreChanged(store::Txn& txn, const backup::RestoreJob* before, const backup::RestoreJob& now);
  void pointChanged(store::Txn& txn, const backup::RecoveryPoint* before, const backup::RecoveryPoint& now);
  void planChanged(store::Txn& txn, const backup::Plan& plan, backup::PlanChange change);
  void laneSkipped(store::Txn& txn, const stillpoint::Lane& lane, const stillpoint::Lanes::Skip& skip);
  void debtWritten(store::Txn& txn, const quiesce::Debt* before, const quiesce::Debt& now, bool failed);

  Context& context_;
  events::Events& events_;
  runtime::ExecutionRuntime& executions_;
  ssm::Commands& commands_;
  backup::Backup& backup_;
};

}  // namespace sp::services::news
