#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {

// What StartRestoreJob takes as it is: the machine itself, in a folder of its own.
// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetRecoveryPointRestoreMetadata.html
aws::Outcome getRecoveryPointRestoreMetadata(Service& service, const aws::Call& call) {
  const auto point = namedPoint(service, call);
  if (!point) return std::unexpected(point.error());
  json::Array paths;
  for (const auto& path : point->paths) paths.emplace_back(path);
  const json::Object metadata{{"targetInstanceId", point->instance},
                              {"targetPath", fmt::format("/var/restore/{}", point->id)},
                              {"includePaths", json::toText(paths)},
                              {"inPlace", "false"}};
  return json::Object{{"BackupVaultArn", vaultArn(call.realm, point->vault)},
                      {"RecoveryPointArn", service.points.arn(point->id)},
                      {"RestoreMetadata", metadata},
                      {"ResourceType", "EC2"}};
}

}  // namespace sp::services::backup
