// ListUpcomingRuns: docs/api/stillpoint.md.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "base/time_format.h"
#include "schedule/expression.h"
#include "services/events/records.h"
#include "services/scheduler/records.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {
namespace {

// A page looks at so many records at most.
constexpr std::size_t kLookedAt = 2'000;
constexpr std::int64_t kMostRuns = 20;

using Machines = std::set<std::string>;

struct Asked {
  std::int64_t runs = 5;
  std::int64_t most = 100;
  std::string after;
};

void addById(const Ports& ports, store::Txn& txn, const json::Value* ids, Machines& out) {
  if (ids == nullptr || !ids->is_array()) return;
  for (const auto& id : ids->get_array()) {
    if (!id.is_string()) continue;
    const auto found = ports.targets.find(txn, json::toStd(id.get_string()));
    if (found && !found->terminated) out.insert(found->instance);
  }
}

void addByTag(const Ports& ports, store::Txn& txn, const std::string& key, const std::string& value, Machines& out) {
  for (const auto& target : ports.targets.byTag(txn, key, value))
    if (!target.terminated) out.insert(target.instance);
}

// Run Command's Targets: a machine is meant if each of them names it.
void addByTargets(const Ports& ports, store::Txn& txn, const json::Array& targets, Machines& out) {
  bool first = true;
  for (const auto& one : targets) {
    if (!one.is_object()) continue;
    const auto key = json::textOr(one.get_object(), "Key");
    const auto* values = json::find(one.get_object(), "Values");
    if (values == nullptr || !values->is_array()) continue;
    Machines these;
    if (key == "InstanceIds") addById(ports, txn, values, these);
    else if (key.starts_with("tag:"))
      for (const auto& value : values->get_array())
        if (value.is_string()) addByTag(ports, txn, key.substr(4), json::toStd(value.get_string()), these);
    Machines both;
    if (first) both = these;
    else std::ranges::set_intersection(out, these, std::inserter(both, both.end()));
    out = std::move(both);
    first = false;
  }
}

// The machines that a target with this input would work on if it ran now; nullopt: it cannot be told.
std::optional<Machines> machinesOf(const Ports& ports, store::Txn& txn, const json::Object& target) {
  Machines out;
  if (const auto* command = json::find(target, "RunCommandParameters"); command != nullptr && command->is_object()) {
    const auto* list = json::find(command->get_object(), "RunCommandTargets");
    if (list == nullptr || !list->is_array()) return std::nullopt;
    addByTargets(ports, txn, list->get_array(), out);
    return out;
  }
  const auto parsed = json::parse(json::textOr(target, "Input"));
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& input = parsed->get_object();
  // PrePostBackup and copies of it, calls of Run Command and of EC2.
  if (const auto key = json::textOr(input, "TargetEC2TagKey"); !key.empty()) {
    addByTag(ports, txn, key, json::textOr(input, "TargetEC2TagValue"), out);
    return out;
  }
  for (const auto* member : {"TargetEC2Instances", "InstanceIds"})
    if (const auto* ids = json::find(input, member)) {
      addById(ports, txn, ids, out);
      return out;
    }
  if (const auto* targets = json::find(input, "Targets"); targets != nullptr && targets->is_array()) {
    addByTargets(ports, txn, targets->get_array(), out);
    return out;
  }
  return std::nullopt;
}

json::Object shapeOf(const Ports& ports, store::Txn& txn, const json::Object& target) {
  json::Object out{{"Arn", target.at("Arn")}};
  if (const auto machines = machinesOf(ports, txn, target)) out["Instances"] = json::Array(machines->begin(), machines->end());
  return out;
}

template <class Next>
json::Array runsOf(Instant after, std::int64_t count, const Next& next) {
  json::Array out;
  for (auto at = next(after); at && out.size() < static_cast<std::size_t>(count); at = next(*at)) out.emplace_back(toIso8601Seconds(*at));
  return out;
}

// nullopt: a rule that waits for events alone.
std::optional<json::Object> ruleShape(const Ports& ports, store::Txn& txn, const json::Object& rule, const Asked& asked) {
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
  for (const auto& target : rule.at("targets").get_array()) targets.push_back(shapeOf(ports, txn, target.get_object()));
  out["Targets"] = std::move(targets);
  return out;
}

json::Object scheduleShape(const Ports& ports, store::Txn& txn, const json::Object& schedule, const Asked& asked) {
  json::Object out{{"Kind", "schedule"}, {"TimeZone", schedule.at("ScheduleExpressionTimezone")}};
  for (const auto* key : {"Name", "GroupName", "Arn", "State", "ScheduleExpression"}) out[key] = schedule.at(key);
  const auto window = scheduler::windowOf(schedule);
  if (window.count() > 0) out["WindowInMinutes"] = window.count();
  const auto recurrence = scheduler::recurrenceOf(schedule);
  if (!recurrence) out["Problem"] = recurrence.error().message;
  const bool runs = recurrence && json::textOr(schedule, "State") == "ENABLED";
  const auto after = std::max(txn.now(), scheduler::momentOf(schedule, "last").value_or(Instant{}));
  out["Runs"] = runs ? runsOf(after, asked.runs, [&](Instant time) { return recurrence->next(time); }) : json::Array();
  out["Targets"] = json::Array{shapeOf(ports, txn, schedule.at("Target").get_object())};
  return out;
}

aws::Outcome list(const Ports& ports, const aws::Call& call) {
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
  constexpr std::string_view kBound = "ListUpcomingRuns";
  if (token) {
    const auto position = aws::readPageToken(kBound, *token);
    if (!position) return std::unexpected(aws::ApiError::validation("NextToken is not one that this operation gave"));
    asked.after = *position;
  }
  auto& records = call.txn->records();
  json::Array found;
  json::Object out;
  std::string last;
  std::size_t looked_at = 0;
  const auto full = [&] { return found.size() == static_cast<std::size_t>(asked.most) || looked_at == kLookedAt; };
  // Positions: a kind and a key. Rules come before schedules; only the default bus has schedules.
  for (const auto kind : {events::kRule, scheduler::kSchedule}) {
    const auto mark = fmt::format("{}/", kind);
    const bool begun = asked.after.starts_with(mark);
    if (!begun && !asked.after.empty() && kind == events::kRule) continue;
    const auto prefix = kind == events::kRule ? events::ruleKey(events::kDefaultBus, "") : std::string();
    for (const auto& record : records.scan(kind, prefix, begun ? asked.after.substr(mark.size()) : "", kLookedAt)) {
      if (full()) {
        out["NextToken"] = aws::makePageToken(kBound, last);
        out["Schedules"] = std::move(found);
        return out;
      }
      ++looked_at;
      last = mark + record.key;
      const auto body = events::decode(record.body);
      if (body.empty()) continue;
      if (kind == scheduler::kSchedule) found.push_back(scheduleShape(ports, *call.txn, body, asked));
      else if (auto shape = ruleShape(ports, *call.txn, body, asked)) found.push_back(std::move(*shape));
    }
  }
  if (full()) out["NextToken"] = aws::makePageToken(kBound, last);
  out["Schedules"] = std::move(found);
  return out;
}

}  // namespace

aws::Operation listUpcomingRuns(const Ports& ports) {
  return {"ListUpcomingRuns", [&ports](const aws::Call& call) { return list(ports, call); }, {}, false};
}

}  // namespace sp::services::stillpoint
