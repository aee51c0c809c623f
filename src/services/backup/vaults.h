// Vaults and the machines' repositories in them: made in the background, given their keys, cleared of what was deleted.
// Core thread only.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
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
  /// With its repositories' records; the folder goes after the commit, and until it has gone no repository is made in a vault of that
  /// name. Only when nothing in it is wanted: if the folder has a snapshot that nobody knows by then, the vault is put back as it was.
  void erase(store::Txn& txn, const std::string& name);
  /// A snapshot in the vault's folder, "INSTANCE/ID", that is of no job ("": there is none). Only when it has no recovery points and no
  /// job uses it. Lists folders.
  Result<std::string> strange(store::Txn& txn, const std::string& name) const;
  /// Whether a job's files are just being put into the vault, also of one that has ended.
  bool changing(std::string_view name) const { return grants_.changing(name); }
  void countPoints(store::Txn& txn, std::string_view vault, std::int64_t change) const;

  std::optional<Repository> repository(store::Txn& txn, std::string_view vault, std::string_view instance) const;
  /// The same, made if it is not there yet or could not be made the last time.
  Repository ensure(store::Txn& txn, const std::string& vault, const std::string& instance);
  /// All of one vault ("": of all), ordered by vault and machine.
  std::vector<Repository> repositories(store::Txn& txn, std::string_view vault) const;
  void saveRepository(store::Txn& txn, const Repository& repository) const;
  std::string pathOf(const Repository& repository) const { return keeper_.pathOf(repository.vault, repository.name); }

  /// Forgets a snapshot and frees its space as soon as nobody uses the repository. `point` is told to onForgotten.
  void forget(store::Txn& txn, const std::string& vault, const std::string& instance, const std::string& snapshot,
              const std::string& point);
  /// Gives back what broken-off uploads left in the repository, as soon as nobody uses it.
  void dropLeftovers(store::Txn& txn, const std::string& vault, const std::string& instance);
  /// When a repository may be kept from those who want to use it.
  enum class Moment {
    /// A run that holds the machine may be about to freeze it, and its backup must not wait then: it goes first.
    any,
    /// A job or restore of this repository has just ended: the run that it was of has no use for the repository any more.
    afterUse,
  };
  /// Begins what is to be forgotten there, if nobody uses it now and not too many others are being maintained. What could not begin
  /// is begun later.
  void maintain(store::Txn& txn, const std::string& vault, const std::string& instance, Moment moment = Moment::any);
  /// How many snapshots are still to be forgotten there; at most 200 are counted.
  std::size_t pending(store::Txn& txn, std::string_view vault, std::string_view instance) const;

  /// A vault was made, or removed.
  using Existence = std::function<void(store::Txn&, const std::string& vault, bool there)>;
  void onExistence(Existence listener) { existence_ = std::move(listener); }

  using Changed = std::function<void(store::Txn&, const Repository&)>;
  /// A repository became usable again, or cannot be made.
  void onChanged(Changed listener) { changed_.push_back(std::move(listener)); }
  /// The snapshot of that recovery point is gone; or could not be removed yet, as `why` says, and will be tried again.
  using Forgotten = std::function<void(store::Txn&, const std::string& point, const std::string& why)>;
  void onForgotten(Forgotten listener) { forgotten_ = std::move(listener); }

  void recover(store::Txn& txn);

 private:
  void beginCreate(store::Txn& txn, const Repository& repository);
  /// Makes the outcome of the keeper's work durable, as soon as that can be done. Any thread.
  void record(std::function<void(store::Txn&)> outcome);
  void created(store::Txn& txn, const std::string& vault, const std::string& name, const Result<void>& result);
  /// Goes on with the removal of that vault's folder, if it is to be removed and nobody works in it.
  void beginRemoval(store::Txn& txn, const std::string& vault);
  void removed(store::Txn& txn, const std::string& vault, const Result<void>& result);
  void putBack(store::Txn& txn, const std::string& vault, const std::string& removal);
  /// Drops from maintained_now_ what never began.
  void dropUnbegun(store::Txn& txn);
  /// Takes the lease: from now on nobody else may use the repository.
  void beginMaintenance(store::Txn& txn, Repository repository);
  void maintained(store::Txn& txn, const std::string& vault, const std::string& name, const std::vector<std::string>& snapshots,
                  const Result<void>& result);
  /// Others that wait for a place.
  void maintainOthers(store::Txn& txn);
  std::vector<std::string> toForget(store::Txn& txn, const std::string& prefix) const;

  Context& context_;
  runtime::VaultKeeper& keeper_;
  Grants& grants_;
  std::vector<Changed> changed_;
  Forgotten forgotten_;
  /// "VAULT/INSTANCE" of those that are being maintained, and how often in a row it failed.
  std::set<std::string> maintained_now_;
  std::map<std::string, int> failures_;
  /// "VAULT/INSTANCE" of those that are being made, and the vaults whose folders are being removed.
  std::set<std::string> created_now_;
  std::set<std::string> removed_now_;
  Existence existence_;
};

}  // namespace sp::services::backup
