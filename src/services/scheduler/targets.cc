#include "services/scheduler/targets.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/delivery/dead_letters.h"

namespace sp::services::scheduler {
namespace {

constexpr std::size_t kInputLength = 262'144;
constexpr std::string_view kSdkPrefix = "arn:aws:scheduler:::aws-sdk:";
// As on AWS, what only reads is no target.
constexpr std::array<std::string_view, 17> kReading = {"get",      "describe", "list",          "poll",      "receive",    "search",
                                                       "scan",     "query",    "select",        "read",      "lookup",     "discover",
                                                       "validate", "batchGet", "batchDescribe", "batchRead", "transactGet"};

std::unexpected<aws::ApiError> refused(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

Checked<void> checkRole(const json::Object& target) {
  SP_TRY(const auto text, readText(target, "RoleArn", 1600, true));
  const auto arn = Arn::parse(text);
  if (arn && arn->isRole()) return {};
  return invalid(
      "target.roleArn", text,
      "satisfy regular expression pattern: ^arn:aws(-[a-z]+)?:iam::\\d{12}:role\\/(service-role\\/){0,1}[a-zA-Z0-9\\+=,\\.@\\-_]+$");
}

Checked<json::Object> readRetries(const json::Object& target) {
  std::int64_t attempts = 185;
  std::int64_t age = 86'400;
  const auto* policy = json::find(target, "RetryPolicy");
  if (policy != nullptr && !policy->is_null()) {
    if (!policy->is_object()) return aws::refuse("SerializationException", "Member 'target.retryPolicy' must be an object");
    for (const auto& [key, value] : {std::pair{"MaximumRetryAttempts", &attempts}, std::pair{"MaximumEventAgeInSeconds", &age}}) {
      const auto* given = json::find(policy->get_object(), key);
      if (given == nullptr || given->is_null()) continue;
      if (!given->is_int64()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a whole number", key));
      *value = given->get_int64();
    }
  }
  const auto outside = [](std::string_view path, std::int64_t value, std::int64_t low, std::int64_t high) {
    return invalid(path, fmt::format("{}", value),
                   value < low ? fmt::format("have value greater than or equal to {}", low)
                               : fmt::format("have value less than or equal to {}", high));
  };
  if (attempts < 0 || attempts > 185) return outside("target.retryPolicy.maximumRetryAttempts", attempts, 0, 185);
  if (age < 60 || age > 86'400) return outside("target.retryPolicy.maximumEventAgeInSeconds", age, 60, 86'400);
  return json::Object{{"MaximumEventAgeInSeconds", age}, {"MaximumRetryAttempts", attempts}};
}

Checked<void> checkBus(const json::Object& target, const std::string& arn) {
  const auto* given = json::find(target, "EventBridgeParameters");
  if (given == nullptr || !given->is_object()) return refused(fmt::format("EventBridgeParameters is required for target {}.", arn));
  const auto& parameters = given->get_object();
  SP_CHECK_OK(readText(parameters, "DetailType", 128, true));
  SP_TRY(const auto source, readText(parameters, "Source", 256, true));
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '.' || c == '-' || c == '_';
  };
  if (source.starts_with("aws.") || !std::ranges::all_of(source, plain))
    return invalid("target.eventBridgeParameters.source", source, "satisfy regular expression pattern: (?!aws\\.)[/\\.\\-_A-Za-z0-9]+");
  return {};
}

Checked<void> checkSdk(const SdkCalls* sdk, const std::string& arn, const SdkTarget& call) {
  if (std::ranges::any_of(kReading, [&](std::string_view verb) { return call.action.starts_with(verb); }))
    return refused(fmt::format("Parameter {} is not valid. Reason: {} only reads, which is nothing for a schedule.", arn, call.action));
  if (sdk == nullptr || !sdk->knowsSdk(call.service, call.action))
    return refused(fmt::format("Parameter {} is not valid. Reason: {}:{} is not served here.", arn, call.service, call.action));
  return {};
}

Checked<void> checkArn(const Realm& realm, const SdkCalls* sdk, const json::Object& target, const std::string& text) {
  if (const auto call = sdkTargetOf(text)) return checkSdk(sdk, text, *call);
  const auto arn = Arn::parse(text);
  if (!arn) return refused(fmt::format("Parameter {} is not valid. Reason: Provided Arn is not in correct format.", text));
  const bool machine = arn->service == "states" && arn->resource.starts_with("stateMachine:");
  const bool bus = arn->service == "events" && arn->resource.starts_with("event-bus/");
  if (!machine && !bus)
    return refused(fmt::format(
        "Parameter {} is not valid. Reason: targets are state machines, event buses and arn:aws:scheduler:::aws-sdk:SERVICE:ACTION "
        "here.",
        text));
  if (arn->region != realm.region || arn->account != realm.account)
    return refused(
        fmt::format("Parameter {} is not valid. Reason: it is not of account {} and region {}.", text, realm.account, realm.region));
  if (bus) return checkBus(target, text);
  if (target.contains("EventBridgeParameters"))
    return refused(fmt::format("EventBridgeParameters of target {} is for event buses: leave it out.", text));
  return {};
}

// Whether an update leaves what is called as it was.
bool isKept(const json::Object* before, const json::Object& target) {
  if (before == nullptr) return false;
  const auto& old = before->at("Target").get_object();
  return std::ranges::all_of(std::array{"Arn", "Input"},
                             [&](std::string_view key) { return json::textOr(old, key) == json::textOr(target, key); });
}

Checked<void> checkInput(const SdkCalls* sdk, const json::Object& target, const std::string& arn, const json::Object* before) {
  const auto* given = json::find(target, "Input");
  if (given == nullptr || given->is_null()) return {};
  SP_TRY(const auto input, readText(target, "Input", kInputLength, true));
  // As it will look when its context attributes are filled in.
  const auto parsed = json::parse(schedule::fillContext(input, {"arn", Instant{}, "id", 1}), 1000);
  if (!parsed) return refused(fmt::format("Invalid Input for target {}: it must be JSON, but is {}.", arn, parsed.error().message));
  const auto call = sdkTargetOf(arn);
  if (!call) return {};
  if (!parsed->is_object())
    return refused(fmt::format("Invalid Input for target {}: it must be a JSON object, the parameters of the call.", arn));
  if (isKept(before, target)) return {};
  if (const auto unknown = sdk->unknownOfSdk(call->service, call->action, parsed->get_object()); !unknown.empty())
    return refused(
        fmt::format("Invalid Input for target {}: {} has no member '{}', check how it is spelled.", arn, call->action, unknown[0]));
  return {};
}

// The queue's ARN; empty: none is named.
Checked<std::string> readDeadLetters(const Realm& realm, const json::Object& target) {
  const auto* given = json::find(target, "DeadLetterConfig");
  if (given == nullptr || given->is_null()) return std::string();
  if (!given->is_object()) return aws::refuse("SerializationException", "Member 'target.deadLetterConfig' must be an object");
  SP_TRY(auto arn, readText(given->get_object(), "Arn", 1600));
  if (arn.empty()) return std::string();
  if (const auto queue = delivery::deadLetterQueue(realm, arn); !queue)
    return refused(fmt::format("Parameter {} is not valid. Reason: {}", arn, queue.error()));
  return arn;
}

}  // namespace

std::optional<SdkTarget> sdkTargetOf(std::string_view arn) {
  if (!arn.starts_with(kSdkPrefix)) return std::nullopt;
  const auto words = split(arn.substr(kSdkPrefix.size()), ':');
  if (words.size() != 2 || words[0].empty() || words[1].empty()) return std::nullopt;
  return SdkTarget{std::string(words[0]), std::string(words[1])};
}

Checked<json::Object> readTarget(const Realm& realm, const SdkCalls* sdk, const json::Object& input, const json::Object* before) {
  const auto* given = json::find(input, "Target");
  if (given == nullptr || given->is_null()) return invalid("Target", "null", "not be null");
  if (!given->is_object()) return aws::refuse("SerializationException", "Member 'target' must be an object");
  const auto& target = given->get_object();
  SP_TRY(const auto arn, readText(target, "Arn", 1600, true));
  SP_CHECK_OK(checkRole(target));
  for (const auto* key : {"EcsParameters", "KinesisParameters", "SageMakerPipelineParameters", "SqsParameters"})
    if (const auto* value = json::find(target, key); value != nullptr && !value->is_null())
      return refused(fmt::format("{} of target {} is not served here: leave it out.", key, arn));
  SP_CHECK_OK(checkArn(realm, sdk, target, arn));
  SP_CHECK_OK(checkInput(sdk, target, arn, before));
  json::Object kept;
  for (const auto* key : {"Arn", "RoleArn", "Input", "EventBridgeParameters"})
    if (const auto* value = json::find(target, key); value != nullptr && !value->is_null()) kept[key] = *value;
  SP_TRY(auto retries, readRetries(target));
  kept["RetryPolicy"] = std::move(retries);
  SP_TRY(const auto queue, readDeadLetters(realm, target));
  if (!queue.empty()) kept["DeadLetterConfig"] = json::Object{{"Arn", queue}};
  return kept;
}

}  // namespace sp::services::scheduler
