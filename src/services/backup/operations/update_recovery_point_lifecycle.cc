#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateRecoveryPointLifecycle.html
// A due point goes with the next daily look at lifecycles, not at once: a slip can be taken back.
aws::Outcome updateRecoveryPointLifecycle(Service& service, const aws::Call& call) {
  auto point = namedPoint(service, call);
  if (!point) return std::unexpected(point.error());
  const auto days = deleteAfterDays(call.input);
  if (!days) return std::unexpected(days.error());
  if (point->isGoing())
    return std::unexpected(apiError("InvalidRequestException",
                                    fmt::format("Recovery point {} is in status {} and is being removed: its lifecycle cannot be changed.",
                                                service.points.arn(point->id), point->status)));
  point->delete_after_days = *days;
  point->held.clear();
  service.points.save(*call.txn, *point);
  json::Object out{{"BackupVaultArn", vaultArn(call.realm, point->vault)}, {"RecoveryPointArn", service.points.arn(point->id)}};
  putLifecycle(out, *point);
  return out;
}

}  // namespace sp::services::backup
