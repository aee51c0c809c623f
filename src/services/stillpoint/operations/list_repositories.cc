// ListRepositories: docs/api/stillpoint.md.
#include "base/time_format.h"
#include "services/backup/quarantine.h"
#include "services/backup/shapes.h"
#include "services/backup/vaults.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::size_t kSnapshotsShown = 1000;

json::Array texts(const std::vector<std::string>& values) {
  json::Array out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

json::Object snapshotShape(const runtime::VaultSnapshot& snapshot) {
  json::Object out{{"SnapshotId", snapshot.id}};
  if (!snapshot.problem.empty()) {
    out["Problem"] = snapshot.problem;
    return out;
  }
  out["Time"] = snapshot.time;
  out["Host"] = snapshot.host;
  out["User"] = snapshot.user;
  out["Paths"] = texts(snapshot.paths);
  out["Tags"] = texts(snapshot.tags);
  return out;
}

json::Object shapeOf(store::Txn& txn, backup::Backup& backup, const backup::Repository& repository, bool look) {
  json::Object out{{"BackupVaultName", repository.vault},
                   {"InstanceId", repository.name},
                   {"Repository", backup.vaults().pathOf(repository)},
                   {"State", repository.state},
                   {"PendingDeletions", static_cast<std::int64_t>(backup.vaults().pending(txn, repository.vault, repository.name))},
                   {"Looking", (look && repository.state == "ready") || backup.quarantine().looking(repository.vault, repository.name)}};
  if (!repository.error.empty()) out["Error"] = repository.error;
  if (repository.maintained) out["MaintainedAt"] = toIso8601Millis(*repository.maintained);
  if (!repository.maintenance_error.empty()) out["MaintenanceError"] = repository.maintenance_error;
  if (repository.looked) out["LookedAt"] = toIso8601Millis(*repository.looked);
  if (!repository.look_error.empty()) out["LookError"] = repository.look_error;
  json::Array snapshots;
  for (const auto& snapshot : backup.quarantine().found(txn, repository.vault, repository.name, kSnapshotsShown))
    snapshots.emplace_back(snapshotShape(snapshot));
  out["Quarantined"] = std::move(snapshots);
  return out;
}

}  // namespace

aws::Operation listRepositories(backup::Backup& backup) {
  return {"ListRepositories",
          [&backup](const aws::Call& call) -> aws::Outcome {
            const auto vault = json::textOr(call.input, "BackupVaultName");
            if (!vault.empty() && !backup.vaults().find(*call.txn, vault)) return std::unexpected(backup::noVault(vault));
            const auto repositories = backup.vaults().repositories(*call.txn, vault);
            const bool look = json::boolOr(call.input, "Look", false);
            if (look)
              for (const auto& repository : repositories) backup.quarantine().look(*call.txn, repository.vault, repository.name);
            json::Array shapes;
            for (const auto& repository : repositories) shapes.emplace_back(shapeOf(*call.txn, backup, repository, look));
            return json::Object{{"Repositories", std::move(shapes)}};
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
