#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupVaults.html
aws::Outcome listBackupVaults(Service& service, const aws::Call& call) {
  const auto page = pageAsk(call, "ListBackupVaults");
  if (!page) return std::unexpected(page.error());
  std::vector<std::pair<std::string, Vault>> entries;
  for (auto& vault : service.vaults.list(*call.txn, page->after, page->limit + 1)) {
    auto key = vault.name;
    entries.emplace_back(std::move(key), std::move(vault));
  }
  return pageOf("BackupVaultList", std::move(entries), *page, [&](const Vault& vault) { return vaultShape(vault, call.realm); });
}

}  // namespace sp::services::backup
