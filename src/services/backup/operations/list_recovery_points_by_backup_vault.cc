#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html
aws::Outcome listRecoveryPointsByBackupVault(Service& service, const aws::Call& call) {
  const auto vault = namedVault(service, call);
  if (!vault) return std::unexpected(vault.error());
  const auto page = pageAsk(call, "ListRecoveryPointsByBackupVault");
  if (!page) return std::unexpected(page.error());
  const auto before = timeFilter(call.input, "ByCreatedBefore");
  if (!before) return std::unexpected(before.error());
  const auto after = timeFilter(call.input, "ByCreatedAfter");
  if (!after) return std::unexpected(after.error());
  const auto resource = json::textOr(call.input, "ByResourceArn");
  const auto type = json::textOr(call.input, "ByResourceType");
  const auto plan = json::textOr(call.input, "ByBackupPlanId");
  // Parents do not exist: whoever asks for one's points finds none.
  const bool none = !json::textOr(call.input, "ByParentRecoveryPointArn").empty();
  const auto wanted = [&](const RecoveryPoint& point) {
    if (none) return false;
    if (!plan.empty() && (!point.created_by.contains("BackupPlanId") || point.created_by.at("BackupPlanId") != plan)) return false;
    return type.empty() || type == "EC2";
  };
  const auto listed = pointsOfResource(service, call, vault->name, resource, listAsk(*page, *after, *before), wanted);
  return pageOf("RecoveryPoints", listed, *page, [&](const RecoveryPoint& point) { return pointShape(point, call.realm, service.points); });
}

}  // namespace sp::services::backup
