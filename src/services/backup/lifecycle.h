// What lifecycles do to recovery points, once a day: those whose days are over go, unless they are among the last good ones of their
// machine in their vault, or a restore reads them. Core thread only.
#pragma once
#include <string>

#include "services/backup/quarantine.h"
#include "services/backup/recovery_points.h"
#include "services/backup/restores.h"
#include "services/context.h"

namespace sp::services::backup {

class Lifecycle {
 public:
  /// Registers its timer: before the core starts. All given outlive it.
  Lifecycle(Context& context, RecoveryPoints& points, Restores& restores, Quarantine& quarantine);
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  /// After a start: what came due while the server was down goes at once.
  void recover(store::Txn& txn);

 private:
  /// Some repositories a step, so that no request waits for it; the timer's payload is where the last step ended.
  void sweep(store::Txn& txn, const store::Timer& timer);
  void apply(store::Txn& txn, const std::string& vault, const std::string& instance, const std::set<std::string>& in_use);

  Context& context_;
  RecoveryPoints& points_;
  Restores& restores_;
  Quarantine& quarantine_;
};

}  // namespace sp::services::backup
