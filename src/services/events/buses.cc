// CreateEventBus, DescribeEventBus, ListEventBuses, DeleteEventBus, PutPermission, RemovePermission.
#include <fmt/format.h>

#include "services/events/operations.h"

namespace sp::services::events {
namespace {

constexpr std::size_t kPolicyLength = 10'240;

json::Object shown(const json::Object& bus) {
  json::Object out{{"Name", bus.at("Name")}, {"Arn", bus.at("Arn")}};
  if (const auto policy = json::textOr(bus, "policy"); !policy.empty()) out["Policy"] = policy;
  return out;
}

aws::Outcome create(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 256, true, true));
  if (call.input.contains("EventSourceName"))
    return std::unexpected(aws::ApiError::validation("Event buses of partners are not served here: leave out EventSourceName."));
  if (name.find('/') != std::string::npos) return std::unexpected(aws::ApiError::validation("Event bus name must not contain '/'."));
  if (call.txn->records().get(kBus, name))
    return aws::refuse("ResourceAlreadyExistsException", fmt::format("Event bus {} already exists.", name));
  if (call.txn->records().count(kBus, kBuses + 1) > kBuses)
    return aws::refuse("LimitExceededException", "The requested resource exceeds the maximum number allowed.");
  json::Object tags;
  SP_CHECK_OK(readTags(call.input, tags));
  const auto arn = busArn(call.realm, name);
  saveBus(*call.txn, {{"Name", name}, {"Arn", arn}, {"tags", std::move(tags)}});
  return json::Object{{"EventBusArn", arn}};
}

aws::Outcome describe(const aws::Call& call) {
  SP_TRY(const auto given, readText(call.input, "Name", 1600));
  SP_TRY(const auto bus, findBus(*call.txn, given.empty() ? std::string(kDefaultBus) : busNameOf(call.realm, given)));
  return shown(bus);
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto prefix, readName(call.input, "NamePrefix", 256, false, true));
  SP_TRY(const auto page, readPage(call.input, "ListEventBuses/" + prefix));
  json::Array buses;
  json::Object out;
  for (const auto& record : call.txn->records().scan(kBus, prefix, page.after, page.limit + 1)) {
    if (buses.size() == page.limit) {
      out["NextToken"] = aws::makePageToken(page.bound_to, json::textOr(buses.back().get_object(), "Name"));
      break;
    }
    buses.push_back(shown(decode(record.body)));
  }
  out["EventBuses"] = std::move(buses);
  return out;
}

aws::Outcome remove(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 256, true, true));
  if (name == kDefaultBus) return std::unexpected(aws::ApiError::validation("Cannot delete event bus default."));
  auto& records = call.txn->records();
  // AWS answers the same whether there was one.
  if (!records.get(kBus, name)) return json::Object();
  if (const auto rules = records.scan(kRule, ruleKey(name, ""), "", kRulesOfABus).size(); rules > 0)
    return std::unexpected(aws::ApiError::validation(
        fmt::format("EventBus can't be deleted since it has rules. Event bus {} has {}: delete them first (RemoveTargets, DeleteRule).",
                    name, rules == 1 ? "1 rule" : fmt::format("{} rules", rules))));
  records.erase(kBus, name);
  return json::Object();
}

json::Object policyOf(const json::Object& bus) {
  auto policy = decode(json::textOr(bus, "policy"));
  if (!policy.contains("Version")) policy["Version"] = "2012-10-17";
  if (const auto* statements = json::find(policy, "Statement"); statements == nullptr || !statements->is_array())
    policy["Statement"] = json::Array();
  return policy;
}

// Whether there was a statement of that name.
bool dropStatement(json::Object& policy, std::string_view sid) {
  json::Array left;
  bool found = false;
  for (auto& statement : policy.at("Statement").get_array()) {
    if (statement.is_object() && json::textOr(statement.get_object(), "Sid") == sid) found = true;
    else left.push_back(statement);
  }
  policy["Statement"] = std::move(left);
  return found;
}

aws::Outcome putPermission(const aws::Call& call) {
  SP_TRY(const auto name, readBus(call.realm, call.input));
  SP_TRY(auto bus, findBus(*call.txn, name));
  SP_TRY(const auto whole, readText(call.input, "Policy", 1U << 20U));
  std::string text;
  if (!whole.empty()) {
    for (const auto* key : {"Action", "Principal", "StatementId", "Condition"})
      if (call.input.contains(key))
        return std::unexpected(aws::ApiError::validation(fmt::format("Parameter {} must not be specified together with Policy.", key)));
    const auto policy = json::parse(whole);
    if (!policy || !policy->is_object() || !policy->get_object().contains("Statement"))
      return std::unexpected(aws::ApiError::validation("Parameter Policy is not valid: it must be a JSON object with statements."));
    text = whole;
  } else {
    SP_TRY(const auto action, readText(call.input, "Action", 64, true));
    SP_TRY(const auto principal, readText(call.input, "Principal", 12, true));
    SP_TRY(const auto sid, readText(call.input, "StatementId", 64, true));
    if (action != "events:PutEvents")
      return std::unexpected(aws::ApiError::validation("Provided value in parameter 'action' is not supported."));
    const bool account = principal.size() == 12 && principal.find_first_not_of("0123456789") == std::string::npos;
    if (principal != "*" && !account) return invalid("Principal", principal, "satisfy regular expression pattern: (\\d{12}|\\*)");
    auto policy = policyOf(bus);
    dropStatement(policy, sid);
    json::Object statement{{"Sid", sid}, {"Effect", "Allow"}, {"Action", action}, {"Resource", bus.at("Arn")}};
    if (account) statement["Principal"] = json::Object{{"AWS", fmt::format("arn:aws:iam::{}:root", principal)}};
    else statement["Principal"] = "*";
    if (const auto* condition = json::find(call.input, "Condition"); condition != nullptr && condition->is_object()) {
      const auto& c = condition->get_object();
      SP_TRY(const auto type, readText(c, "Type", 64, true));
      SP_TRY(const auto key, readText(c, "Key", 128, true));
      SP_TRY(const auto value, readText(c, "Value", 1024, true));
      statement["Condition"] = json::Object{{type, json::Object{{key, value}}}};
    }
    policy.at("Statement").get_array().push_back(std::move(statement));
    text = json::toText(policy);
  }
  if (text.size() > kPolicyLength)
    return aws::refuse("PolicyLengthExceededException",
                       fmt::format("The policy has {} bytes, at most {} are taken.", text.size(), kPolicyLength));
  bus["policy"] = text;
  saveBus(*call.txn, bus);
  return json::Object();
}

aws::Outcome removePermission(const aws::Call& call) {
  SP_TRY(const auto name, readBus(call.realm, call.input));
  SP_TRY(auto bus, findBus(*call.txn, name));
  if (json::boolOr(call.input, "RemoveAllPermissions", false)) {
    bus.erase("policy");
  } else {
    SP_TRY(const auto sid, readText(call.input, "StatementId", 64));
    if (sid.empty()) return std::unexpected(aws::ApiError::validation("Parameter StatementId is required."));
    if (!bus.contains("policy")) return aws::refuse("ResourceNotFoundException", "EventBus does not have a policy.");
    auto policy = policyOf(bus);
    if (!dropStatement(policy, sid)) return aws::refuse("ResourceNotFoundException", "Statement with the provided id does not exist.");
    if (policy.at("Statement").get_array().empty()) bus.erase("policy");
    else bus["policy"] = json::toText(policy);
  }
  saveBus(*call.txn, bus);
  return json::Object();
}

}  // namespace

std::vector<aws::Operation> busOperations() {
  return {row("CreateEventBus", create), row("DeleteEventBus", remove),       row("DescribeEventBus", describe),
          row("ListEventBuses", list),   row("PutPermission", putPermission), row("RemovePermission", removePermission)};
}

}  // namespace sp::services::events
