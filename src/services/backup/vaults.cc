#include "services/backup/vaults.h"

#include <algorithm>

#include "base/log.h"
#include "services/backup/table.h"

namespace sp::services::backup {
namespace {

/// In the place of a snapshot's id; no snapshot has such a name.
constexpr std::string_view kLeftovers = "leftovers";
constexpr std::string_view kMaintainTimer = "backup.maintain";
constexpr std::string_view kRemoveTimer = "backup.remove_vault";
constexpr auto kMaintainAgain = std::chrono::minutes(1);
constexpr auto kMaintainAgainAtMost = std::chrono::minutes(15);
constexpr auto kMaintainAfterLease = std::chrono::hours(6);
constexpr auto kRecordAgain = std::chrono::seconds(1);
constexpr std::size_t kForgottenAtOnce = 200;
constexpr std::size_t kAll = 100'000;

std::string repositoryKey(std::string_view vault, std::string_view name) { return fmt::format("{}/{}", vault, name); }

/// "INSTANCE/ID" of what is to be forgotten in a vault: all that may lie there without a recovery point.
std::set<std::string> forgettable(const std::vector<store::Record>& forgets, std::string_view vault) {
  std::set<std::string> out;
  for (const auto& record : forgets) out.insert(record.key.substr(vault.size() + 1));
  return out;
}

/// What a removal erased, to be put back if it must not be.
json::Object removalOf(const std::vector<std::pair<std::string_view, std::vector<store::Record>>>& erased) {
  json::Object out;
  for (const auto& [kind, records] : erased) {
    json::Array list;
    for (const auto& record : records) list.emplace_back(json::Object{{"key", record.key}, {"body", record.body}});
    out[kind] = std::move(list);
  }
  return out;
}

/// The records of that kind in a removal's record; a broken one is logged and has none.
std::vector<store::Record> erasedBy(const std::string& vault, const std::string& removal, std::string_view kind) {
  std::vector<store::Record> out;
  const auto parsed = json::parse(removal);
  const auto* list = parsed && parsed->is_object() ? json::find(parsed->get_object(), kind) : nullptr;
  if (list == nullptr || !list->is_array()) {
    log::error("a record cannot be read", {{"kind", kRemovalKind}, {"key", vault}, {"missing", kind}});
    return out;
  }
  for (const auto& entry : list->get_array())
    if (entry.is_object()) out.push_back({json::textOr(entry.get_object(), "key"), json::textOr(entry.get_object(), "body")});
  return out;
}

}  // namespace

Vaults::Vaults(Context& context, runtime::VaultKeeper& keeper, Grants& grants) : context_(context), keeper_(keeper), grants_(grants) {
  context_.core.onTimer(std::string(kMaintainTimer), [this](store::Txn& txn, const store::Timer& timer) {
    const auto slash = timer.id.find('/');
    maintain(txn, timer.id.substr(0, slash), timer.id.substr(slash + 1));
  });
  context_.core.onTimer(std::string(kRemoveTimer), [this](store::Txn& txn, const store::Timer& timer) { beginRemoval(txn, timer.id); });
  context_.core.onClockSet([this](store::Txn& txn, Duration) {
    for (const auto& record : txn.records().scan(kRemovalKind, "", "", kAll)) beginRemoval(txn, record.key);
  });
  grants_.onIdle([this](const std::string& vault, const std::string& instance) {
    record([this, vault, instance](store::Txn& txn) { maintain(txn, vault, instance); });
  });
}

std::optional<Vault> Vaults::find(store::Txn& txn, std::string_view name) const {
  const auto body = txn.records().get(kVaultKind, name);
  return body ? decodeRecord<Vault>(kVaultKind, std::string(name), *body) : std::nullopt;
}

std::vector<Vault> Vaults::list(store::Txn& txn, std::string_view after, std::size_t limit) const {
  std::vector<Vault> out;
  for (const auto& record : txn.records().scan(kVaultKind, "", after, limit))
    if (auto vault = decodeRecord<Vault>(kVaultKind, record.key, record.body)) out.push_back(std::move(*vault));
  return out;
}

void Vaults::save(store::Txn& txn, const Vault& vault) const { txn.records().put(kVaultKind, vault.name, json::toText(vault.encode())); }

void Vaults::create(store::Txn& txn, const Vault& vault) const {
  // "Default" is there from the first start: the first one that a person makes is told again.
  const bool first = txn.records().scan(kVaultKind, "", "", 2).size() < 2;
  save(txn, vault);
  if (existence_) existence_(txn, vault.name, true);
  if (!first) return;
  txn.afterCommit([] {
    log::warn(
        "backups are encrypted with keys that only this server holds: keep a copy elsewhere (stillpoint vault key export); "
        "without it no recovery point can be read once the data directory is lost");
  });
}

// The folder is found by its name alone: until it is gone, this is durable, and so are the keys of what lies in it.
void Vaults::erase(store::Txn& txn, const std::string& name) {
  dropUnbegun(txn);
  std::vector<std::pair<std::string_view, std::vector<store::Record>>> erased;
  for (const auto kind : {kRepositoryKind, kForgetKind, kQuarantineKind})
    erased.emplace_back(kind, txn.records().scan(kind, name + "/", "", kAll));
  if (const auto body = txn.records().get(kVaultKind, name)) erased.emplace_back(kVaultKind, std::vector<store::Record>{{name, *body}});
  for (const auto& [kind, records] : erased)
    for (const auto& record : records) txn.records().erase(kind, record.key);
  // If one of that name is still to be removed, nothing was made in this one.
  if (!txn.records().get(kRemovalKind, name)) txn.records().put(kRemovalKind, name, json::toText(removalOf(erased)));
  if (existence_) existence_(txn, name, false);
  beginRemoval(txn, name);
}

Result<std::string> Vaults::strange(store::Txn& txn, const std::string& name) const {
  // What lies there is another's.
  if (txn.records().get(kRemovalKind, name)) return std::string();
  SP_TRY(const auto present, keeper_.snapshots(name));
  const auto known = forgettable(txn.records().scan(kForgetKind, name + "/", "", kAll), name);
  for (const auto& snapshot : present)
    if (!known.contains(snapshot)) return snapshot;
  return std::string();
}

// Not beside those that still make or maintain a repository there: each of them comes here at its end.
void Vaults::beginRemoval(store::Txn& txn, const std::string& vault) {
  const auto removal = txn.records().get(kRemovalKind, vault);
  if (!removal) return;
  txn.afterCommit([this, vault, known = forgettable(erasedBy(vault, *removal, kForgetKind), vault)] {
    const auto within = [&](const std::string& key) { return key.starts_with(vault + "/"); };
    if (std::ranges::any_of(created_now_, within) || std::ranges::any_of(maintained_now_, within)) return;
    if (!removed_now_.insert(vault).second) return;
    keeper_.removeVault(vault, known, [this, vault](const Result<void>& result) {
      record([this, vault, result](store::Txn& later) { removed(later, vault, result); });
    });
  });
}

void Vaults::removed(store::Txn& txn, const std::string& vault, const Result<void>& result) {
  removed_now_.erase(vault);
  const auto removal = txn.records().get(kRemovalKind, vault);
  if (!removal) return;
  const auto code = result ? std::string() : result.error().code;
  const auto error = result ? std::string() : result.error().text();
  if (!result && code != "vault.strange" && code != "vault.left") {
    log::warn("a deleted vault's folder is still there, and will be tried again", {{"vault", vault}, {"error", error}});
    return txn.timers().set({std::string(kRemoveTimer), vault, txn.now() + kMaintainAgain, ""});
  }
  txn.records().erase(kRemovalKind, vault);
  if (code == "vault.strange") {
    log::error("a deleted vault is put back: somebody's snapshot lies in it", {{"vault", vault}, {"error", error}});
    putBack(txn, vault, *removal);
  } else if (code == "vault.left") {
    log::warn("the space of a deleted vault is not free: the next start tries again", {{"vault", vault}, {"error", error}});
  }
  // Those that were asked for since.
  for (const auto& repository : repositories(txn, vault))
    if (repository.state == "creating") beginCreate(txn, repository);
}

// With the keys that open what lies there. A vault that was made since stays as it is, and has them too.
void Vaults::putBack(store::Txn& txn, const std::string& vault, const std::string& removal) {
  const bool there = txn.records().get(kVaultKind, vault).has_value();
  for (const auto kind : {kVaultKind, kRepositoryKind, kForgetKind, kQuarantineKind})
    for (const auto& record : erasedBy(vault, removal, kind))
      if (kind != kVaultKind || !there) txn.records().put(kind, record.key, record.body);
  if (!there && existence_) existence_(txn, vault, true);
  for (auto& repository : repositories(txn, vault)) {
    if (repository.state == "maintenance") {
      // It has ended: the removal waited for it.
      repository.state = "ready";
      saveRepository(txn, repository);
    }
    if (!txn.records().scan(kForgetKind, repositoryKey(vault, repository.name) + "/", "", 1).empty())
      txn.timers().set({std::string(kMaintainTimer), repositoryKey(vault, repository.name), txn.now(), ""});
    for (const auto& listener : changed_) listener(txn, repository);
  }
}

void Vaults::countPoints(store::Txn& txn, std::string_view vault, std::int64_t change) const {
  auto found = find(txn, vault);
  if (!found) return;
  found->points += change;
  save(txn, *found);
}

std::optional<Repository> Vaults::repository(store::Txn& txn, std::string_view vault, std::string_view instance) const {
  const auto key = repositoryKey(vault, instance);
  const auto body = txn.records().get(kRepositoryKind, key);
  return body ? decodeRecord<Repository>(kRepositoryKind, key, *body) : std::nullopt;
}

std::vector<Repository> Vaults::repositories(store::Txn& txn, std::string_view vault) const {
  std::vector<Repository> out;
  const auto prefix = vault.empty() ? std::string() : fmt::format("{}/", vault);
  for (const auto& record : txn.records().scan(kRepositoryKind, prefix, "", kAll))
    if (auto repository = decodeRecord<Repository>(kRepositoryKind, record.key, record.body)) out.push_back(std::move(*repository));
  return out;
}

void Vaults::saveRepository(store::Txn& txn, const Repository& repository) const {
  txn.records().put(kRepositoryKind, repositoryKey(repository.vault, repository.name), json::toText(repository.encode()));
}

Repository Vaults::ensure(store::Txn& txn, const std::string& vault, const std::string& instance) {
  auto found = repository(txn, vault, instance);
  if (found && found->state != "broken") return *found;
  Repository fresh = found ? *found : Repository{vault, instance, context_.random.hex(64), txn.now(), "creating", ""};
  fresh.state = "creating";
  fresh.error.clear();
  saveRepository(txn, fresh);
  beginCreate(txn, fresh);
  return fresh;
}

// The key is durable before the repository is made with it: a repository whose key nobody knows is never left behind.
// Where a deleted vault of that name still lies, it is made once that is gone.
void Vaults::beginCreate(store::Txn& txn, const Repository& repository) {
  if (txn.records().get(kRemovalKind, repository.vault)) return;
  txn.afterCommit([this, repository] {
    created_now_.insert(repositoryKey(repository.vault, repository.name));
    keeper_.create({repository.vault, repository.name, repository.key}, [this, repository](const Result<void>& result) {
      record([this, repository, result](store::Txn& later) { created(later, repository.vault, repository.name, result); });
    });
  });
}

// What the keeper did is lost neither by a full disk nor by the core's stop: the next start begins it anew.
void Vaults::record(std::function<void(store::Txn&)> outcome) {
  auto& core = context_.core;
  core.post(
      [outcome](store::Txn& txn) {
        outcome(txn);
        return true;
      },
      [this, &core, outcome](const Error* error) {
        // The core outlives this object, and drops what comes after its stop.
        if (error == nullptr || error->code == "core.stopped") return;
        core.waiters().add("vaults", core.clock().now() + kRecordAgain, [this, outcome] { record(outcome); });
      });
}

void Vaults::created(store::Txn& txn, const std::string& vault, const std::string& name, const Result<void>& result) {
  created_now_.erase(repositoryKey(vault, name));
  // Its vault was deleted meanwhile; one of that name that is wanted now is another's.
  if (txn.records().get(kRemovalKind, vault)) return beginRemoval(txn, vault);
  auto found = repository(txn, vault, name);
  if (!found || found->state != "creating") return;
  found->state = result ? "ready" : "broken";
  found->error = result ? "" : result.error().text();
  saveRepository(txn, *found);
  if (result) log::info("repository made", {{"vault", vault}, {"instance", name}});
  else log::error("a repository could not be made", {{"vault", vault}, {"instance", name}, {"error", found->error}});
  for (const auto& listener : changed_) listener(txn, *found);
}

void Vaults::forget(store::Txn& txn, const std::string& vault, const std::string& instance, const std::string& snapshot,
                    const std::string& point) {
  txn.records().put(kForgetKind, fmt::format("{}/{}/{}", vault, instance, snapshot), json::toText(json::Object{{"point", point}}));
  txn.timers().set({std::string(kMaintainTimer), repositoryKey(vault, instance), txn.now(), ""});
}

// The same work as for a snapshot that is not there: nothing is forgotten, and what no snapshot needs is removed.
void Vaults::dropLeftovers(store::Txn& txn, const std::string& vault, const std::string& instance) {
  forget(txn, vault, instance, std::string(kLeftovers), "");
}

std::vector<std::string> Vaults::toForget(store::Txn& txn, const std::string& prefix) const {
  std::vector<std::string> out;
  for (const auto& record : txn.records().scan(kForgetKind, prefix, "", kForgottenAtOnce)) out.push_back(record.key.substr(prefix.size()));
  return out;
}

std::size_t Vaults::pending(store::Txn& txn, std::string_view vault, std::string_view instance) const {
  return toForget(txn, fmt::format("{}/{}/", vault, instance)).size();
}

void Vaults::maintain(store::Txn& txn, const std::string& vault, const std::string& instance, Moment moment) {
  const auto found = repository(txn, vault, instance);
  const auto key = repositoryKey(vault, instance);
  // Each that uses it comes here again at its end.
  if (!found || found->state != "ready" || grants_.used(vault, instance) || toForget(txn, key + "/").empty()) return;
  const auto holder = context_.locks.holder(txn, instance);
  if (moment == Moment::any && holder && holder->starts_with("run:"))
    return txn.timers().set({std::string(kMaintainTimer), key, txn.now() + kMaintainAgain, ""});
  dropUnbegun(txn);
  if (maintained_now_.size() >= runtime::VaultKeeper::kMaintainedAtOnce) {
    // The end of one of those begins the next, but for one that failed.
    if (failures_.contains(key)) txn.timers().set({std::string(kMaintainTimer), key, txn.now() + kMaintainAgain, ""});
    return;
  }
  beginMaintenance(txn, *found);
}

// One whose beginning could not be made durable has not begun. One whose vault was deleted since has.
void Vaults::dropUnbegun(store::Txn& txn) {
  std::erase_if(maintained_now_, [&](const std::string& other) {
    if (txn.records().get(kRemovalKind, other.substr(0, other.find('/')))) return false;
    const auto body = txn.records().get(kRepositoryKind, other);
    const auto there = body ? decodeRecord<Repository>(kRepositoryKind, other, *body) : std::nullopt;
    return !there || there->state != "maintenance";
  });
}

void Vaults::beginMaintenance(store::Txn& txn, Repository repository) {
  const auto key = repositoryKey(repository.vault, repository.name);
  const auto snapshots = toForget(txn, key + "/");
  maintained_now_.insert(key);
  repository.state = "maintenance";
  saveRepository(txn, repository);
  txn.timers().drop(kMaintainTimer, key);
  txn.afterCommit([this, repository, snapshots] {
    keeper_.forget({repository.vault, repository.name, repository.key}, snapshots,
                   [this, repository, snapshots](const Result<void>& result) {
                     record([this, repository, snapshots, result](store::Txn& later) {
                       maintained(later, repository.vault, repository.name, snapshots, result);
                     });
                   });
  });
}

void Vaults::maintained(store::Txn& txn, const std::string& vault, const std::string& name, const std::vector<std::string>& snapshots,
                        const Result<void>& result) {
  const auto key = repositoryKey(vault, name);
  maintained_now_.erase(key);
  beginRemoval(txn, vault);
  auto found = repository(txn, vault, name);
  if (!found || found->state != "maintenance") return maintainOthers(txn);
  found->state = "ready";
  found->maintenance_error = result ? "" : result.error().text();
  if (result) found->maintained = txn.now();
  saveRepository(txn, *found);
  for (const auto& snapshot : snapshots) {
    const auto forget_key = fmt::format("{}/{}", key, snapshot);
    const auto body = txn.records().get(kForgetKind, forget_key);
    const auto parsed = body ? json::parse(*body) : Result<json::Value>(json::Object());
    const auto point = parsed && parsed->is_object() ? json::textOr(parsed->get_object(), "point") : std::string();
    if (result) txn.records().erase(kForgetKind, forget_key);
    if (!point.empty() && forgotten_) forgotten_(txn, point, found->maintenance_error);
  }
  auto again = txn.now();
  if (result) {
    failures_.erase(key);
  } else {
    again += std::min<Duration>(kMaintainAgainAtMost, kMaintainAgain * (1 << std::min(failures_[key]++, 10)));
    // The whole lease was not enough: the next one is not to follow at once, for jobs wait for it.
    if (result.error().code == "vault.ended") again = txn.now() + kMaintainAfterLease;
    log::warn("recovery points could not be deleted yet", {{"vault", vault}, {"instance", name}, {"error", found->maintenance_error}});
  }
  // More may have been asked for meanwhile; a failure is tried again, not at once.
  if (!txn.records().scan(kForgetKind, key + "/", "", 1).empty()) txn.timers().set({std::string(kMaintainTimer), key, again, ""});
  for (const auto& listener : changed_) listener(txn, *found);
  maintainOthers(txn);
}

// From one repository to the next: '0' comes after '/'.
void Vaults::maintainOthers(store::Txn& txn) {
  std::string after;
  while (maintained_now_.size() < runtime::VaultKeeper::kMaintainedAtOnce) {
    const auto next = txn.records().scan(kForgetKind, "", after, 1);
    if (next.empty()) return;
    const auto& key = next.front().key;
    const auto slash = key.find('/');
    const auto end = key.find('/', slash + 1);
    // One that failed has its own time.
    if (!failures_.contains(key.substr(0, end))) maintain(txn, key.substr(0, slash), key.substr(slash + 1, end - slash - 1));
    after = key.substr(0, end) + "0";
  }
}

void Vaults::recover(store::Txn& txn) {
  if (!find(txn, "Default")) create(txn, Vault{"Default", txn.now(), "", "", {}, 0});
  for (const auto& record : txn.records().scan(kRemovalKind, "", "", kAll)) beginRemoval(txn, record.key);
  for (auto& repository : repositories(txn, "")) {
    if (repository.state == "maintenance") {
      // The lease is kept, so that nothing gets in between: the keeper ends a restic that still runs and does all of it again.
      beginMaintenance(txn, repository);
      continue;
    }
    if (repository.state == "creating") beginCreate(txn, repository);
    const auto key = repositoryKey(repository.vault, repository.name);
    if (!txn.records().scan(kForgetKind, key + "/", "", 1).empty())
      txn.timers().set({std::string(kMaintainTimer), key, txn.now() + std::chrono::seconds(5), ""});
  }
}

}  // namespace sp::services::backup
