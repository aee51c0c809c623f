// PutRule, DescribeRule, ListRules, ListRuleNamesByTarget, EnableRule, DisableRule, DeleteRule, TestEventPattern.
#include <fmt/format.h>

#include "schedule/expression.h"
#include "schedule/pattern.h"
#include "services/events/operations.h"

namespace sp::services::events {
namespace {

constexpr std::size_t kPatternLength = 4096;

Checked<schedule::Pattern> readPattern(std::string_view text) {
  auto pattern = schedule::Pattern::parse(text);
  if (!pattern)
    return aws::refuse("InvalidEventPatternException", fmt::format("Event pattern is not valid. Reason: {}", pattern.error().message));
  return std::move(*pattern);
}

json::Object shown(const json::Object& rule) {
  json::Object out;
  for (const auto* key : {"Name", "Arn", "EventPattern", "ScheduleExpression", "State", "Description", "RoleArn", "EventBusName"})
    if (const auto* value = json::find(rule, key)) out[key] = *value;
  return out;
}

aws::Outcome put(Events& events, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto pattern, readText(call.input, "EventPattern", kPatternLength));
  SP_TRY(const auto expression, readText(call.input, "ScheduleExpression", 256));
  SP_TRY(const auto description, readText(call.input, "Description", 512));
  SP_TRY(const auto role, readRole(call.input));
  SP_TRY(auto state, readText(call.input, "State", 64));
  if (state.empty()) state = "ENABLED";
  if (state != "ENABLED" && state != "DISABLED") return invalid("State", state, "satisfy enum value set: [ENABLED, DISABLED]");
  if (pattern.empty() && expression.empty())
    return std::unexpected(aws::ApiError::validation("Parameter(s) EventPattern or ScheduleExpression must be specified."));
  if (!pattern.empty()) SP_CHECK_OK(readPattern(pattern));
  if (!expression.empty()) {
    if (bus != kDefaultBus)
      return std::unexpected(aws::ApiError::validation("ScheduleExpression is supported only on the default event bus."));
    if (!schedule::Expression::parse(expression))
      return std::unexpected(aws::ApiError::validation("Parameter ScheduleExpression is not valid."));
  }
  SP_CHECK_OK(findBus(txn, bus));
  const auto body = txn.records().get(kRule, ruleKey(bus, name));
  json::Object rule;
  json::Object tags;
  json::Value anchor = toMicros(txn.now());
  json::Value targets = json::Array();
  if (body) {
    auto before = decode(*body);
    targets = before.at("targets");
    tags = before.at("tags").get_object();
    // The period goes on counting unless it is another one, or it stood still.
    if (json::textOr(before, "ScheduleExpression") == expression && json::textOr(before, "State") == "ENABLED")
      anchor = before.at("anchor");
  } else {
    SP_CHECK_OK(readTags(call.input, tags));
    if (txn.records().scan(kRule, ruleKey(bus, ""), "", kRulesOfABus).size() >= kRulesOfABus)
      return aws::refuse("LimitExceededException", "The requested resource exceeds the maximum number allowed.");
  }
  rule["Name"] = name;
  rule["Arn"] = ruleArn(call.realm, bus, name);
  rule["EventBusName"] = bus;
  rule["State"] = state;
  if (!pattern.empty()) rule["EventPattern"] = pattern;
  if (!expression.empty()) rule["ScheduleExpression"] = expression;
  if (!description.empty()) rule["Description"] = description;
  if (!role.empty()) rule["RoleArn"] = role;
  rule["anchor"] = anchor;
  rule["targets"] = targets;
  rule["tags"] = tags;
  saveRule(txn, rule);
  events.ruleChanged(txn, rule, false);
  return json::Object{{"RuleArn", rule.at("Arn")}};
}

aws::Outcome describe(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto rule, findRule(*call.txn, bus, name));
  auto out = shown(rule);
  out["CreatedBy"] = call.realm.account;
  return out;
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto prefix, readName(call.input, "NamePrefix", 64, false));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto page, readPage(call.input, fmt::format("ListRules/{}/{}", bus, prefix)));
  SP_CHECK_OK(findBus(*call.txn, bus));
  const auto records = call.txn->records().scan(kRule, ruleKey(bus, prefix), page.after, page.limit + 1);
  json::Array rules;
  for (std::size_t i = 0; i < records.size() && i < page.limit; ++i) rules.push_back(shown(decode(records[i].body)));
  json::Object out{{"Rules", std::move(rules)}};
  if (records.size() > page.limit) out["NextToken"] = aws::makePageToken(page.bound_to, records[page.limit - 1].key);
  return out;
}

aws::Outcome listByTarget(const aws::Call& call) {
  SP_TRY(const auto arn, readText(call.input, "TargetArn", 1600, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto page, readPage(call.input, fmt::format("ListRuleNamesByTarget/{}/{}", bus, arn)));
  SP_CHECK_OK(findBus(*call.txn, bus));
  json::Array names;
  json::Object out;
  for (const auto& record : call.txn->records().scan(kRule, ruleKey(bus, ""), page.after, kRulesOfABus)) {
    const auto rule = decode(record.body);
    bool has = false;
    for (const auto& target : rule.at("targets").get_array()) has = has || json::textOr(target.get_object(), "Arn") == arn;
    if (!has) continue;
    if (names.size() == page.limit) {
      out["NextToken"] = aws::makePageToken(page.bound_to, ruleKey(bus, json::toView(names.back().get_string())));
      break;
    }
    names.push_back(rule.at("Name"));
  }
  out["RuleNames"] = std::move(names);
  return out;
}

aws::Outcome setState(Events& events, const aws::Call& call, std::string_view state) {
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(auto rule, findRule(*call.txn, bus, name));
  if (json::textOr(rule, "State") == state) return json::Object();
  rule["State"] = state;
  rule["anchor"] = toMicros(call.txn->now());
  saveRule(*call.txn, rule);
  events.ruleChanged(*call.txn, rule, false);
  return json::Object();
}

aws::Outcome remove(Events& events, const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_CHECK_OK(findBus(*call.txn, bus));
  const auto body = call.txn->records().get(kRule, ruleKey(bus, name));
  // AWS answers the same whether there was one.
  if (!body) return json::Object();
  const auto rule = decode(*body);
  if (!rule.at("targets").get_array().empty())
    return std::unexpected(aws::ApiError::validation("Rule can't be deleted since it has targets."));
  call.txn->records().erase(kRule, ruleKey(bus, name));
  events.ruleChanged(*call.txn, rule, true);
  return json::Object();
}

aws::Outcome test(const aws::Call& call) {
  SP_TRY(const auto text, readText(call.input, "EventPattern", kPatternLength, true));
  SP_TRY(const auto event_text, readText(call.input, "Event", 1U << 20U, true));
  SP_TRY(const auto pattern, readPattern(text));
  const auto event = json::parse(event_text);
  if (!event || !event->is_object())
    return std::unexpected(aws::ApiError::validation("Parameter Event is not valid: it must be a JSON object."));
  for (const auto* key : {"id", "account", "source", "time", "region", "resources", "detail-type"})
    if (!event->get_object().contains(key))
      return std::unexpected(
          aws::ApiError::validation(fmt::format("Parameter Event is not valid: the mandatory field '{}' is missing.", key)));
  return json::Object{{"Result", pattern.matches(event->get_object())}};
}

}  // namespace

std::vector<aws::Operation> ruleOperations(Events& events) {
  return {row("DeleteRule", [&events](const aws::Call& call) { return remove(events, call); }),
          row("DescribeRule", describe),
          row("DisableRule", [&events](const aws::Call& call) { return setState(events, call, "DISABLED"); }),
          row("EnableRule", [&events](const aws::Call& call) { return setState(events, call, "ENABLED"); }),
          row("ListRuleNamesByTarget", listByTarget),
          row("ListRules", list),
          row("PutRule", [&events](const aws::Call& call) { return put(events, call); }),
          row("TestEventPattern", test)};
}

}  // namespace sp::services::events
