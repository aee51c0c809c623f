#include "services/backup/recovery_points.h"

#include "services/backup/table.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kRepositoryIndex = "repository";
constexpr std::string_view kVaultIndex = "vault";
constexpr std::string_view kMachineIndex = "machine";
constexpr std::size_t kAll = 1'000'000;

}  // namespace

RecoveryPoints::RecoveryPoints(Context& context, Vaults& vaults) : context_(context), vaults_(vaults) {
  vaults_.onForgotten([this](store::Txn& txn, const std::string& id, const std::string& why) {
    auto point = find(txn, id);
    if (!point) return;
    if (!why.empty()) {
      if (point->by_lifecycle) point->status = "EXPIRED";
      point->message = "Its data could not be removed yet; it will be tried again. " + why;
      return save(txn, *point);
    }
    txn.records().erase(kPointKind, timeKey(point->created, point->id));
    vaults_.countPoints(txn, point->vault, -1);
  });
}

std::string RecoveryPoints::arn(std::string_view id) const { return context_.realm.arn("backup", fmt::format("recovery-point:{}", id)); }

std::optional<std::string> RecoveryPoints::idOf(std::string_view arn) const {
  const auto prefix = context_.realm.arn("backup", "recovery-point:");
  if (!arn.starts_with(prefix) || arn.size() == prefix.size()) return std::nullopt;
  return std::string(arn.substr(prefix.size()));
}

std::optional<RecoveryPoint> RecoveryPoints::find(store::Txn& txn, std::string_view id) const {
  return findById<RecoveryPoint>(txn, kPointKind, id);
}

void RecoveryPoints::add(store::Txn& txn, const RecoveryPoint& point) {
  save(txn, point);
  vaults_.countPoints(txn, point.vault, 1);
}

void RecoveryPoints::save(store::Txn& txn, const RecoveryPoint& point) const {
  watch_.over(
      txn, point, [&] { return find(txn, point.id); },
      [&] {
        const auto key = saveRecord(txn, kPointKind, point);
        txn.records().index(kPointKind, key, kRepositoryIndex, fmt::format("{}/{}", point.vault, point.instance));
        txn.records().index(kPointKind, key, kVaultIndex, point.vault);
        txn.records().index(kPointKind, key, kMachineIndex, point.instance);
      });
}

Listed<RecoveryPoint> RecoveryPoints::list(store::Txn& txn, std::string_view vault, std::string_view instance, const ListAsk& ask,
                                           const std::function<bool(const RecoveryPoint&)>& wanted) const {
  if (vault.empty() && instance.empty()) return listBack<RecoveryPoint>(txn, kPointKind, ask, wanted);
  const auto index = vault.empty() ? kMachineIndex : instance.empty() ? kVaultIndex : kRepositoryIndex;
  const auto value = fmt::format("{}{}{}", vault, vault.empty() || instance.empty() ? "" : "/", instance);
  return listBack<RecoveryPoint>(
      kPointKind, ask,
      [&](std::string_view before, std::size_t limit) { return txn.records().findByBack(kPointKind, index, value, before, limit); },
      wanted);
}

std::vector<RecoveryPoint> RecoveryPoints::of(store::Txn& txn, std::string_view vault, std::string_view instance) const {
  std::vector<RecoveryPoint> out;
  for (const auto& record : txn.records().findBy(kPointKind, kRepositoryIndex, fmt::format("{}/{}", vault, instance), "", kAll))
    if (auto point = decodeRecord<RecoveryPoint>(kPointKind, record.key, record.body)) out.push_back(std::move(*point));
  return out;
}

void RecoveryPoints::remove(store::Txn& txn, RecoveryPoint point, bool by_lifecycle) {
  point.status = "DELETING";
  point.by_lifecycle = by_lifecycle;
  point.held.clear();
  point.message = by_lifecycle ? fmt::format("Its lifecycle ended {} days after its creation.", point.delete_after_days) : "";
  save(txn, point);
  vaults_.forget(txn, point.vault, point.instance, point.snapshot, point.id);
}

void RecoveryPoints::recover(store::Txn& txn) const {
  constexpr std::string_view kDone = "recovery_points_by_machine";
  if (txn.records().get("upgrade", kDone)) return;
  ListAsk ask{"", "", kAll};
  do {
    const auto some = list(txn, "", "", ask, [](const RecoveryPoint&) { return true; });
    for (const auto& [key, point] : some.entries) save(txn, point);
    ask.before = some.next;
  } while (!ask.before.empty());
  txn.records().put("upgrade", kDone, "{}");
}

}  // namespace sp::services::backup
