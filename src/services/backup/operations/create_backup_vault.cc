#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html
aws::Outcome createBackupVault(Service& service, const aws::Call& call) {
  const auto name = requiredText(call.input, "BackupVaultName");
  if (!name) return std::unexpected(name.error());
  if (auto refused = checkVaultName(*name)) return std::unexpected(std::move(*refused));
  auto tags = tagMap(call.input, "BackupVaultTags");
  if (!tags) return std::unexpected(tags.error());
  const auto request = json::textOr(call.input, "CreatorRequestId");
  const auto answer = [&](const Vault& vault) {
    return json::Object{{"BackupVaultName", vault.name},
                        {"BackupVaultArn", vaultArn(call.realm, vault.name)},
                        {"CreationDate", toEpochSeconds(vault.created)}};
  };
  if (const auto there = service.vaults.find(*call.txn, *name)) {
    if (!request.empty() && request == there->creator_request_id) return answer(*there);
    auto error = apiError("AlreadyExistsException", "Backup vault with the same name already exists");
    error.extra["Arn"] = vaultArn(call.realm, *name);
    error.extra["CreatorRequestId"] = there->creator_request_id;
    return std::unexpected(std::move(error));
  }
  const Vault vault{*name, call.txn->now(), request, json::textOr(call.input, "EncryptionKeyArn"), std::move(*tags), 0};
  service.vaults.create(*call.txn, vault);
  return answer(vault);
}

}  // namespace sp::services::backup
