// ExportVaultKeys: docs/api/stillpoint.md.
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {

aws::Operation exportVaultKeys(backup::Backup& backup) {
  return {"ExportVaultKeys",
          [&backup](const aws::Call& call) -> aws::Outcome {
            const auto exported = backup::exportVaultKeys(*call.txn, backup, json::textOr(call.input, "BackupVaultName"));
            if (!exported) return std::unexpected(exported.error());
            json::Array keys;
            for (const auto& key : *exported) {
              json::Object shape;
              shape["BackupVaultName"] = key.vault;
              shape["InstanceId"] = key.instance;
              shape["Repository"] = key.path;
              shape["Key"] = key.key;
              keys.emplace_back(std::move(shape));
            }
            json::Object out;
            out["Keys"] = std::move(keys);
            return out;
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
