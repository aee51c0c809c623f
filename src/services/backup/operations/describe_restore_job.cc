#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRestoreJob.html
aws::Outcome describeRestoreJob(Service& service, const aws::Call& call) {
  const auto id = requiredText(call.input, "RestoreJobId");
  if (!id) return std::unexpected(id.error());
  const auto job = service.restores.find(*call.txn, *id);
  if (!job) return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Restore job {} does not exist.", *id)));
  return restoreShape(*job, call.realm, service.points);
}

}  // namespace sp::services::backup
