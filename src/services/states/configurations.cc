#include "services/states/configurations.h"

#include <set>
#include <tuple>

#include <fmt/format.h>

#include "asl/characters.h"
#include "base/strings.h"

namespace sp::services::states {
namespace {

constexpr std::size_t kGroupArnLength = 256;
constexpr std::size_t kKeyLength = 2048;
constexpr std::int64_t kLeastReuse = 60;
constexpr std::int64_t kMostReuse = 900;
constexpr std::size_t kMaxTags = 50;
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;
// What is longer than a tag may be is told of the tag, not of the text.
constexpr std::size_t kMostText = 1U << 20U;

/// "arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*".
bool isLogGroup(std::string_view arn) {
  const auto parts = split(arn, ':');
  return parts.size() == 8 && parts[0] == "arn" && parts[2] == "logs" && parts[5] == "log-group" && !parts[6].empty() && parts[7] == "*";
}

std::unexpected<aws::ApiError> badLogging(std::string_view why) {
  return aws::refuse("InvalidLoggingConfiguration", fmt::format("Invalid Logging Configuration: {}", why));
}

Answer<void> checkDestination(const json::Value& given, std::size_t place) {
  const auto path = fmt::format("loggingConfiguration.destinations.{}.member", place + 1);
  if (!given.is_object()) return std::unexpected(wrongType(path, "structure"));
  Input destination(given.get_object(), path);
  const auto* group = destination.objectIf("cloudWatchLogsLogGroup");
  SP_CHECK_OK(destination.finish());
  if (group == nullptr) return badLogging("A Log Destination must have a cloudWatchLogsLogGroup with a logGroupArn.");
  Input inner(*group, path + ".cloudWatchLogsLogGroup");
  const auto arn = inner.textIf("logGroupArn", kGroupArnLength);
  SP_CHECK_OK(inner.finish());
  if (!arn || !isLogGroup(*arn))
    return badLogging(fmt::format("logGroupArn '{}' must be the ARN of a log group and end with ':*'.", arn.value_or("")));
  return {};
}

aws::ApiError badTag(std::size_t place, std::string_view member, std::string_view value, std::string_view rule) {
  return aws::ApiError::validation(
      fmt::format("1 validation error detected: Value '{}' at 'tags.{}.member.{}' failed to satisfy constraint: Member must {}",
                  cutText(value, 256), place + 1, member, rule));
}

/// Letters beyond ASCII are not told apart from other signs.
bool isOfTags(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \t\r\n_.:/=+-@";
  return isUtf8(text) && std::ranges::all_of(text, [&](char c) {
           return static_cast<unsigned char>(c) >= 0x80 || kAllowed.find(c) != std::string_view::npos;
         });
}

Answer<std::pair<std::string, std::string>> readTag(const json::Value& given, std::size_t place) {
  const auto path = fmt::format("tags.{}.member", place + 1);
  if (!given.is_object()) return std::unexpected(wrongType(path, "structure"));
  Input input(given.get_object(), path);
  const auto key = input.textIf("key", kMostText).value_or("");
  const auto value = input.textIf("value", kMostText).value_or("");
  SP_CHECK_OK(input.finish());
  if (key.empty()) return std::unexpected(badTag(place, "key", key, "have length greater than or equal to 1"));
  for (const auto& [member, text, most] :
       {std::tuple("key", std::string_view(key), kMaxTagKey), std::tuple("value", std::string_view(value), kMaxTagValue)}) {
    if (asl::characterCount(text) > most)
      return std::unexpected(badTag(place, member, text, fmt::format("have length less than or equal to {}", most)));
    if (!isOfTags(text)) return std::unexpected(badTag(place, member, text, "have letters, digits, white space and _ . : / = + - @ only"));
  }
  if (toLower(key).starts_with("aws:"))
    return std::unexpected(badTag(place, "key", key, "not begin with 'aws:', which is reserved for system use"));
  return std::pair(key, value);
}

}  // namespace

json::Object withDefaults(json::Object logging) {
  if (json::find(logging, "level") == nullptr) logging["level"] = "OFF";
  if (json::find(logging, "includeExecutionData") == nullptr) logging["includeExecutionData"] = false;
  return logging;
}

Answer<std::optional<json::Object>> loggingOf(Input& input) {
  const auto* given = input.objectIf("loggingConfiguration");
  SP_CHECK_OK(input.finish());
  if (given == nullptr) return std::nullopt;
  Input logging(*given, "loggingConfiguration");
  const auto level = logging.choiceIf("level", {"ALL", "ERROR", "FATAL", "OFF"}).value_or("OFF");
  const bool with_data = logging.flag("includeExecutionData", false);
  const auto* destinations = logging.arrayIf("destinations");
  SP_CHECK_OK(logging.finish());
  const auto count = destinations == nullptr ? 0 : destinations->size();
  for (std::size_t i = 0; i < count; ++i) SP_CHECK_OK(checkDestination((*destinations)[i], i));
  if (count > 1 || (count == 0 && level != "OFF")) return badLogging("Must specify exactly one Log Destination.");
  json::Object made{{"level", level}, {"includeExecutionData", with_data}};
  if (count > 0) made["destinations"] = *destinations;
  return made;
}

Answer<std::optional<json::Object>> tracingOf(Input& input) {
  const auto* given = input.objectIf("tracingConfiguration");
  SP_CHECK_OK(input.finish());
  if (given == nullptr) return std::nullopt;
  Input tracing(*given, "tracingConfiguration");
  const bool enabled = tracing.flag("enabled", false);
  SP_CHECK_OK(tracing.finish());
  return json::Object{{"enabled", enabled}};
}

Answer<bool> encryptionOf(Input& input) {
  const auto* given = input.objectIf("encryptionConfiguration");
  SP_CHECK_OK(input.finish());
  if (given == nullptr) return false;
  Input encryption(*given, "encryptionConfiguration");
  const auto type = encryption.choiceIf("type", {"AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"});
  if (!type) encryption.require("type");
  static_cast<void>(encryption.textIf("kmsKeyId", kKeyLength));
  static_cast<void>(encryption.countIf("kmsDataKeyReusePeriodSeconds", kMostReuse, kLeastReuse));
  SP_CHECK_OK(encryption.finish());
  if (*type != "AWS_OWNED_KEY") input.refuseMembers({"encryptionConfiguration"}, "keys of one's own are not available on this server");
  SP_CHECK_OK(input.finish());
  return true;
}

Answer<json::Object> tagsOf(const json::Array* list, const json::Object& existing) {
  auto tags = existing;
  if (list == nullptr) return tags;
  std::set<std::string> given;
  for (std::size_t i = 0; i < list->size(); ++i) {
    SP_TRY(const auto tag, readTag((*list)[i], i));
    if (!given.insert(tag.first).second) return std::unexpected(badTag(i, "key", tag.first, "be unique: each key may be given once"));
    tags[tag.first] = tag.second;
  }
  if (tags.size() > kMaxTags)
    return aws::refuse("TooManyTags", fmt::format("A resource can have at most {} tags, not {}", kMaxTags, tags.size()));
  return tags;
}

}  // namespace sp::services::states
