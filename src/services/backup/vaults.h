// Vaults and the machines' repositories in them: made in the background, given their keys, cleared of what was deleted.
// Core thread only.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/vault_port.h"
#include "services/backup/grants.h"
#include "services/backup/records.h"
#include "services/context.h"

namespace sp::services::backup {

class Vaults {
 public:
  /// Registers its timer: before the core starts. All given outlive it.
  Vaults(Context& context, runtime::VaultKeeper& keeper, Grants& grants);
  Vaults(const Vaults&) = delete;
  Vaults& operator=(const Vaults&) = delete;

  std::optional<Vault> find(store::Txn& txn, std::string_view name) const;
  /// By name, after `after`.
  std::vector<Vault> list(store::Txn& txn, std::string_view after, std::size_t limit) const;
  void save(store::Txn& txn, const Vault& vault) const;
  /// Adds a vault; the first one makes the log tell the administrator to keep the keys.
  void create(store::Txn& txn, const Vault& vault) const;
  /// With its repositories' records; the folder goes after the commit. Only when nothing in it is wanted.
  void erase(store::Txn& txn, const std::string& name);
  void countPoints(store::Txn& txn, std::string_view vault, std::int64_t change) const;

  std::optional<Repository> repository(store::Txn& txn, std::string_view vault, std::string_view instance) const;
  /// The same, made if it is not there yet or could not be made the last time.
  Repository ensure(store::Txn& txn, const std::string& vault, const std::string& instance);
  /// All of one vault ("": of all), ordered by vault and machine.
  std::vector<Repository> repositories(store::Txn& txn, std::string_view vault) const;
  std::string pathOf(const Repository& repository) const { return keeper_.pathOf(repository.vault, repository.name); }

  /// Forgets a snapshot and frees its space as soon as nobody uses the repository. `point` is told to onForgotten.
  void forget(store::Txn& txn, const std::string& vault, const std::string& instance, const std::string& snapshot,
              const std::string& point);
  /// Gives back what broken-off uploads left in the repository, as soon as nobody uses it.
  void dropLeftovers(store::Txn& txn, const std::string& vault, const std::string& instance);
  /// Begins what is to be forgotten there, if nobody uses it now.
  void maintain(store::Txn& txn, const std::string& vault, const std::string& instance);

  using Changed = std::function<void(store::Txn&, const Repository&)>;
  /// A repository became usable again, or cannot be made.
  void onChanged(Changed listener) { changed_.push_back(std::move(listener)); }
  /// The snapshot of that recovery point is gone.
  void onForgotten(std::function<void(store::Txn&, const std::string& point)> listener) { forgotten_ = std::move(listener); }

  void recover(store::Txn& txn);

 private:
  void saveRepository(store::Txn& txn, const Repository& repository) const;
  void beginCreate(store::Txn& txn, const Repository& repository);
  void created(store::Txn& txn, const std::string& vault, const std::string& name, const Result<void>& result);
  void maintained(store::Txn& txn, const std::string& vault, const std::string& name, const std::vector<std::string>& snapshots,
                  const Result<void>& result);

  Context& context_;
  runtime::VaultKeeper& keeper_;
  Grants& grants_;
  std::vector<Changed> changed_;
  std::function<void(store::Txn&, const std::string&)> forgotten_;
};

}  // namespace sp::services::backup
