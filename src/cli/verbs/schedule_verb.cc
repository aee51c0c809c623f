// schedule list, plan pause, plan resume.
#include <fmt/format.h>

#include "base/time_format.h"
#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/schedule_words.h"
#include "cli/views/terminal.h"

namespace sp::cli {
namespace {

Result<json::Array> schedulesOf(Api& api) {
  json::Array all;
  std::string token;
  do {
    json::Object input;
    if (!token.empty()) input["NextToken"] = token;
    SP_TRY(const auto answer, api.call("stillpoint", "Stillpoint_20261101.ListUpcomingRuns", input));
    for (const auto& each : answer.at("Schedules").as_array()) all.push_back(each);
    token = json::textOr(answer, "NextToken");
  } while (!token.empty());
  return all;
}

Result<Instant> momentOf(const json::Value& run) { return parseIso8601(json::toView(run.as_string())); }

// Runs as objects: UTC, local time, and in words.
void explainRuns(json::Object& schedule, Instant now) {
  json::Array runs;
  for (const auto& run : schedule.at("Runs").as_array()) {
    const auto at = momentOf(run);
    if (!at) continue;
    runs.push_back(json::Object{
        {"Utc", run}, {"Local", localIso8601(*at)}, {"Words", fmt::format("{}, {}", dayInWords(*at, now), untilInWords(*at, now))}});
  }
  schedule["Runs"] = std::move(runs);
}

// "PrePostBackup" of its ARN; calls and buses as they are written behind the last mark.
std::string targetName(const std::string& arn) {
  for (const std::string_view mark : {":stateMachine:", ":aws-sdk:"})
    if (const auto at = arn.find(mark); at != std::string::npos) return arn.substr(at + mark.size());
  const auto at = arn.rfind(':');
  return at == std::string::npos ? arn : arn.substr(at + 1);
}

void printTarget(const json::Object& target) {
  const auto name = targetName(json::textOr(target, "Arn"));
  const auto* machines = json::find(target, "Instances");
  const auto selection = json::textOr(target, "SelectionName");
  const auto why = selection.empty() ? std::string() : fmt::format(" (selection {})", selection);
  if (machines == nullptr || !machines->is_array()) return fmt::print("  starts {}{}\n", name, why);
  std::string list;
  for (const auto& id : machines->get_array()) list += fmt::format("{}{}", list.empty() ? "" : ", ", json::toView(id.as_string()));
  const auto count = machines->get_array().size();
  fmt::print("  starts {}, now for {} machine{}{}{}{}\n", name, count, count == 1 ? "" : "s", list.empty() ? "" : ": ", list, why);
}

// "default/nightly" is "nightly"; a plan's rule stands behind its plan.
std::string scheduleName(const json::Object& schedule) {
  const auto group = json::textOr(schedule, "GroupName", "default");
  const auto name = json::textOr(schedule, "Name");
  if (const auto rule = json::textOr(schedule, "RuleName"); !rule.empty()) return fmt::format("{}: {}", name, rule);
  return group == "default" ? name : group + "/" + name;
}

void print(const Terminal& terminal, const json::Object& schedule) {
  const auto state = json::textOr(schedule, "State");
  const bool enabled = state == "ENABLED";
  const auto plan = json::textOr(schedule, "BackupPlanId");
  const auto window = json::intOr(schedule, "WindowInMinutes", 0);
  fmt::print("{:<8}  {}  {}  {}{}{}{}\n", json::textOr(schedule, "Kind"), terminal.paint(scheduleName(schedule), Colour::bold),
             json::textOr(schedule, "ScheduleExpression"), json::textOr(schedule, "TimeZone"),
             window == 0 ? "" : fmt::format("  within {} minutes", window), plan.empty() ? "" : "  plan " + plan,
             enabled ? "" : "  " + terminal.paint(state, Colour::yellow));
  if (const auto since = json::textOr(schedule, "PausedAt"); !since.empty())
    fmt::print("  does not run since {} (stillpoint plan resume {})\n", since, plan);
  if (const auto problem = json::textOr(schedule, "Problem"); !problem.empty()) fmt::print("  {}\n", terminal.paint(problem, Colour::red));
  const auto& targets = schedule.at("Targets").as_array();
  for (const auto& target : targets) printTarget(target.as_object());
  if (targets.empty()) fmt::print("  starts nothing: it has no {}\n", plan.empty() ? "targets" : "selections");
  const auto& runs = schedule.at("Runs").as_array();
  for (const auto& run : runs)
    fmt::print("  {}  {}  {}\n", json::textOr(run.as_object(), "Utc"), json::textOr(run.as_object(), "Local"),
               json::textOr(run.as_object(), "Words"));
  if (runs.empty() && enabled) fmt::print("  does not run again\n");
}

}  // namespace

int scheduleListVerb(const Target& target, bool json) {
  Api api(target);
  auto schedules = schedulesOf(api);
  if (!schedules) {
    fmt::print(stderr, "stillpoint: {}: {}\n", schedules.error().code, schedules.error().message);
    return 1;
  }
  const auto now = SystemClock().now();
  for (auto& schedule : *schedules) explainRuns(schedule.as_object(), now);
  if (json) {
    fmt::print("{}\n", json::toText(*schedules));
    return 0;
  }
  const Terminal terminal;
  if (schedules->empty())
    fmt::print(
        "no schedules yet (aws backup create-backup-plan, aws scheduler create-schedule, or aws events put-rule --schedule-expression; see "
        "docs/schedule.md)\n");
  for (const auto& schedule : *schedules) print(terminal, schedule.as_object());
  return 0;
}

int planPauseVerb(const Target& target, const std::string& plan, bool pause, bool json) {
  Api api(target);
  const auto changed =
      api.call("stillpoint", fmt::format("Stillpoint_20261101.{}BackupPlan", pause ? "Pause" : "Resume"), {{"BackupPlanId", plan}});
  if (!changed) {
    fmt::print(stderr, "stillpoint: {}: {}\n", changed.error().code, changed.error().message);
    return 1;
  }
  if (json) fmt::print("{}\n", json::toText(*changed));
  else if (pause)
    fmt::print("{} is paused since {}: nothing of it becomes due until `stillpoint plan resume {}`\n",
               json::textOr(*changed, "BackupPlanName"), json::textOr(*changed, "PausedAt"), plan);
  else fmt::print("{} runs from its next time on (stillpoint schedule list)\n", json::textOr(*changed, "BackupPlanName"));
  return 0;
}

}  // namespace sp::cli
