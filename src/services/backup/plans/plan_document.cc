#include "services/backup/plans/plan_document.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "services/backup/jobs.h"
#include "services/backup/shapes.h"
#include "services/backup/tags.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kDefaultSchedule = "cron(0 5 ? * * *)";
constexpr std::size_t kMostRules = 100;
constexpr std::int64_t kLeastWindow = 60;
/// A job that begins at the end of the start window has so many minutes left, as on AWS.
constexpr std::int64_t kLeastLeft = 60;
constexpr std::int64_t kMostWindow = 52'560'000;
constexpr std::string_view kStopStart = "StartStopEC2Required";
constexpr std::string_view kStall = "StallTimeoutInSeconds";
/// What an option begins with, and the member of the input's RemoteRunCommandDetails that it is for.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kScripts{
    {{"PreBackupScript.", "PreBackupScriptDetails"}, {"PostBackupScript.", "PostBackupScriptDetails"}}};

aws::ApiError invalid(std::string message) { return apiError("InvalidParameterValueException", std::move(message)); }

std::expected<std::string, aws::ApiError> planName(const json::Object& object, std::string_view member) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  auto name = requiredText(object, member);
  if (name && (name->size() > 50 || name->find_first_not_of(kAllowed) != std::string::npos))
    return std::unexpected(invalid(fmt::format("{} '{}' must be 1 to 50 letters, digits, '-', '_' and '.'.", member, *name)));
  return name;
}

std::optional<aws::ApiError> readWindows(const json::Object& object, PlanRule& rule) {
  for (const auto& [member, into] : {std::pair(std::string_view("StartWindowMinutes"), &rule.start_window),
                                     std::pair(std::string_view("CompletionWindowMinutes"), &rule.completion_window)}) {
    const auto minutes = integer(object, member);
    if (!minutes) return minutes.error();
    if (*minutes && (**minutes < kLeastWindow || **minutes > kMostWindow))
      return invalid(fmt::format("{} must be between {} and {}: {}", member, kLeastWindow, kMostWindow, **minutes));
    *into = *minutes;
  }
  return std::nullopt;
}

std::optional<aws::ApiError> readSchedule(const json::Object& object, PlanRule& rule) {
  auto schedule = optionalText(object, "ScheduleExpression", kDefaultSchedule);
  if (!schedule) return schedule.error();
  rule.schedule = std::move(*schedule);
  if (!rule.schedule.starts_with("cron("))
    return invalid(fmt::format("ScheduleExpression '{}' must be a cron expression, such as {}", rule.schedule, kDefaultSchedule));
  auto zone = optionalText(object, "ScheduleExpressionTimezone", "Etc/UTC");
  if (!zone) return zone.error();
  rule.zone = std::move(*zone);
  return std::nullopt;
}

std::optional<aws::ApiError> refuseUndone(const json::Object& rule) {
  for (const auto& [member, why] :
       {std::pair("CopyActions", "recovery points are not copied yet"), std::pair("IndexActions", "recovery points are not indexed"),
        std::pair("ScanActions", "recovery points are not scanned"),
        std::pair("TargetLogicallyAirGappedBackupVaultArn", "there are no logically air-gapped vaults"),
        std::pair("EnableContinuousBackup", "instances have no continuous backup")})
    if (auto refused = refuseMember(rule, member, why)) return refused;
  return std::nullopt;
}

json::Object givenRule(const json::Object& rule) {
  auto out = only(rule, {"RuleName", "TargetBackupVaultName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartWindowMinutes",
                         "CompletionWindowMinutes", "Lifecycle", "RecoveryPointTags", "EnableContinuousBackup"});
  if (auto* lifecycle = out.if_contains("Lifecycle"))
    *lifecycle = only(lifecycle->get_object(), {"DeleteAfterDays", "MoveToColdStorageAfterDays", "OptInToArchiveForSupportedResources"});
  return out;
}

std::expected<PlanRule, aws::ApiError> parseRule(const json::Value& value) {
  if (!value.is_object()) return std::unexpected(invalid(fmt::format("Rules: '{}' is not an object.", json::toText(value))));
  const auto& object = value.get_object();
  PlanRule rule;
  rule.id = json::textOr(object, "RuleId");
  auto name = planName(object, "RuleName");
  if (!name) return std::unexpected(name.error());
  rule.name = std::move(*name);
  auto vault = requiredText(object, "TargetBackupVaultName");
  if (!vault) return std::unexpected(vault.error());
  if (auto refused = checkVaultName(*vault)) return std::unexpected(std::move(*refused));
  rule.vault = std::move(*vault);
  if (auto refused = readSchedule(object, rule)) return std::unexpected(std::move(*refused));
  if (auto refused = readWindows(object, rule)) return std::unexpected(std::move(*refused));
  const auto days = deleteAfterDays(object);
  if (!days) return std::unexpected(days.error());
  rule.delete_after_days = *days;
  auto tags = textMap(object, "RecoveryPointTags");
  if (!tags) return std::unexpected(tags.error());
  rule.point_tags = std::move(*tags);
  if (auto refused = refuseUndone(object)) return std::unexpected(std::move(*refused));
  rule.given = givenRule(object);
  return rule;
}

std::optional<aws::ApiError> readOptions(const json::Object& plan, PlanDocument& out) {
  auto& into = out.options;
  const auto* settings = json::find(plan, "AdvancedBackupSettings");
  if (settings == nullptr || settings->is_null()) return std::nullopt;
  if (!settings->is_array()) return invalid("AdvancedBackupSettings must be a list.");
  for (const auto& setting : settings->get_array()) {
    if (!setting.is_object()) return invalid("AdvancedBackupSettings: each must be an object.");
    const auto type = optionalText(setting.get_object(), "ResourceType", "EC2");
    if (!type) return type.error();
    if (*type != "EC2") return invalid(fmt::format("AdvancedBackupSettings: ResourceType '{}' is not EC2.", *type));
    if (!out.settings.empty()) return invalid("AdvancedBackupSettings: EC2 stands there twice: put all BackupOptions into one.");
    auto options = textMap(setting.get_object(), "BackupOptions");
    if (!options) return options.error();
    into = std::move(*options);
    out.settings.emplace_back(only(setting.get_object(), {"ResourceType", "BackupOptions"}));
  }
  for (const auto& [key, value] : into) {
    const bool script = std::ranges::any_of(kScripts, [&](const auto& known) { return key.starts_with(known.first); });
    if (!script && key != kStopStart && key != kStall)
      return invalid(
          fmt::format("BackupOptions: '{}' is not known; there are {}, {}, and members of PreBackupScript and PostBackupScript such as "
                      "PreBackupScript.SourceS3Path",
                      key, kStopStart, kStall));
    if (key == kStopStart && value != "true" && value != "false")
      return invalid(fmt::format("BackupOptions: {} must be 'true' or 'false': '{}'", key, value));
  }
  return std::nullopt;
}

json::Object ruleShape(const PlanRule& rule) {
  auto out = rule.given;
  out["ScheduleExpression"] = rule.schedule;
  out["ScheduleExpressionTimezone"] = rule.zone;
  if (!rule.id.empty()) out["RuleId"] = rule.id;
  return out;
}

std::optional<aws::ApiError> checkWindows(const PlanRule& rule) {
  if (!rule.completion_window) return std::nullopt;
  const auto start = rule.start_window.value_or(kStartWindowDefault);
  if (*rule.completion_window >= start + kLeastLeft) return std::nullopt;
  return invalid(
      fmt::format("CompletionWindowMinutes ({}) must be at least {} minutes more than StartWindowMinutes ({}{}): give at least {}{}",
                  *rule.completion_window, kLeastLeft, start, rule.start_window ? "" : ", its default", start + kLeastLeft,
                  start > kLeastWindow ? ", or a smaller StartWindowMinutes" : ""));
}

}  // namespace

const PlanRule* PlanDocument::rule(std::string_view id) const {
  const auto found = std::ranges::find_if(rules, [&](const PlanRule& rule) { return rule.id == id; });
  return found == rules.end() ? nullptr : &*found;
}

json::Object PlanDocument::shape() const {
  json::Array list;
  for (const auto& rule : rules) list.emplace_back(ruleShape(rule));
  json::Object out{{"BackupPlanName", name}, {"Rules", std::move(list)}};
  if (!settings.empty()) out["AdvancedBackupSettings"] = settings;
  return out;
}

std::optional<aws::ApiError> checkRule(const PlanRule& rule) {
  if (auto refused = checkWindows(rule)) return refused;
  if (auto bad = badTags("RecoveryPointTags", rule.point_tags)) return invalid(std::move(*bad));
  if (!schedule::TimeZone::find(rule.zone))
    return invalid(
        fmt::format("ScheduleExpressionTimezone '{}': there is no such time zone. Give an IANA name such as Europe/Berlin.", rule.zone));
  if (const auto parsed = recurrenceOf(rule); !parsed)
    return invalid(fmt::format("ScheduleExpression '{}': {}", rule.schedule, parsed.error().message));
  return std::nullopt;
}

Result<schedule::Recurrence> recurrenceOf(const PlanRule& rule) {
  const auto zone = schedule::TimeZone::find(rule.zone);
  if (!zone) return fail("schedule.zone", fmt::format("There is no time zone {} on this machine: install tzdata.", rule.zone));
  schedule::RecurrenceSpec spec{rule.schedule};
  spec.zone = *zone;
  return schedule::Recurrence::parse(spec);
}

std::expected<PlanDocument, aws::ApiError> parsePlan(const json::Object& plan) {
  PlanDocument out;
  auto name = planName(plan, "BackupPlanName");
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  const auto* rules = json::find(plan, "Rules");
  if (rules == nullptr || rules->is_null()) return std::unexpected(apiError("MissingParameterValueException", "Rules is required."));
  if (!rules->is_array() || rules->get_array().empty() || rules->get_array().size() > kMostRules)
    return std::unexpected(invalid(fmt::format("Rules must be a list of 1 to {} rules.", kMostRules)));
  for (const auto& value : rules->get_array()) {
    auto rule = parseRule(value);
    if (!rule) return std::unexpected(rule.error());
    if (std::ranges::any_of(out.rules, [&](const PlanRule& other) { return other.name == rule->name; }))
      return std::unexpected(invalid(fmt::format("RuleName '{}' is given twice.", rule->name)));
    out.rules.push_back(std::move(*rule));
  }
  if (auto refused = readOptions(plan, out)) return std::unexpected(std::move(*refused));
  if (auto refused = refuseMember(plan, "ScanSettings", "recovery points are not scanned")) return std::unexpected(std::move(*refused));
  return out;
}

json::Object runInput(const PlanDocument& plan, const PlanRule& rule, const std::string& role, const std::vector<std::string>& instances) {
  json::Array ids;
  for (const auto& id : instances) ids.emplace_back(id);
  json::Object details{{"BackupVaultName", rule.vault}, {"IamRoleArn", role}};
  if (rule.delete_after_days > 0) details["Lifecycle"] = json::Object{{"DeleteAfterDays", rule.delete_after_days}};
  if (rule.start_window) details["StartWindowMinutes"] = *rule.start_window;
  if (rule.completion_window) details["CompletionWindowMinutes"] = *rule.completion_window;
  if (!rule.point_tags.empty()) {
    json::Object tags;
    for (const auto& [key, value] : rule.point_tags) tags[key] = value;
    details["RecoveryPointTags"] = std::move(tags);
  }
  json::Object input{{"TargetEC2Instances", std::move(ids)}, {"BackupDetails", std::move(details)}};
  json::Object scripts;
  for (const auto& [key, value] : plan.options) {
    if (key == kStopStart) input[kStopStart] = value == "true";
    if (key == kStall) input[kStall] = value;
    for (const auto& [prefix, member] : kScripts) {
      if (!key.starts_with(prefix)) continue;
      auto& script = scripts[member];
      if (!script.is_object()) script = json::Object();
      script.as_object()[std::string_view(key).substr(prefix.size())] = value;
    }
  }
  if (!scripts.empty()) input["RemoteRunCommandDetails"] = std::move(scripts);
  return input;
}

}  // namespace sp::services::backup
