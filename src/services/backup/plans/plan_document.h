// A backup plan as it is written: its rules, and the scripts that its runs have. Pure.
// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupPlan.html
#pragma once
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "schedule/recurrence.h"
#include "services/backup/records.h"

namespace sp::services::backup {

/// When, where to and for how long.
struct PlanRule {
  /// UUID; given when the rule is first written.
  std::string id;
  std::string name;
  std::string vault;
  /// cron(…), by the wall clock of `zone`.
  std::string schedule;
  /// IANA name.
  std::string zone;
  /// Minutes; nullopt: StartBackupJob's defaults.
  std::optional<std::int64_t> start_window;
  std::optional<std::int64_t> completion_window;
  /// 0: for ever.
  std::int64_t delete_after_days = 0;
  TextMap point_tags;
};

struct PlanDocument {
  std::string name;
  std::vector<PlanRule> rules;
  /// BackupOptions of the resource type EC2: docs/backup-plans.md.
  TextMap options;

  const PlanRule* rule(std::string_view id) const;
  /// BackupPlan on the wire; with the rules' ids if they have some.
  json::Object shape() const;
};

/// From BackupPlan's JSON, as it came or as shape() wrote it. InvalidParameterValueException or MissingParameterValueException name
/// the member.
std::expected<PlanDocument, aws::ApiError> parsePlan(const json::Object& plan);

/// InvalidParameterValueException for a schedule or a zone that there is not. Not asked of what is kept already: a zone may be lost for a
/// while with tzdata.
std::optional<aws::ApiError> checkSchedule(const PlanRule& rule);
/// When it runs; an error if the zone is not known on this machine any more.
Result<schedule::Recurrence> recurrenceOf(const PlanRule& rule);

/// The input of PrePostBackup that a rule's run for these machines has.
json::Object runInput(const PlanDocument& plan, const PlanRule& rule, const std::string& role, const std::vector<std::string>& instances);

}  // namespace sp::services::backup
