#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeBackupVault.html
aws::Outcome describeBackupVault(Service& service, const aws::Call& call) {
  const auto vault = namedVault(service, call);
  if (!vault) return std::unexpected(vault.error());
  return vaultShape(*vault, call.realm);
}

}  // namespace sp::services::backup
