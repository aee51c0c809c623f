// ListUpcomingRuns: docs/api/stillpoint.md.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "schedule/expression.h"
#include "services/backup/plans/plans.h"
#include "services/events/records.h"
#include "services/scheduler/records.h"
#include "services/stillpoint/operations.h"
#include "services/stillpoint/stillpoint.h"
#include "services/stillpoint/targets_now.h"

namespace sp::services::stillpoint {
namespace {

// A page looks at so many records at most.
constexpr std::size_t kLookedAt = 2'000;
constexpr std::int64_t kMostRuns = 20;
constexpr std::string_view kBound = "ListUpcomingRuns";
constexpr std::string_view kPlans = "plan";

struct Asked {
  std::int64_t runs = 5;
  std::int64_t most = 100;
  std::string after;
};

struct Sources {
  const Ports& ports;
  backup::Backup& backup;
  const Realm& realm;
};

json::Object shapeOf(const Sources& sources, store::Txn& txn, const json::Object& target) {
  json::Object out{{"Arn", target.at("Arn")}};
  const auto now = targetNow(sources.ports, sources.backup, txn, sources.realm, target);
  if (now.machines) out["Instances"] = json::Array(now.machines->begin(), now.machines->end());
  if (!now.problem.empty()) out["Problem"] = now.problem;
  return out;
}

template <class Next>
json::Array runsOf(Instant after, std::int64_t count, const Next& next) {
  json::Array out;
  for (auto at = next(after); at && out.size() < static_cast<std::size_t>(count); at = next(*at)) out.emplace_back(toIso8601Seconds(*at));
  return out;
}

// nullopt: a rule that waits for events alone.
std::optional<json::Object> ruleShape(const Sources& sources, store::Txn& txn, const json::Object& rule, const Asked& asked) {
  const auto text = json::textOr(rule, "ScheduleExpression");
  const auto expression = schedule::Expression::parse(text);
  if (text.empty() || !expression) return std::nullopt;
  json::Object out{{"Kind", "rule"}, {"TimeZone", "UTC"}};
  for (const auto* key : {"Name", "Arn", "State", "ScheduleExpression"}) out[key] = rule.at(key);
  const auto anchor = fromMicros(json::intOr(rule, "anchor", 0));
  out["Runs"] = json::textOr(rule, "State") != "ENABLED"
                    ? json::Array()
                    : runsOf(txn.now(), asked.runs, [&](Instant after) { return expression->next(anchor, after); });
  json::Array targets;
  for (const auto& target : rule.at("targets").get_array()) targets.push_back(shapeOf(sources, txn, target.get_object()));
  out["Targets"] = std::move(targets);
  return out;
}

json::Object scheduleShape(const Sources& sources, store::Txn& txn, const json::Object& schedule, const Asked& asked) {
  json::Object out{{"Kind", "schedule"}, {"TimeZone", schedule.at("ScheduleExpressionTimezone")}};
  for (const auto* key : {"Name", "GroupName", "Arn", "State", "ScheduleExpression"}) out[key] = schedule.at(key);
  const auto window = scheduler::windowOf(schedule);
  if (window.count() > 0) out["WindowInMinutes"] = window.count();
  const auto recurrence = scheduler::recurrenceOf(schedule);
  if (!recurrence) out["Problem"] = recurrence.error().message;
  const bool runs = recurrence && json::textOr(schedule, "State") == "ENABLED";
  const auto ran = scheduler::ranOf(schedule);
  const schedule::NextTime times = [&](Instant time) { return recurrence->next(time); };
  out["Runs"] = runs ? runsOf(txn.now(), asked.runs, [&](Instant time) { return ran.next(times, time); }) : json::Array();
  out["Targets"] = json::Array{shapeOf(sources, txn, schedule.at("Target").get_object())};
  return out;
}

// One rule of a plan. What its selections want now is the same for all rules of the plan.
json::Object planShape(const Sources& sources, store::Txn& txn, const backup::Plan& plan, const backup::PlanRule& rule,
                       const std::string& arn, const json::Array& targets, const Asked& asked) {
  json::Object out{{"Kind", "plan"},
                   {"Name", plan.document.name},
                   {"RuleName", rule.name},
                   {"BackupPlanId", plan.id},
                   {"Arn", arn},
                   {"State", plan.paused ? "PAUSED" : "ENABLED"},
                   {"ScheduleExpression", rule.schedule},
                   {"TimeZone", rule.zone},
                   {"StartWindowMinutes", rule.start_window.value_or(backup::kStartWindowDefault)}};
  if (plan.paused) out["PausedAt"] = toIso8601Millis(*plan.paused);
  const auto recurrence = backup::recurrenceOf(rule);
  const auto problem = joinProblems({recurrence ? "" : recurrence.error().message, missingVault(sources.backup, txn, rule.vault)});
  if (!problem.empty()) out["Problem"] = problem;
  out["Runs"] =
      recurrence && !plan.paused ? runsOf(txn.now(), asked.runs, [&](Instant time) { return recurrence->next(time); }) : json::Array();
  out["Targets"] = targets;
  return out;
}

std::string selectionProblem(const backup::PlanChoice& choice) {
  const auto gone = choice.gone.empty() ? ""
                                        : fmt::format("{} {} not exist and {} left out", join(choice.gone, ", "),
                                                      choice.gone.size() == 1 ? "does" : "do", choice.gone.size() == 1 ? "is" : "are");
  return joinProblems({gone, choice.fits_none ? "it chooses no machine now: the next run does nothing for it" : ""});
}

json::Array planTargets(store::Txn& txn, const backup::Plans& plans, const backup::Plan& plan, const std::string& machine) {
  json::Array out;
  for (const auto& choice : plans.choose(txn, plan.id)) {
    json::Object target{
        {"Arn", machine}, {"SelectionName", choice.name}, {"Instances", json::Array(choice.machines.begin(), choice.machines.end())}};
    if (const auto problem = selectionProblem(choice); !problem.empty()) target["Problem"] = problem;
    out.push_back(std::move(target));
  }
  return out;
}

/// What is found, up to the most that was asked for, and the position behind it: a kind and a key. Rules come before schedules, these
/// before plans; only the default bus has rules by schedule.
class Page {
 public:
  Page(const Sources& sources, store::Txn& txn, Asked asked) : sources_(sources), txn_(txn), asked_(std::move(asked)) {}

  json::Object fill() {
    records(events::kRule, events::ruleKey(events::kDefaultBus, ""),
            [&](const json::Object& body) { return ruleShape(sources_, txn_, body, asked_); });
    records(scheduler::kSchedule, "", [&](const json::Object& body) { return std::optional(scheduleShape(sources_, txn_, body, asked_)); });
    plans();
    json::Object out;
    if (full_) out["NextToken"] = aws::makePageToken(kBound, last_);
    out["Schedules"] = std::move(found_);
    return out;
  }

 private:
  /// Where to begin within a kind; nullopt: the page before ended in a later one.
  std::optional<std::string> begin(std::string_view kind) {
    const auto mark = fmt::format("{}/", kind);
    if (asked_.after.empty()) return "";
    if (!asked_.after.starts_with(mark)) return std::nullopt;
    return std::exchange(asked_.after, "").substr(mark.size());
  }
  /// False: there is no room for it.
  bool look(std::string_view kind, std::string_view key) {
    full_ = full_ || found_.size() == static_cast<std::size_t>(asked_.most) || looked_at_ == kLookedAt;
    if (full_) return false;
    ++looked_at_;
    last_ = fmt::format("{}/{}", kind, key);
    return true;
  }

  template <class Shape>
  void records(std::string_view kind, const std::string& prefix, const Shape& shape) {
    const auto after = begin(kind);
    if (!after || full_) return;
    for (const auto& record : txn_.records().scan(kind, prefix, *after, kLookedAt + 1)) {
      if (!look(kind, record.key)) return;
      const auto body = events::decode(record.body);
      if (body.empty()) continue;
      if (auto found = shape(body)) found_.push_back(std::move(*found));
    }
  }

  // Keys: a plan's id and the number of its rule.
  void plans() {
    auto after = begin(kPlans);
    if (!after || full_) return;
    const auto& plans = sources_.backup.plans();
    const auto slash = after->find('/');
    std::size_t done = slash == std::string::npos ? 0 : std::strtoull(after->c_str() + slash + 1, nullptr, 10) + 1;
    auto id = after->substr(0, slash);
    if (!id.empty())
      if (const auto plan = plans.find(txn_, id); plan && !plan->deleted && !rules(plans, *plan, done)) return;
    for (const auto& plan : plans.list(txn_, id, kLookedAt, false))
      if (!rules(plans, plan, 0)) return;
  }
  bool rules(const backup::Plans& plans, const backup::Plan& plan, std::size_t first) {
    const auto targets = planTargets(txn_, plans, plan, prePostBackupArn(sources_.realm));
    for (auto number = first; number < plan.document.rules.size(); ++number) {
      if (!look(kPlans, fmt::format("{}/{}", plan.id, number))) return false;
      found_.push_back(planShape(sources_, txn_, plan, plan.document.rules[number], plans.arn(plan.id), targets, asked_));
    }
    return true;
  }

  const Sources& sources_;
  store::Txn& txn_;
  Asked asked_;
  json::Array found_;
  std::string last_;
  std::size_t looked_at_ = 0;
  bool full_ = false;
};

aws::Outcome list(const Sources& sources, const aws::Call& call) {
  Asked asked;
  json::Reader reader(call.input);
  asked.runs = reader.integerIf("Runs").value_or(asked.runs);
  asked.most = reader.integerIf("MaxResults").value_or(asked.most);
  const auto token = reader.textIf("NextToken");
  if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
  if (asked.runs < 1 || asked.runs > kMostRuns)
    return std::unexpected(aws::ApiError::validation(fmt::format("Runs is {}; it must be between 1 and {}", asked.runs, kMostRuns)));
  if (asked.most < 1 || asked.most > 1000)
    return std::unexpected(aws::ApiError::validation(fmt::format("MaxResults is {}; it must be between 1 and 1000", asked.most)));
  if (token) {
    const auto position = aws::readPageToken(kBound, *token);
    if (!position) return std::unexpected(aws::ApiError::validation("NextToken is not one that this operation gave"));
    asked.after = *position;
  }
  return Page(sources, *call.txn, std::move(asked)).fill();
}

}  // namespace

aws::Operation listUpcomingRuns(const Ports& ports, backup::Backup& backup, const Realm& realm) {
  return {"ListUpcomingRuns", [sources = Sources{ports, backup, realm}](const aws::Call& call) { return list(sources, call); }, {}, false};
}

}  // namespace sp::services::stillpoint
