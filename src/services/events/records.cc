#include "services/events/records.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "aws/operation.h"
#include "base/strings.h"

namespace sp::services::events {
namespace {

constexpr std::size_t kTags = 50;

std::string memberName(std::string_view key) {
  std::string name(key);
  name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return name;
}

bool isNameCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_'; }

}  // namespace

std::string ruleKey(std::string_view bus, std::string_view name) { return fmt::format("{}\x1f{}", bus, name); }

std::string busArn(const Realm& realm, std::string_view name) { return realm.arn("events", fmt::format("event-bus/{}", name)); }

std::string ruleArn(const Realm& realm, std::string_view bus, std::string_view name) {
  return realm.arn("events", bus == kDefaultBus ? fmt::format("rule/{}", name) : fmt::format("rule/{}/{}", bus, name));
}

std::string busNameOf(const Realm& realm, std::string_view name_or_arn) {
  const auto ours = busArn(realm, "");
  return std::string(name_or_arn.starts_with(ours) ? name_or_arn.substr(ours.size()) : name_or_arn);
}

Checked<json::Object> findBus(store::Txn& txn, std::string_view name) {
  const auto body = txn.records().get(kBus, name);
  if (!body) return aws::refuse("ResourceNotFoundException", fmt::format("Event bus {} does not exist.", name));
  return decode(*body);
}

Checked<json::Object> findRule(store::Txn& txn, std::string_view bus, std::string_view name) {
  SP_CHECK_OK(findBus(txn, bus));
  const auto body = txn.records().get(kRule, ruleKey(bus, name));
  if (!body) return aws::refuse("ResourceNotFoundException", fmt::format("Rule {} does not exist on EventBus {}.", name, bus));
  return decode(*body);
}

void saveBus(store::Txn& txn, const json::Object& bus) { txn.records().put(kBus, json::textOr(bus, "Name"), json::toText(bus)); }

void saveRule(store::Txn& txn, const json::Object& rule) {
  txn.records().put(kRule, ruleKey(json::textOr(rule, "EventBusName"), json::textOr(rule, "Name")), json::toText(rule));
}

std::unexpected<aws::ApiError> invalid(std::string_view key, std::string_view value, std::string_view rule) {
  return std::unexpected(aws::ApiError::validation(
      fmt::format("1 validation error detected: Value {} at '{}' failed to satisfy constraint: Member must {}",
                  value == "null" ? std::string(value) : fmt::format("'{}'", cutText(value, 256)), memberName(key), rule)));
}

Checked<std::string> readRole(const json::Object& input) {
  SP_TRY(auto text, readText(input, "RoleArn", 1600));
  const auto* given = json::find(input, "RoleArn");
  if (given == nullptr || given->is_null()) return text;
  if (text.empty()) return invalid("RoleArn", text, "have length greater than or equal to 1");
  const auto arn = Arn::parse(text);
  if (arn && arn->isRole()) return text;
  return std::unexpected(aws::ApiError::validation(fmt::format(
      "Provided role '{}' cannot be assumed by principal 'events.amazonaws.com': a role's ARN is arn:aws:iam::ACCOUNT:role/NAME.",
      cutText(text, 256))));
}

Checked<std::string> readText(const json::Object& input, std::string_view key, std::size_t longest, bool required) {
  const auto* value = json::find(input, key);
  if (value == nullptr || value->is_null()) {
    if (required) return invalid(key, "null", "not be null");
    return std::string();
  }
  if (!value->is_string()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a string", key));
  auto text = json::toStd(value->get_string());
  if (text.size() > longest) return invalid(key, text, fmt::format("have length less than or equal to {}", longest));
  if (required && text.empty()) return invalid(key, text, "have length greater than or equal to 1");
  return text;
}

Checked<std::string> readName(const json::Object& input, std::string_view key, std::size_t longest, bool required, bool slashes) {
  SP_TRY(auto name, readText(input, key, longest, required));
  if (!std::ranges::all_of(name, [&](char c) { return isNameCharacter(c) || (slashes && c == '/'); }))
    return invalid(key, name, fmt::format("satisfy regular expression pattern: [{}\\.\\-_A-Za-z0-9]+", slashes ? "/" : ""));
  return name;
}

Checked<std::string> readBus(const Realm& realm, const json::Object& input) {
  SP_TRY(const auto given, readText(input, "EventBusName", 1600));
  if (given.empty()) return std::string(kDefaultBus);
  auto name = busNameOf(realm, given);
  if (const auto arn = Arn::parse(name); arn && arn->service == "events" && arn->resource.starts_with("event-bus/"))
    return aws::refuse("ResourceNotFoundException", fmt::format("Event bus {} does not exist.", name));
  if (name.empty() || name.size() > 256 || !std::ranges::all_of(name, [](char c) { return isNameCharacter(c) || c == '/'; }))
    return invalid(
        "EventBusName", given,
        "satisfy regular expression pattern: (arn:aws[\\w-]*:events:[a-z]{2}-[a-z]+-[\\w-]+:[0-9]{12}:event-bus\\/)?[/\\.\\-_A-Za-z0-9]+");
  return name;
}

Checked<const json::Array*> readList(const json::Object& input, std::string_view key, std::size_t most) {
  const auto* value = json::find(input, key);
  if (value == nullptr || value->is_null()) return invalid(key, "null", "not be null");
  if (!value->is_array()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a list", key));
  const auto& list = value->get_array();
  if (list.empty() || list.size() > most)
    return invalid(key, json::toText(list),
                   list.empty() ? "have length greater than or equal to 1" : fmt::format("have length less than or equal to {}", most));
  return &list;
}

Checked<std::string> readTagKey(const json::Object& tag) {
  SP_TRY(auto key, readText(tag, "Key", 128, true));
  if (toLower(key).starts_with("aws:")) return invalid("Key", key, "not begin with 'aws:', which is reserved for system use");
  return key;
}

Checked<void> readTags(const json::Object& input, json::Object& tags) {
  const auto* list = json::find(input, "Tags");
  if (list == nullptr || list->is_null()) return {};
  if (!list->is_array()) return aws::refuse("SerializationException", "Member 'Tags' must be a list");
  for (const auto& entry : list->get_array()) {
    if (!entry.is_object()) return invalid("Tags", json::toText(entry), "be a key and a value");
    SP_TRY(const auto key, readTagKey(entry.get_object()));
    SP_TRY(const auto value, readText(entry.get_object(), "Value", 256));
    tags[key] = value;
  }
  if (tags.size() > kTags)
    return invalid("Tags", fmt::format("of {} tags", tags.size()), fmt::format("have length less than or equal to {}", kTags));
  return {};
}

Checked<Page> readPage(const json::Object& input, std::string bound_to) {
  Page page;
  page.bound_to = std::move(bound_to);
  const auto limit = json::intOr(input, "Limit", 100);
  if (limit < 1 || limit > 100)
    return invalid("Limit", fmt::format("{}", limit),
                   limit < 1 ? "have value greater than or equal to 1" : "have value less than or equal to 100");
  page.limit = static_cast<std::size_t>(limit);
  if (const auto token = json::textOr(input, "NextToken"); !token.empty()) {
    const auto position = aws::readPageToken(page.bound_to, token);
    if (!position) return aws::refuse("ValidationException", "The NextToken is not one that this operation gave for these arguments.");
    page.after = *position;
  }
  return page;
}

}  // namespace sp::services::events
