// DescribeRun: docs/api/stillpoint.md.
#include <algorithm>

#include <fmt/format.h>

#include "base/time_format.h"
#include "services/stillpoint/operations.h"
#include "services/stillpoint/report.h"

namespace sp::services::stillpoint {
namespace {

json::Object backupShape(store::Txn& txn, const Ports& ports, const Lane& lane, Instant now) {
  json::Object out;
  const auto job = ports.backups.find(txn, lane.job);
  if (!job) return out;
  out["BackupJobId"] = job->id;
  out["State"] = job->state;
  out["PercentDone"] = job->percent;
  out["BytesDone"] = job->bytes_done;
  out["BytesTotal"] = job->bytes_total;
  const auto until = lane.job_ended_at.value_or(now);
  const auto seconds = lane.job_at ? static_cast<double>((until - *lane.job_at).count()) / 1e6 : 0.0;
  out["BytesPerSecond"] = seconds > 0 ? static_cast<double>(job->bytes_done) / seconds : 0.0;
  if (!job->message.empty()) out["StatusMessage"] = job->message;
  return out;
}

// While a lane runs, a step it is in has no word yet: it is under way.
void showProgress(json::Object& entry, const Lane& lane) {
  if (lane.over) return;
  const std::pair<std::string_view, std::pair<std::string_view, std::string_view>> under_way[] = {
      {"pre", {"PreBackupScriptStatus", "InProgress"}}, {"stop", {"StopEc2InstanceStatus", "stopping"}},
      {"cut", {"BackupJobStatus", "RUNNING"}},          {"job", {"BackupJobStatus", "RUNNING"}},
      {"start", {"StartEc2InstanceStatus", "pending"}}, {"post", {"PostBackupScriptStatus", "InProgress"}}};
  for (const auto& [step, shown] : under_way)
    if (lane.waits == step) entry[shown.first] = shown.second;
  // Not "skipped" or "owed" while its turn may still come.
  const std::pair<std::string_view, const std::string*> words[] = {{"PreBackupScriptStatus", &lane.pre},
                                                                   {"StopEc2InstanceStatus", &lane.stop},
                                                                   {"BackupJobStatus", &lane.backup},
                                                                   {"PostBackupScriptStatus", &lane.post},
                                                                   {"StartEc2InstanceStatus", &lane.start}};
  for (const auto& [key, word] : words) {
    const auto shown = json::textOr(entry, key);
    if (word->empty() && (shown == "skipped" || shown == "owed")) entry[key] = "";
  }
}

/// Empty: for nothing that others have.
std::string waitsFor(store::Txn& txn, const runtime::MachineLock& locks, const Lane& lane) {
  if (lane.waits == "place") return "a place among the backups that run at once";
  const auto holder = lane.waits == "reserve" ? locks.holder(txn, lane.instance) : std::nullopt;
  if (!holder || *holder == holderOf(lane.execution)) return {};
  const auto kind = holder->substr(0, holder->find(':'));
  const auto name = holder->substr(holder->rfind(':') + 1);
  if (kind != "run") return fmt::format("the machine, which {} job {} holds", kind == "restore" ? "restore" : "backup", name);
  return fmt::format("the machine, which run {} holds{}", name,
                     locks.paying(txn, lane.instance) ? ": it has ended and pays what it owes" : "");
}

json::Object laneShape(store::Txn& txn, const Ports& ports, const runtime::MachineLock& locks, const Run& run, const LaneReport& report,
                       Instant now) {
  const auto& lane = report.lane;
  auto entry = statusEntry(run, report);
  showProgress(entry, lane);
  entry["CurrentStep"] = lane.step;
  if (const auto what = waitsFor(txn, locks, lane); !what.empty()) entry["WaitsFor"] = what;
  if (lane.frozen_at) {
    entry["FrozenSeconds"] = frozenSeconds(lane, now);
    entry["Frozen"] = !lane.thawed_at && !(lane.over && lane.post_command.empty() && entry.find("Owed") == entry.end());
  }
  if (!lane.job.empty()) entry["Backup"] = backupShape(txn, ports, lane, now);
  const std::pair<std::string_view, const std::optional<Instant>*> times[] = {
      {"ReservedTime", &lane.reserved_at},   {"PreScriptTime", &lane.pre_at},
      {"StoppedTime", &lane.stopped_at},     {"BackupTime", &lane.job_at},
      {"BackupEndTime", &lane.job_ended_at}, {"StartedTime", &lane.started_at},
      {"ThawedTime", &lane.thawed_at},       {"EndTime", &lane.over_at}};
  for (const auto& [name, at] : times)
    if (*at) entry[name] = toIso8601Millis(**at);
  return entry;
}

json::Object inputShape(const RunInput& input) {
  json::Object out;
  if (input.by_tag) {
    out["TargetEC2TagKey"] = input.tag_key;
    out["TargetEC2TagValue"] = input.tag_value;
  } else {
    json::Array ids;
    for (const auto& id : input.instances) ids.emplace_back(id);
    out["TargetEC2Instances"] = std::move(ids);
  }
  out["StartStopEC2Required"] = input.stop_start;
  out["RunPreBackupScript"] = input.pre.has_value();
  out["RunPostBackupScript"] = input.post.has_value();
  if (input.rehearsal) out["Rehearsal"] = true;
  else out["BackupVaultName"] = input.vault;
  return out;
}

}  // namespace

aws::Operation describeRun(const Ports& ports, const runtime::MachineLock& locks) {
  return {"DescribeRun",
          [ports, &locks](const aws::Call& call) -> aws::Outcome {
            const auto execution = json::textOr(call.input, "ExecutionArn");
            if (execution.empty()) return std::unexpected(aws::ApiError::validation("ExecutionArn is missing"));
            const auto row = call.txn->executions().get(execution);
            if (!row) return aws::refuse("ResourceNotFoundException", "there is no execution " + execution);
            const auto run = loadRun(*call.txn, execution);
            json::Object out;
            out["ExecutionArn"] = execution;
            out["StateMachineArn"] = row->machine_arn;
            out["Status"] = row->status;
            out["StartTime"] = toIso8601Millis(row->started);
            if (row->stopped) out["EndTime"] = toIso8601Millis(*row->stopped);
            json::Array lanes;
            if (run) {
              const auto reports = loadReports(*call.txn, execution);
              if (run->input) {
                if (!run->input->rehearsal) out["Path"] = run->input->path();
                out["Input"] = inputShape(*run->input);
              }
              const auto report = makeReport(*run, reports);
              if (row->status != "RUNNING" || !report.error.empty()) {
                out["FailureMessage"] = report.message;
                if (!report.error.empty()) out["Error"] = report.error;
              }
              if (row->status != "RUNNING") out["Result"] = report.status;
              for (const auto& lane : reports) lanes.emplace_back(laneShape(*call.txn, ports, locks, *run, lane, call.now));
            }
            out["Lanes"] = std::move(lanes);
            return out;
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
