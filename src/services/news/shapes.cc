#include "services/news/shapes.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/time_format.h"
#include "schedule/retention.h"

namespace sp::services::news {
namespace {

constexpr std::size_t kMostNamed = 100;

std::int64_t millis(Instant time) { return toMicros(time) / 1000; }

json::Value textOrNull(const std::optional<std::string>& text) { return text ? json::Value(*text) : json::Value(); }

std::size_t escapedSize(const std::optional<std::string>& text) { return text ? json::quote(*text).size() : 0; }

std::string instanceArn(const Realm& realm, std::string_view id) { return realm.arn("ec2", fmt::format("instance/{}", id)); }
std::string vaultArn(const Realm& realm, std::string_view name) { return realm.arn("backup", fmt::format("backup-vault:{}", name)); }
std::string pointArn(const Realm& realm, std::string_view id) { return realm.arn("backup", fmt::format("recovery-point:{}", id)); }

// AWS's texts of a job stand in quotes of their own.
std::string quoted(std::string_view message) { return fmt::format("\"{}\"", message); }

// Of the plan that made it; in events the rule has another name than in answers.
// https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
void putCreatedBy(Told& told, const backup::TextMap& by) {
  if (by.empty()) return;
  json::Object plan;
  for (const auto& [from, to] : {std::pair("BackupPlanId", "backupPlanId"), std::pair("BackupPlanArn", "backupPlanArn"),
                                 std::pair("BackupPlanVersion", "backupPlanVersion"), std::pair("BackupRuleId", "backupPlanRuleId")})
    if (const auto found = by.find(from); found != by.end()) plan[to] = found->second;
  told.detail["createdBy"] = std::move(plan);
}

}  // namespace

Told executionChange(const ExecutionView& execution) {
  // An output that is too long alone is left out; an input that is too long beside the output is.
  const auto output_size = escapedSize(execution.output);
  const bool with_output = output_size <= kMostEscaped;
  const bool with_input = escapedSize(execution.input) + (with_output ? output_size : 0) <= kMostEscaped;
  json::Object detail{{"executionArn", execution.arn},
                      {"stateMachineArn", execution.machine_arn},
                      {"name", execution.name},
                      {"status", execution.status},
                      {"startDate", millis(execution.started)},
                      {"stopDate", execution.stopped ? json::Value(millis(*execution.stopped)) : json::Value()},
                      {"input", with_input ? textOrNull(execution.input) : json::Value()},
                      {"output", with_output ? textOrNull(execution.output) : json::Value()},
                      {"inputDetails", json::Object{{"included", with_input}}},
                      {"outputDetails", execution.output ? json::Value(json::Object{{"included", with_output}}) : json::Value()},
                      {"error", textOrNull(execution.error)},
                      {"cause", textOrNull(execution.cause)},
                      {"stateMachineVersionArn", nullptr},
                      {"stateMachineAliasArn", nullptr},
                      {"redriveCount", execution.redrives},
                      {"redriveDate", execution.redriven ? json::Value(millis(*execution.redriven)) : json::Value()},
                      {"redriveStatus", execution.redrivable ? "REDRIVABLE" : "NOT_REDRIVABLE"},
                      {"redriveStatusReason", execution.redrivable ? json::Value() : json::Value(execution.redrive_reason)}};
  return {kStates, kExecutionChange, {execution.arn}, std::move(detail)};
}

Told instanceChange(const Instance& instance, const Realm& realm) {
  return {kEc2,
          kInstanceChange,
          {instanceArn(realm, instance.id)},
          json::Object{{"instance-id", instance.id}, {"state", name(instance.state)}}};
}

Told commandChange(const ssm::Command& command, const std::vector<std::string>& targets, const Realm& realm) {
  Told told{kSsm, kCommandChange, {}, {}};
  for (std::size_t i = 0; i < std::min(targets.size(), kMostNamed); ++i) told.resources.push_back(instanceArn(realm, targets[i]));
  told.detail = {{"command-id", command.id},
                 {"document-name", command.document_name},
                 {"expire-after", toIso8601Millis(command.expires)},
                 {"parameters", command.parameters},
                 {"requested-date-time", toIso8601Millis(command.requested)},
                 {"status", command.status}};
  return told;
}

Told invocationChange(const ssm::Invocation& invocation, const Realm& realm) {
  return {kSsm,
          kInvocationChange,
          {instanceArn(realm, invocation.instance_id)},
          json::Object{{"command-id", invocation.command_id},
                       {"document-name", invocation.document_name},
                       {"instance-id", invocation.instance_id},
                       {"requested-date-time", toIso8601Millis(invocation.requested)},
                       {"status", invocation.status}}};
}

Told jobChange(const backup::Job& job, const Realm& realm) {
  const bool kept = job.state == backup::JobState::completed || job.state == backup::JobState::partial;
  Told told{kBackup, kJobChange, {}, {}};
  if (kept) told.resources.push_back(pointArn(realm, job.recovery_point));
  told.detail = {{"backupJobId", job.id},
                 {"backupVaultArn", vaultArn(realm, job.vault)},
                 {"backupVaultName", job.vault},
                 {"bytesTransferred", fmt::format("{}", job.stored_bytes)},
                 {"creationDate", toIso8601Millis(job.created)},
                 {"iamRoleArn", job.role_arn},
                 {"resourceArn", job.resource_arn},
                 {"resourceType", "EC2"},
                 {"state", name(job.state)},
                 {"startBy", toIso8601Millis(job.start_by)},
                 {"percentDone", static_cast<std::int64_t>(std::floor(job.percent))}};
  if (const auto size = std::max(job.bytes_total, job.bytes_done); size > 0) told.detail["backupSizeInBytes"] = fmt::format("{}", size);
  if (job.state == backup::JobState::running) told.detail["expectedCompletionDate"] = toIso8601Millis(job.complete_by);
  if (job.ended) told.detail["completionDate"] = toIso8601Millis(*job.ended);
  if (!job.message.empty()) told.detail["statusMessage"] = quoted(job.message);
  putCreatedBy(told, job.created_by);
  return told;
}

Told restoreChange(const backup::RestoreJob& job, const std::optional<backup::RecoveryPoint>& point, const Realm& realm) {
  Told told{kBackup, kRestoreChange, {pointArn(realm, job.recovery_point)}, {}};
  told.detail = {{"restoreJobId", job.id},
                 {"backupSizeInBytes", fmt::format("{}", point ? point->size : job.size)},
                 {"backupVaultArn", vaultArn(realm, job.vault)},
                 {"recoveryPointArn", pointArn(realm, job.recovery_point)},
                 {"creationDate", toIso8601Millis(job.created)},
                 {"iamRoleArn", job.role_arn},
                 {"percentDone", static_cast<std::int64_t>(std::floor(job.percent))},
                 {"resourceType", "EC2"},
                 {"status", name(job.status)}};
  if (point) told.detail["sourceResourceArn"] = point->resource_arn;
  if (job.ended) told.detail["completionDate"] = toIso8601Millis(*job.ended);
  if (!job.message.empty()) told.detail["statusMessage"] = job.message;
  return told;
}

Told pointChange(const backup::RecoveryPoint& point, const Realm& realm) {
  Told told{kBackup, kPointChange, {pointArn(realm, point.id)}, {}};
  told.detail = {{"backupVaultName", point.vault},
                 {"backupVaultArn", vaultArn(realm, point.vault)},
                 {"creationDate", toIso8601Millis(point.created)},
                 {"iamRoleArn", point.role_arn},
                 {"resourceType", "EC2"},
                 {"resourceArn", point.resource_arn},
                 {"status", point.status},
                 {"isEncrypted", "true"},
                 {"storageClass", "WARM"},
                 {"backupSizeInBytes", fmt::format("{}", point.size)},
                 {"completionDate", toIso8601Millis(point.completed)}};
  if (!point.message.empty()) told.detail["statusMessage"] = point.message;
  putCreatedBy(told, point.created_by);
  if (point.delete_after_days > 0) {
    told.detail["lifecycle"] = json::Object{{"deleteAfterDays", point.delete_after_days}};
    told.detail["calculatedLifeCycle"] =
        json::Object{{"deleteAt", toIso8601Millis(schedule::deleteAt(point.created, point.delete_after_days))}};
  }
  return told;
}

Told vaultChange(const std::string& vault, std::string_view state, const Realm& realm) {
  return {kBackup, kVaultChange, {vaultArn(realm, vault)}, json::Object{{"backupVaultName", vault}, {"state", state}}};
}

Told planChange(const std::string& plan, const std::string& version, std::string_view state, Instant at, std::optional<bool> paused,
                const Realm& realm) {
  Told told{kBackup, kPlanChange, {realm.arn("backup", "backup-plan:" + plan)}, {}};
  const auto* const moment = state == "CREATED" ? "creationDate" : state == "DELETED" ? "deletionDate" : "modifiedAt";
  told.detail = {{"backupPlanId", plan}, {"versionId", version}, {moment, toIso8601Millis(at)}, {"state", state}};
  if (paused) told.detail["paused"] = *paused;
  return told;
}

Told machineSkipped(const SkippedView& skipped, const Realm& realm) {
  Told told{kRuns, kMachineSkipped, {instanceArn(realm, skipped.instance), skipped.execution}, {}};
  told.detail = {{"execution-arn", skipped.execution},
                 {"instance-id", skipped.instance},
                 {"start-window-minutes", skipped.minutes},
                 {"message", skipped.message}};
  if (!skipped.held_by.empty()) told.detail["held-by"] = skipped.held_by;
  if (!skipped.job.empty()) told.detail["backup-job-id"] = skipped.job;
  return told;
}

std::string_view debtNews(const quiesce::Debt* before, const quiesce::Debt& now, bool failed) {
  using quiesce::DebtState;
  if (failed) return "Debt Payment Failed";
  // One that ended before is another one.
  const bool fresh = before == nullptr || (before->state != DebtState::open && before->state != DebtState::suspended);
  if (!fresh && before->state == now.state) return "";
  switch (now.state) {
    case DebtState::open: return fresh ? "Debt Opened" : "Debt Resumed";
    case DebtState::suspended: return "Debt Suspended";
    case DebtState::paid: return "Debt Paid";
    case DebtState::voided: return "Debt Voided";
  }
  return "";
}

Told debtChange(std::string_view type, const quiesce::Debt& debt, const Realm& realm) {
  Told told{kDebts, type, {instanceArn(realm, debt.instance), debt.execution}, {}};
  told.detail = {{"kind", toText(debt.kind)},       {"state", toText(debt.state)}, {"instance-id", debt.instance},
                 {"execution-arn", debt.execution}, {"attempts", debt.attempts},   {"since", toIso8601Millis(debt.since)}};
  if (!debt.freeze_id.empty()) told.detail["freeze-id"] = debt.freeze_id;
  if (!debt.by.empty()) told.detail["by"] = debt.by;
  if (!debt.last_error.empty()) told.detail["last-error"] = debt.last_error;
  if (debt.settled) told.detail["settled"] = toIso8601Millis(*debt.settled);
  return told;
}

}  // namespace sp::services::news
