#include "services/backup/recovery_points.h"

#include "services/backup/table.h"

namespace sp::services::backup {

RecoveryPoints::RecoveryPoints(Context& context, Vaults& vaults) : context_(context), vaults_(vaults) {
  vaults_.onForgotten([this](store::Txn& txn, const std::string& id) {
    const auto point = find(txn, id);
    if (!point) return;
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

void RecoveryPoints::save(store::Txn& txn, const RecoveryPoint& point) const { saveRecord(txn, kPointKind, point); }

std::vector<std::pair<std::string, RecoveryPoint>> RecoveryPoints::list(store::Txn& txn, std::string_view before_key, std::size_t limit,
                                                                        const std::function<bool(const RecoveryPoint&)>& wanted) const {
  return listBack<RecoveryPoint>(txn, kPointKind, before_key, limit, wanted);
}

void RecoveryPoints::remove(store::Txn& txn, RecoveryPoint point) {
  point.status = "DELETING";
  save(txn, point);
  vaults_.forget(txn, point.vault, point.instance, point.snapshot, point.id);
}

}  // namespace sp::services::backup
