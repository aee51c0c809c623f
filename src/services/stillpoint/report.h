// What a run tells when it ends, from its records alone: the row of the job log, error and cause of the execution. Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {

/// A lane with what is owed to its machine.
struct LaneReport {
  Lane lane;
  std::vector<quiesce::Debt> debts;
};

struct Report {
  /// SUCCEEDED, WARNING, PARTIAL (some machines are good), SKIPPED (no start window sufficed, and that is all), FAILED, ABORTED, TIMED_OUT.
  std::string status;
  /// Whether the execution is to end as SUCCEEDED.
  bool succeeded = false;
  /// The first failure in time; empty if none.
  std::string error;
  /// `{"message","targets":[…]}`, at most 32,768 bytes; empty if nothing failed.
  std::string cause;
  std::string message;
  int targets = 0;
  /// Those that were skipped too.
  int failed = 0;
  int skipped = 0;
};

/// Why a machine that was to be backed up, and of which no failure is known, was not; empty: it was, or was not to be. Asked at the run's
/// end: a copy of the state machine may go past the backup, or give up all lanes at once.
std::string withoutBackup(const Run& run, const Lane& lane);

/// One entry of Workflow_Overall_Status: the seed's seven keys, then ours.
json::Object statusEntry(const Run& run, const LaneReport& lane);
Report makeReport(const Run& run, const std::vector<LaneReport>& lanes);
/// Bytes of Workflow_Overall_Status above which a row keeps failed machines only.
inline constexpr std::size_t kRowListMax = 350U * 1024U;
/// The row's attributes, all text. Above `limit` it has LeftOutCount, and once the list is stored its place.
std::map<std::string, std::string> makeRow(const Run& run, const std::vector<LaneReport>& lanes, std::size_t limit = kRowListMax);
/// Workflow_Overall_Status with all machines, however large.
std::string wholeList(const Run& run, const std::vector<LaneReport>& lanes);

std::vector<LaneReport> loadReports(store::Txn& txn, std::string_view execution);
/// Seconds from the pre-script's order to the confirmed thaw, or to the job's end without a post-script, or until `now`;
/// 0 without a freeze.
double frozenSeconds(const Lane& lane, Instant now);

}  // namespace sp::services::stillpoint
