#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeBackupJob.html
aws::Outcome describeBackupJob(Service& service, const aws::Call& call) {
  const auto id = requiredText(call.input, "BackupJobId");
  if (!id) return std::unexpected(id.error());
  const auto job = service.jobs.find(*call.txn, *id);
  if (!job) return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Backup job {} does not exist.", *id)));
  return jobShape(*job, call.realm, service.points);
}

}  // namespace sp::services::backup
