// PauseBackupPlan and ResumeBackupPlan: what AWS Backup has no operations for. docs/api/stillpoint.md.
#include "base/time_format.h"
#include "services/backup/plans/plans.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {
namespace {

using Changed = std::expected<backup::Plan, aws::ApiError>;

template <class Change>
aws::Outcome changed(backup::Backup& backup, const aws::Call& call, const Change& change) {
  json::Reader reader(call.input);
  const auto id = reader.text("BackupPlanId");
  if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
  const Changed plan = change(*call.txn, id);
  if (!plan) return aws::refuse("ResourceNotFoundException", plan.error().message);
  json::Object out{{"BackupPlanId", plan->id},
                   {"BackupPlanArn", backup.plans().arn(plan->id)},
                   {"BackupPlanName", plan->document.name},
                   {"State", plan->paused ? "PAUSED" : "ENABLED"}};
  if (plan->paused) {
    out["PausedAt"] = toIso8601Millis(*plan->paused);
    out["PausedBy"] = plan->paused_by;
  }
  return out;
}

}  // namespace

aws::Operation pauseBackupPlan(backup::Backup& backup) {
  return {"PauseBackupPlan",
          [&backup](const aws::Call& call) {
            return changed(backup, call,
                           [&](store::Txn& txn, const std::string& id) { return backup.plans().pause(txn, id, call.principal.arn); });
          },
          {},
          false};
}

aws::Operation resumeBackupPlan(backup::Backup& backup) {
  return {"ResumeBackupPlan",
          [&backup](const aws::Call& call) {
            return changed(backup, call, [&](store::Txn& txn, const std::string& id) { return backup.plans().resume(txn, id); });
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
