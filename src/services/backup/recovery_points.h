// Recovery points: what a job left in the vault. Core thread only.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/backup/records.h"
#include "services/backup/table.h"
#include "services/backup/vaults.h"
#include "services/context.h"
#include "services/watch.h"

namespace sp::services::backup {

class RecoveryPoints {
 public:
  RecoveryPoints(Context& context, Vaults& vaults);
  RecoveryPoints(const RecoveryPoints&) = delete;
  RecoveryPoints& operator=(const RecoveryPoints&) = delete;

  /// arn:aws:backup:REGION:ACCOUNT:recovery-point:UUID
  std::string arn(std::string_view id) const;
  /// The UUID in such an ARN of this account; nullopt for anything else.
  std::optional<std::string> idOf(std::string_view arn) const;

  std::optional<RecoveryPoint> find(store::Txn& txn, std::string_view id) const;
  void add(store::Txn& txn, const RecoveryPoint& point);
  void save(store::Txn& txn, const RecoveryPoint& point) const;
  /// Those of a vault, of a machine, or of a machine in a vault (empty: of any) that `wanted` accepts.
  Listed<RecoveryPoint> list(store::Txn& txn, std::string_view vault, std::string_view instance, const ListAsk& ask,
                             const std::function<bool(const RecoveryPoint&)>& wanted) const;
  /// All of one machine in one vault, oldest first.
  std::vector<RecoveryPoint> of(store::Txn& txn, std::string_view vault, std::string_view instance) const;
  /// DELETING from now on; gone when its snapshot is, and its space free. Why: a person's wish, or the end of its lifecycle.
  void remove(store::Txn& txn, RecoveryPoint point, bool by_lifecycle);
  /// After a start: what was kept before points could be found by their vault and machine.
  void recover(store::Txn& txn) const;
  /// Every write of a recovery point.
  void watch(Watch<RecoveryPoint> watch) { watch_ = std::move(watch); }

 private:
  Context& context_;
  Vaults& vaults_;
  Watch<RecoveryPoint> watch_;
};

}  // namespace sp::services::backup
