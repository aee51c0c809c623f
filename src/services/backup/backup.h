// AWS Backup's API over restic repositories: a vault holds one repository for each machine.
#pragma once
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "runtime/vault_port.h"
#include "services/backup/jobs.h"
#include "services/context.h"

namespace sp::services::backup {

class Restores;
class Quarantine;
class Places;
class Plans;

/// What plain restic needs for one machine's repository; `key` is a secret.
struct VaultKey {
  std::string vault;
  std::string instance;
  /// Folder of the repository (-r).
  std::string path;
  std::string key;
};

/// The service with all its parts. Made by the daemon before the core starts; outlives the listeners.
class Backup {
 public:
  Backup(Context& context, ec2::Instances& instances, runtime::VaultKeeper& keeper);
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;
  ~Backup();

  /// Signing name "backup", REST-JSON. Lives as long as this object.
  aws::ServiceTable makeBackup();
  Jobs& jobs();
  Vaults& vaults();
  RecoveryPoints& recoveryPoints();
  Restores& restores();
  Quarantine& quarantine();
  Plans& plans();
  Places& places();
  /// For the vault's HTTP route on the agents' port.
  runtime::VaultAccess& access();
  /// First job after every start, before anything listens: vault "Default", grants of open jobs, unfinished repositories.
  void recover(store::Txn& txn);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Keys of all repositories of a vault (empty: of all vaults), ordered by vault and machine. Unknown vault:
/// ResourceNotFoundException.
std::expected<std::vector<VaultKey>, aws::ApiError> exportVaultKeys(store::Txn& txn, Backup& backup, std::string_view vault);

}  // namespace sp::services::backup
