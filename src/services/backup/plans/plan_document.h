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
  /// The rule as it was written, without what AWS does not know.
  json::Object given;
};

struct PlanDocument {
  std::string name;
  std::vector<PlanRule> rules;
  /// BackupOptions of the resource type EC2: docs/backup-plans.md.
  TextMap options;
  /// AdvancedBackupSettings as they were written, without what AWS does not know.
  json::Array settings;

  const PlanRule* rule(std::string_view id) const;
  /// BackupPlan on the wire: what was written, each rule with its schedule and time zone, and with its id if it has one.
  json::Object shape() const;
};

/// From BackupPlan's JSON, as it came or as shape() wrote it. InvalidParameterValueException or MissingParameterValueException name
/// the member: what AWS knows and is not done here is refused, what AWS does not know is left out.
std::expected<PlanDocument, aws::ApiError> parsePlan(const json::Object& plan);

/// InvalidParameterValueException for a schedule or a zone that there is not, for windows that do not fit and for bad tags. Not asked of
/// what is kept already: a zone may be lost for a while with tzdata, and earlier versions took more.
std::optional<aws::ApiError> checkRule(const PlanRule& rule);
/// When it runs; an error if the zone is not known on this machine any more.
Result<schedule::Recurrence> recurrenceOf(const PlanRule& rule);

/// The input of PrePostBackup that a rule's run for these machines has.
json::Object runInput(const PlanDocument& plan, const PlanRule& rule, const std::string& role, const std::vector<std::string>& instances);

}  // namespace sp::services::backup
