#include "services/scheduler/records.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/time_format.h"

namespace sp::services::scheduler {
namespace {

constexpr std::size_t kTags = 50;
constexpr std::size_t kNameLength = 64;
// Far from what microseconds cannot hold.
constexpr double kLatest = 1e11;

std::string memberName(std::string_view key) {
  std::string name(key);
  name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return name;
}

bool isNameCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.'; }

}  // namespace

std::string scheduleKey(std::string_view group, std::string_view name) { return fmt::format("{}\x1f{}", group, name); }

std::string scheduleArn(const Realm& realm, std::string_view group, std::string_view name) {
  return realm.arn("scheduler", fmt::format("schedule/{}/{}", group, name));
}

std::string groupArn(const Realm& realm, std::string_view name) { return realm.arn("scheduler", fmt::format("schedule-group/{}", name)); }

Checked<json::Object> findGroup(store::Txn& txn, std::string_view name) {
  const auto body = txn.records().get(kGroup, name);
  if (!body) return aws::refuse("ResourceNotFoundException", fmt::format("Schedule group {} does not exist.", name), 404);
  return decode(*body);
}

Checked<json::Object> findSchedule(store::Txn& txn, std::string_view group, std::string_view name) {
  SP_CHECK_OK(findGroup(txn, group));
  const auto body = txn.records().get(kSchedule, scheduleKey(group, name));
  if (!body) return aws::refuse("ResourceNotFoundException", fmt::format("Schedule {} does not exist.", name), 404);
  return decode(*body);
}

void saveGroup(store::Txn& txn, const json::Object& group) { txn.records().put(kGroup, json::textOr(group, "Name"), json::toText(group)); }

void saveSchedule(store::Txn& txn, const json::Object& schedule) {
  txn.records().put(kSchedule, scheduleKey(json::textOr(schedule, "GroupName"), json::textOr(schedule, "Name")), json::toText(schedule));
}

std::uint64_t countOf(store::Txn& txn) {
  const auto body = txn.records().get(kCount, "all");
  return body ? static_cast<std::uint64_t>(json::intOr(decode(*body), "count", 0)) : 0;
}

void saveCount(store::Txn& txn, std::uint64_t count) { txn.records().put(kCount, "all", json::toText(json::Object{{"count", count}})); }

std::optional<Instant> momentOf(const json::Object& record, std::string_view key) {
  const auto* value = json::find(record, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return fromMicros(json::intOr(record, key, 0));
}

std::chrono::minutes windowOf(const json::Object& schedule) {
  return std::chrono::minutes(json::intOr(schedule.at("FlexibleTimeWindow").get_object(), "MaximumWindowInMinutes", 0));
}

schedule::Ran ranOf(const json::Object& schedule) {
  if (const auto text = json::textOr(schedule, "ran"); !text.empty()) return schedule::Ran::parse(text);
  // As earlier versions kept it.
  const auto last = momentOf(schedule, "last");
  return last ? schedule::Ran::upTo(*last) : schedule::Ran();
}

Result<schedule::Recurrence> recurrenceOf(const json::Object& schedule) {
  const auto expression = json::textOr(schedule, "ScheduleExpression");
  const auto name = json::textOr(schedule, "ScheduleExpressionTimezone");
  const auto zone = schedule::TimeZone::find(name);
  if (!zone) return fail("schedule.zone", fmt::format("There is no time zone {} on this machine: install tzdata.", name));
  schedule::RecurrenceSpec spec{expression};
  spec.zone = *zone;
  spec.anchor = momentOf(schedule, "anchor").value_or(Instant{});
  spec.start = momentOf(schedule, "start");
  spec.end = momentOf(schedule, "end");
  spec.window = windowOf(schedule);
  return schedule::Recurrence::parse(spec);
}

Checked<std::string> readName(const json::Object& input, std::string_view key, bool required) {
  SP_TRY(auto name, readText(input, key, kNameLength, required));
  if (!std::ranges::all_of(name, isNameCharacter)) return invalid(key, name, "satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$");
  return name;
}

Checked<std::string> readGroup(const json::Object& input) {
  SP_TRY(auto name, readName(input, "GroupName", false));
  return name.empty() ? std::string(kDefaultGroup) : name;
}

Checked<std::string> readToken(const json::Object& input) {
  SP_TRY(auto token, readText(input, "ClientToken", 64));
  if (!std::ranges::all_of(token, [](char c) { return isNameCharacter(c) && c != '.'; }))
    return invalid("ClientToken", token, "satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$");
  return token;
}

Checked<std::optional<Instant>> readMoment(const json::Object& input, std::string_view key) {
  const auto* value = json::find(input, key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_string()) {
    const auto parsed = parseIso8601(json::toView(value->get_string()));
    if (parsed) return *parsed;
  }
  if (value->is_number() && std::abs(value->to_number<double>()) <= kLatest) {
    const auto seconds = value->is_double() ? value->get_double() : value->to_number<double>();
    return fromMicros(static_cast<std::int64_t>(std::llround(seconds * 1e6)));
  }
  return aws::refuse("SerializationException", fmt::format("Member '{}' must be a time, not {}", memberName(key), json::toText(*value)));
}

Checked<void> readTags(const json::Object& input, json::Object& tags) {
  const auto* list = json::find(input, "Tags");
  if (list == nullptr || list->is_null()) return {};
  if (!list->is_array()) return aws::refuse("SerializationException", "Member 'tags' must be a list");
  for (const auto& entry : list->get_array()) {
    if (!entry.is_object()) return invalid("Tags", json::toText(entry), "be a key and a value");
    SP_TRY(const auto key, events::readTagKey(entry.get_object()));
    SP_TRY(const auto value, readText(entry.get_object(), "Value", 256, true));
    tags[key] = value;
  }
  if (tags.size() > kTags)
    return invalid("Tags", fmt::format("of {} tags", tags.size()), fmt::format("have length less than or equal to {}", kTags));
  return {};
}

Checked<events::Page> readPage(const json::Object& input, std::string bound_to) {
  const auto most = json::intOr(input, "MaxResults", 100);
  if (most < 1 || most > 100)
    return invalid("MaxResults", fmt::format("{}", most),
                   most < 1 ? "have value greater than or equal to 1" : "have value less than or equal to 100");
  json::Object renamed{{"Limit", most}};
  if (const auto* token = json::find(input, "NextToken")) renamed["NextToken"] = *token;
  return events::readPage(renamed, std::move(bound_to));
}

std::string askedBy(const json::Object& input) {
  auto rest = input;
  rest.erase("ClientToken");
  return sha256Hex(json::toText(rest));
}

}  // namespace sp::services::scheduler
