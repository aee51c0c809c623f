#include "services/stillpoint/report.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"

namespace sp::services::stillpoint {
namespace {

// AWS's limit for an execution's cause.
constexpr std::size_t kCauseMax = 32'768;

std::string_view wordOr(const std::string& word, std::string_view otherwise) { return word.empty() ? otherwise : std::string_view(word); }

// The word for a step that is still owed, when the lane itself did not finish it.
bool isOwed(const std::vector<quiesce::Debt>& debts, bool start) {
  return std::ranges::any_of(debts, [start](const quiesce::Debt& debt) {
    return (debt.kind == quiesce::DebtKind::start) == start &&
           (debt.state == quiesce::DebtState::open || debt.state == quiesce::DebtState::suspended);
  });
}

json::Array owedNames(const std::vector<quiesce::Debt>& debts) {
  json::Array names;
  for (const auto& debt : debts)
    if (debt.state == quiesce::DebtState::open || debt.state == quiesce::DebtState::suspended) names.emplace_back(toText(debt.kind));
  return names;
}

std::string failureText(const Lane& lane) {
  if (!lane.failure) return "";
  return lane.failure.message;
}

json::Object causeTarget(const LaneReport& report) {
  json::Object target;
  target["InstanceId"] = report.lane.instance;
  target["phase"] = report.lane.failure.phase;
  target["error"] = report.lane.failure.error;
  target["message"] = report.lane.failure.message;
  return target;
}

std::string makeCause(const std::string& message, const std::vector<const LaneReport*>& failed) {
  json::Object cause;
  cause["message"] = cutText(message, 4096);
  json::Array targets;
  std::size_t size = json::toText(cause).size() + 64;
  for (const auto* report : failed) {
    auto target = causeTarget(*report);
    const auto bytes = json::toText(target).size() + 1;
    if (size + bytes > kCauseMax) {
      cause["more"] = static_cast<std::int64_t>(failed.size() - targets.size());
      break;
    }
    size += bytes;
    targets.emplace_back(std::move(target));
  }
  cause["targets"] = std::move(targets);
  return json::toText(cause);
}

std::string summary(const Run& run, const std::vector<const LaneReport*>& failed, std::size_t good, bool any_warning) {
  if (run.failure) return run.failure.message;
  const bool rehearsal = run.input && run.input->rehearsal;
  if (failed.empty() && rehearsal) return "rehearsal: nothing was backed up";
  if (failed.empty()) return any_warning ? "all machines were backed up, with warnings" : "";
  const auto& first = failed.front()->lane;
  auto text = fmt::format("{}: {}: {}", first.instance, first.skipped ? "skipped" : first.failure.phase + " failed", first.failure.message);
  const auto skipped = static_cast<std::size_t>(std::ranges::count_if(failed, [](const auto* one) { return one->lane.skipped; }));
  if (failed.size() > 1) {
    const auto more = failed.size() - 1;
    const auto more_skipped = skipped - (first.skipped ? 1 : 0);
    if (more_skipped < more) text += fmt::format("; {} more machines failed", more - more_skipped);
    if (more_skipped > 0) text += fmt::format("; {} more machines were skipped", more_skipped);
  }
  if (good > 0) text += fmt::format("; {} good", good);
  return text;
}

}  // namespace

std::string withoutBackup(const Run& run, const Lane& lane) {
  if (!run.input || run.input->rehearsal || run.failure || lane.failure || lane.left_out) return "";
  if (lane.backup == "COMPLETED" || lane.backup == "PARTIAL") return "";
  if (lane.job_open) return fmt::format("job {} had not ended when the run did", lane.job);
  if (!lane.job.empty()) return fmt::format("job {} ended as {}", lane.job, lane.backup);
  return fmt::format("the machine was not backed up; its lane came to {}", wordOr(lane.step, "no step"));
}

double frozenSeconds(const Lane& lane, Instant now) {
  if (!lane.frozen_at) return 0;
  Instant end = now;
  if (lane.thawed_at) end = *lane.thawed_at;
  else if (lane.over && lane.over_at && lane.post_command.empty()) end = *lane.over_at;
  return static_cast<double>(std::chrono::floor<std::chrono::milliseconds>(end - *lane.frozen_at).count()) / 1000.0;
}

json::Object statusEntry(const Run& run, const LaneReport& report) {
  const auto& lane = report.lane;
  const bool pays_later = isOwed(report.debts, false);
  json::Object entry;
  entry["InstanceId"] = lane.instance;
  entry["PreBackupScriptStatus"] = wordOr(lane.pre, "skipped");
  entry["StopEc2InstanceStatus"] = wordOr(lane.stop, "skipped");
  entry["BackupJobStatus"] = wordOr(lane.backup, "skipped");
  entry["PostBackupScriptStatus"] = wordOr(lane.post, pays_later ? "owed" : "skipped");
  entry["StartEc2InstanceStatus"] = wordOr(lane.start, isOwed(report.debts, true) ? "owed" : "skipped");
  entry["FailureMessage"] = failureText(lane);
  if (lane.skipped) entry["LaneStatus"] = "SKIPPED";
  if (lane.failure) {
    entry["Error"] = lane.failure.error;
    entry["Phase"] = lane.failure.phase;
  }
  auto owed = owedNames(report.debts);
  if (!owed.empty()) entry["Owed"] = std::move(owed);
  if (!lane.warnings.empty()) entry["Warning"] = join(lane.warnings, "; ");
  if (!lane.notes.empty()) entry["Note"] = join(lane.notes, "; ");
  if (!lane.job.empty()) entry["BackupJobId"] = lane.job;
  if (!lane.recovery_point.empty()) entry["RecoveryPointArn"] = lane.recovery_point;
  if (!lane.pre_command.empty()) entry["PreCommandId"] = lane.pre_command;
  if (!lane.post_command.empty()) entry["PostCommandId"] = lane.post_command;
  if (lane.attempt > 1) entry["Attempt"] = lane.attempt;
  if (lane.freeze) {
    entry["FreezeId"] = lane.freeze->id;
    entry["FrozenSeconds"] = frozenSeconds(lane, run.ended.value_or(lane.over_at.value_or(*lane.frozen_at)));
  }
  return entry;
}

Report makeReport(const Run& run, const std::vector<LaneReport>& lanes) {
  Report report;
  report.targets = static_cast<int>(lanes.size());
  std::vector<const LaneReport*> failed;
  bool warned = false;
  std::size_t left_out = 0;
  for (const auto& lane : lanes) {
    if (lane.lane.failure) failed.push_back(&lane);
    warned = warned || !lane.lane.warnings.empty();
    // Listed only to be told: terminated machines that still carry the tag, and those of a run that was refused.
    if (!lane.lane.failure && !lane.lane.reserved) ++left_out;
    if (lane.lane.skipped) ++report.skipped;
  }
  std::ranges::sort(failed, {}, [](const LaneReport* lane) { return lane->lane.failure.order; });
  report.failed = static_cast<int>(failed.size());
  const auto good = lanes.size() - failed.size() - left_out;
  report.message = summary(run, failed, good, warned);
  if (run.failure || !failed.empty()) {
    report.error = run.failure ? run.failure.error : failed.front()->lane.failure.error;
    report.status = run.failure ? "FAILED" : good > 0 ? "PARTIAL" : report.skipped == report.failed ? "SKIPPED" : "FAILED";
    report.cause = makeCause(report.message, failed);
  } else {
    report.succeeded = true;
    report.status = warned ? "WARNING" : "SUCCEEDED";
  }
  if (!run.ended_as.empty() && run.ended_as != "SUCCEEDED") {
    report.succeeded = false;
    if (run.ended_as != "FAILED" || report.status == "SUCCEEDED" || report.status == "WARNING") report.status = run.ended_as;
    if (report.message.empty() || run.ended_as != "FAILED")
      report.message = fmt::format("the execution ended as {} before its last step{}", run.ended_as,
                                   report.message.empty() ? "" : "; " + report.message);
  }
  return report;
}

namespace {

json::Array allEntries(const Run& run, const std::vector<LaneReport>& lanes) {
  json::Array all;
  for (const auto& lane : lanes) all.emplace_back(statusEntry(run, lane));
  return all;
}

}  // namespace

std::map<std::string, std::string> makeRow(const Run& run, const std::vector<LaneReport>& lanes, std::size_t limit) {
  const auto report = makeReport(run, lanes);
  std::map<std::string, std::string> row;
  row["SM_Execution_ID"] = run.execution;
  row["StartTime"] = toIso8601Millis(run.started);
  if (run.ended) row["EndTime"] = toIso8601Millis(*run.ended);
  row["Status"] = report.status;
  row["FailureMessage"] = report.message;
  row["TargetCount"] = std::to_string(report.targets);
  row["FailedCount"] = std::to_string(report.failed);
  if (report.skipped > 0) row["SkippedCount"] = std::to_string(report.skipped);
  if (run.input && run.input->rehearsal) row["Rehearsal"] = "true";
  else if (run.input) row["Path"] = std::to_string(run.input->path());
  if (!report.error.empty()) row["Error"] = report.error;
  if (run.redrives > 0) row["RedriveCount"] = std::to_string(run.redrives);

  const auto all = allEntries(run, lanes);
  auto text = json::toText(all);
  if (text.size() > limit) {
    json::Array kept;
    std::size_t size = 2;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (!lanes[i].lane.failure) continue;
      const auto bytes = json::toText(all[i]).size() + 1;
      if (size + bytes > limit) break;
      size += bytes;
      kept.emplace_back(all[i]);
    }
    row["LeftOutCount"] = std::to_string(lanes.size() - kept.size());
    if (!run.list_at.empty()) row["Workflow_Overall_Status_S3Path"] = run.list_at;
    text = json::toText(kept);
  }
  row["Workflow_Overall_Status"] = std::move(text);
  return row;
}

std::string wholeList(const Run& run, const std::vector<LaneReport>& lanes) { return json::toText(allEntries(run, lanes)); }

std::vector<LaneReport> loadReports(store::Txn& txn, std::string_view execution) {
  std::vector<LaneReport> reports;
  for (auto& lane : loadLanes(txn, execution)) {
    auto debts = debtsOfLane(txn, execution, lane.instance);
    reports.push_back({std::move(lane), std::move(debts)});
  }
  return reports;
}

}  // namespace sp::services::stillpoint
