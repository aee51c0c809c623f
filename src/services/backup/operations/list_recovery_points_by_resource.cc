#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByResource.html
aws::Outcome listRecoveryPointsByResource(Service& service, const aws::Call& call) {
  const auto resource = requiredText(call.input, "ResourceArn");
  if (!resource) return std::unexpected(resource.error());
  if (!Arn::parse(*resource)) return std::unexpected(badValue("ResourceArn", *resource, "an ARN"));
  const auto page = pageAsk(call, "ListRecoveryPointsByResource");
  if (!page) return std::unexpected(page.error());
  const auto listed = pointsOfResource(service, call, "", *resource, listAsk(*page, {}, {}), [](const RecoveryPoint&) { return true; });
  return pageOf("RecoveryPoints", listed, *page, [&](const RecoveryPoint& point) {
    json::Object out{{"RecoveryPointArn", service.points.arn(point.id)},
                     {"CreationDate", toEpochSeconds(point.created)},
                     {"Status", point.status},
                     {"BackupSizeBytes", point.size},
                     {"BackupVaultName", point.vault},
                     {"ResourceName", point.instance},
                     {"VaultType", "BACKUP_VAULT"},
                     {"IsParent", false}};
    if (const auto message = statusMessage(point); !message.empty()) out["StatusMessage"] = message;
    return out;
  });
}

}  // namespace sp::services::backup
