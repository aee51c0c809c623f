// Writes the row of the job log, once for each execution and again whenever its truth changes (a debt paid after the
// end): the same key, so the same row. Core thread only.
#pragma once
#include <set>
#include <string>

#include "runtime/core.h"
#include "runtime/executions.h"
#include "services/stillpoint/ports.h"
#include "services/stillpoint/records.h"
#include "services/stillpoint/report.h"

namespace sp::services::stillpoint {

class Finaliser {
 public:
  /// Registers its timers: before the core starts. All given outlive it. `list_max`: see kRowListMax.
  Finaliser(runtime::Core& core, const Ports& ports, std::size_t list_max = kRowListMax);
  Finaliser(const Finaliser&) = delete;
  Finaliser& operator=(const Finaliser&) = delete;
  void attach(runtime::Executions& executions) { executions_ = &executions; }

  /// The save step: writes the row and ends the task `token` with the run's outcome; if the row cannot be written now, it
  /// is tried again every second and the task waits.
  void save(store::Txn& txn, const std::string& execution, const std::string& token);
  /// The execution has ended as `status` without that step: the row is written all the same.
  void executionEnded(store::Txn& txn, const std::string& execution, const std::string& status);
  /// The execution goes on: the row stays as it is until the new end.
  static void redriven(store::Txn& txn, const std::string& execution);
  /// Something the row tells has changed; nothing happens before the row exists.
  void refresh(store::Txn& txn, const std::string& execution);

 private:
  /// No machine without a backup is told as good.
  static void failWithoutBackup(store::Txn& txn, Run& run);
  bool write(store::Txn& txn, Run run);
  void storeList(store::Txn& txn, const std::string& execution);
  void listStored(store::Txn& txn, const std::string& execution, std::int64_t revision, const Result<std::string>& where);

  runtime::Core& core_;
  Ports ports_;
  std::size_t list_max_;
  /// Executions whose list is on its way to its bucket.
  std::set<std::string, std::less<>> storing_;
  runtime::Executions* executions_ = nullptr;
};

/// Output of the save step: {"Succeeded","Status","Error"?,"Cause"?,"Message","TargetCount","FailedCount"}.
json::Object saveOutput(const Run& run, store::Txn& txn);

}  // namespace sp::services::stillpoint
