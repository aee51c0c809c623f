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

// A line that a narrow terminal does not break within a word.
void say(const std::string& line) { fmt::print("{}\n", wrapped(line, Terminal::lineColumns(), "    ")); }

std::string targetLine(const json::Object& target) {
  const auto name = targetName(json::textOr(target, "Arn"));
  const auto* machines = json::find(target, "Instances");
  const auto selection = json::textOr(target, "SelectionName");
  const auto why = selection.empty() ? std::string() : fmt::format(" (selection {})", selection);
  if (machines == nullptr || !machines->is_array()) return fmt::format("  starts {}{}", name, why);
  std::string list;
  for (const auto& id : machines->get_array()) list += fmt::format("{}{}", list.empty() ? "" : ", ", json::toView(id.as_string()));
  const auto count = machines->get_array().size();
  return fmt::format("  starts {}, now for {} machine{}{}{}{}", name, count, count == 1 ? "" : "s", list.empty() ? "" : ": ", list, why);
}

void printTarget(const Terminal& terminal, const json::Object& target) {
  const auto problem = json::textOr(target, "Problem");
  say(targetLine(target) + (problem.empty() ? "" : ": " + terminal.paint(problem, Colour::red)));
}

// Why it does not run at all, and what makes it run again; empty: it does.
std::string whyIdle(const json::Object& schedule) {
  if (const auto since = json::textOr(schedule, "PausedAt"); !since.empty())
    return fmt::format("  does not run since {} (stillpoint plan resume {})", since, json::textOr(schedule, "BackupPlanId"));
  if (json::textOr(schedule, "State") == "ENABLED") return {};
  if (json::textOr(schedule, "Kind") == "rule")
    return fmt::format("  does not run: it is disabled (aws events enable-rule --name {})", json::textOr(schedule, "Name"));
  return "  does not run: it is disabled (aws scheduler update-schedule --state ENABLED with all its other members)";
}

// A terminal that is too narrow for all three shows the moment by this machine's clock alone.
void printRun(const json::Object& run) {
  const auto rest = fmt::format("{}  {}", json::textOr(run, "Local"), json::textOr(run, "Words"));
  const auto line = fmt::format("  {}  {}", json::textOr(run, "Utc"), rest);
  if (columnsOf(line) <= Terminal::lineColumns()) fmt::print("{}\n", line);
  else say("  " + rest);
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
  const auto problem = json::textOr(schedule, "Problem");
  say(fmt::format("{:<8}  {}  {}  {}{}{}{}{}", json::textOr(schedule, "Kind"), terminal.paint(scheduleName(schedule), Colour::bold),
                  json::textOr(schedule, "ScheduleExpression"), json::textOr(schedule, "TimeZone"),
                  window == 0 ? "" : fmt::format("  within {} minutes", window), plan.empty() ? "" : "  plan " + plan,
                  enabled ? "" : "  " + terminal.paint(state, Colour::yellow),
                  problem.empty() ? "" : "  " + terminal.paint(problem, Colour::red)));
  if (const auto why = whyIdle(schedule); !why.empty()) say(why);
  const auto& targets = schedule.at("Targets").as_array();
  for (const auto& target : targets) printTarget(terminal, target.as_object());
  if (targets.empty()) fmt::print("  starts nothing: it has no {}\n", plan.empty() ? "targets" : "selections");
  const auto& runs = schedule.at("Runs").as_array();
  for (const auto& run : runs) printRun(run.as_object());
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
