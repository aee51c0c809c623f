// Snapshots in a repository that no job made, or whose job nobody knows any more: written by hand with the exported key, or by a
// server whose records are lost. They are no recovery points, and nothing removes them but a person with restic: whoever made them may
// want them. Core thread only.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/backup/vaults.h"
#include "services/context.h"

namespace sp::services::backup {

class RecoveryPoints;

class Quarantine {
 public:
  /// All given outlive it.
  Quarantine(Context& context, runtime::VaultKeeper& keeper, Vaults& vaults, RecoveryPoints& points);
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;

  /// Looks through a repository, in the background; not while it is made or maintained.
  void look(store::Txn& txn, const std::string& vault, const std::string& instance);
  /// Whether that is under way.
  bool looking(std::string_view vault, std::string_view instance) const;
  /// What was found the last time, by id: in one repository, or in all of a vault if `instance` is empty. At most `limit`.
  std::vector<runtime::VaultSnapshot> found(store::Txn& txn, std::string_view vault, std::string_view instance, std::size_t limit) const;

 private:
  std::set<std::string> known(store::Txn& txn, const std::string& vault, const std::string& instance) const;
  void looked(store::Txn& txn, const std::string& vault, const std::string& instance,
              const Result<std::vector<runtime::VaultSnapshot>>& result) const;

  Context& context_;
  runtime::VaultKeeper& keeper_;
  Vaults& vaults_;
  RecoveryPoints& points_;
  std::set<std::string, std::less<>> looking_;
};

}  // namespace sp::services::backup
