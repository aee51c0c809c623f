#include "services/backup/plans/selection.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/backup/shapes.h"

namespace sp::services::backup {
namespace {

constexpr std::size_t kMostResources = 500;
constexpr std::size_t kMostConditions = 30;
constexpr std::string_view kTagKey = "aws:ResourceTag/";

aws::ApiError invalid(std::string message) { return apiError("InvalidParameterValueException", std::move(message)); }

std::expected<std::vector<std::string>, aws::ApiError> patterns(const json::Object& selection, std::string_view member) {
  std::vector<std::string> out;
  const auto* value = json::find(selection, member);
  if (value == nullptr || value->is_null()) return out;
  if (!value->is_array() || value->get_array().size() > kMostResources)
    return std::unexpected(invalid(fmt::format("{} must be a list of at most {} ARNs.", member, kMostResources)));
  for (const auto& entry : value->get_array()) {
    auto text = entry.is_string() ? json::toStd(entry.get_string()) : std::string();
    if (text != "*" && !text.starts_with("arn:"))
      return std::unexpected(invalid(fmt::format("{}: {} is not an ARN, nor '*'.", member, json::toText(entry))));
    out.push_back(std::move(text));
  }
  return out;
}

/// Key and value of one condition, which may stand under two names.
std::expected<std::pair<std::string, std::string>, aws::ApiError> pair(const json::Value& entry, std::string_view member) {
  if (!entry.is_object()) return std::unexpected(invalid(fmt::format("{}: '{}' is not an object.", member, json::toText(entry))));
  const auto key = json::textOr(entry.get_object(), "ConditionKey");
  const auto* value = json::find(entry.get_object(), "ConditionValue");
  if (key.empty() || value == nullptr || !value->is_string())
    return std::unexpected(invalid(fmt::format("{}: ConditionKey and ConditionValue are required: {}", member, json::toText(entry))));
  return std::pair(key, json::toStd(value->get_string()));
}

bool named(const std::vector<std::string>& patterns, std::string_view arn) {
  return std::ranges::any_of(patterns, [&](const auto& pattern) { return matchesWildcard(pattern, arn); });
}

}  // namespace

std::expected<Selection, aws::ApiError> Selection::parse(const json::Object& selection, const Realm& realm) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  Selection out;
  auto name = requiredText(selection, "SelectionName");
  if (!name) return std::unexpected(name.error());
  if (name->size() > 50 || name->find_first_not_of(kAllowed) != std::string::npos)
    return std::unexpected(invalid(fmt::format("SelectionName '{}' must be 1 to 50 letters, digits, '-', '_' and '.'.", *name)));
  out.name_ = std::move(*name);
  auto role = requiredText(selection, "IamRoleArn");
  if (!role) return std::unexpected(role.error());
  if (auto refused = checkRoleArn(*role, realm)) return std::unexpected(std::move(*refused));
  out.role_ = std::move(*role);
  auto resources = patterns(selection, "Resources");
  if (!resources) return std::unexpected(resources.error());
  out.resources_ = std::move(*resources);
  auto not_resources = patterns(selection, "NotResources");
  if (!not_resources) return std::unexpected(not_resources.error());
  out.not_resources_ = std::move(*not_resources);
  if (const auto* tags = json::find(selection, "ListOfTags"); tags != nullptr && !tags->is_null()) {
    if (!tags->is_array() || tags->get_array().size() > kMostConditions)
      return std::unexpected(invalid(fmt::format("ListOfTags must be a list of at most {} conditions.", kMostConditions)));
    for (const auto& entry : tags->get_array()) {
      auto condition = pair(entry, "ListOfTags");
      if (!condition) return std::unexpected(condition.error());
      if (const auto type = json::textOr(entry.get_object(), "ConditionType"); type != "STRINGEQUALS")
        return std::unexpected(invalid(fmt::format("ListOfTags: ConditionType '{}' is not STRINGEQUALS.", type)));
      out.tags_.push_back(std::move(*condition));
    }
  }
  const auto* conditions = json::find(selection, "Conditions");
  if (conditions == nullptr || conditions->is_null()) return out;
  if (!conditions->is_object()) return std::unexpected(invalid("Conditions must be an object."));
  for (const auto& member : conditions->get_object()) {
    const std::string_view kind(member.key());
    if (kind != "StringEquals" && kind != "StringNotEquals" && kind != "StringLike" && kind != "StringNotLike")
      return std::unexpected(
          invalid(fmt::format("Conditions: '{}' is not StringEquals, StringNotEquals, StringLike or StringNotLike.", kind)));
    if (member.value().is_null()) continue;
    if (!member.value().is_array()) return std::unexpected(invalid(fmt::format("Conditions.{} must be a list.", kind)));
    for (const auto& entry : member.value().get_array()) {
      auto condition = pair(entry, kind);
      if (!condition) return std::unexpected(condition.error());
      if (!condition->first.starts_with(kTagKey) || condition->first.size() == kTagKey.size())
        return std::unexpected(invalid(fmt::format("Conditions.{}: ConditionKey '{}' is not {}KEY.", kind, condition->first, kTagKey)));
      out.conditions_.push_back(
          {!kind.starts_with("StringNot"), kind.ends_with("Like"), condition->first.substr(kTagKey.size()), std::move(condition->second)});
    }
  }
  if (out.conditions_.size() > kMostConditions)
    return std::unexpected(invalid(fmt::format("Conditions: at most {} may be given.", kMostConditions)));
  return out;
}

bool Selection::wants(std::string_view arn, const std::map<std::string, std::string>& tags) const {
  const bool by_tag =
      std::ranges::any_of(tags_, [&](const auto& wanted) { return tags.contains(wanted.first) && tags.at(wanted.first) == wanted.second; });
  if (!(resources_.empty() && tags_.empty()) && !by_tag && !named(resources_, arn)) return false;
  for (const auto& condition : conditions_) {
    const auto tag = tags.find(condition.key);
    const bool holds =
        tag != tags.end() && (condition.like ? matchesWildcard(condition.value, tag->second) : tag->second == condition.value);
    if (holds != condition.equal) return false;
  }
  return !named(not_resources_, arn);
}

}  // namespace sp::services::backup
