#include "services/iam/trust.h"

#include <algorithm>

#include "base/strings.h"
#include "services/iam/roles.h"

namespace sp::services::iam {
namespace {

// One text or a list of them: whether any fulfils the test.
template <class Test>
bool anyOf(const json::Value* given, const Test& test) {
  if (given == nullptr) return false;
  if (given->is_string()) return test(json::toView(given->get_string()));
  return given->is_array() && std::ranges::any_of(given->get_array(), [&](const json::Value& one) {
           return one.is_string() && test(json::toView(one.get_string()));
         });
}

std::string_view accountOf(std::string_view arn) {
  const auto parts = split(arn, ':');
  return parts.size() > 4 ? parts[4] : std::string_view();
}

bool names(const json::Value* principal, std::string_view taker) {
  if (principal == nullptr) return false;
  if (principal->is_string()) return *principal == "*";
  if (!principal->is_object()) return false;
  const auto account = accountOf(taker);
  return anyOf(json::find(principal->get_object(), "AWS"), [&](std::string_view one) {
    return one == "*" || one == taker || one == account || (accountOf(one) == account && one.ends_with(":root"));
  });
}

bool assumes(const json::Value* action) {
  return anyOf(action, [](std::string_view one) {
    return one == "*" || equalsIgnoreCase(one, "sts:*") || equalsIgnoreCase(one, "sts:Assume*") || equalsIgnoreCase(one, "sts:AssumeRole");
  });
}

}  // namespace

bool trusts(std::string_view document, std::string_view taker) {
  const auto policy = json::parse(document);
  const auto* given = policy && policy->is_object() ? json::find(policy->get_object(), "Statement") : nullptr;
  if (given == nullptr) return false;
  const json::Array statements = given->is_array() ? given->get_array() : json::Array{*given};
  bool allowed = false;
  for (const auto& one : statements) {
    if (!one.is_object()) continue;
    const auto& statement = one.get_object();
    if (!names(json::find(statement, "Principal"), taker) || !assumes(json::find(statement, "Action"))) continue;
    if (json::textOr(statement, "Effect") == "Deny") return false;
    allowed = allowed || json::find(statement, "Condition") == nullptr;
  }
  return allowed;
}

bool trustsService(std::string_view document, std::string_view service) {
  const auto policy = json::parse(document);
  const auto* given = policy && policy->is_object() ? json::find(policy->get_object(), "Statement") : nullptr;
  if (given == nullptr) return false;
  const json::Array statements = given->is_array() ? given->get_array() : json::Array{*given};
  return std::ranges::any_of(statements, [&](const json::Value& one) {
    if (!one.is_object() || json::textOr(one.get_object(), "Effect") != "Allow") return false;
    const auto* principal = json::find(one.get_object(), "Principal");
    return principal != nullptr && principal->is_object() && assumes(json::find(one.get_object(), "Action")) &&
           anyOf(json::find(principal->get_object(), "Service"), [&](std::string_view each) { return each == service; });
  });
}

bool mayAssume(store::Txn& txn, const Realm& realm, std::string_view arn, std::string_view taker) {
  const auto role = findRole(txn, arn.substr(arn.rfind('/') + 1));
  return role && role->arn(realm) == arn && trusts(role->trust, taker);
}

}  // namespace sp::services::iam
