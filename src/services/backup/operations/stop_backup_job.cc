#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StopBackupJob.html
aws::Outcome stopBackupJob(Service& service, const aws::Call& call) {
  const auto id = requiredText(call.input, "BackupJobId");
  if (!id) return std::unexpected(id.error());
  if (auto stopped = service.jobs.stop(*call.txn, *id); !stopped) return std::unexpected(stopped.error());
  return json::Object();
}

}  // namespace sp::services::backup
