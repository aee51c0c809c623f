// PutTargets, ListTargetsByRule, RemoveTargets.
#include <algorithm>

#include <fmt/format.h>

#include "asl/jsonpath/path.h"
#include "schedule/transform.h"
#include "services/delivery/dead_letters.h"
#include "services/events/destinations/records.h"
#include "services/events/operations.h"

namespace sp::services::events {
namespace {

constexpr std::size_t kTargetsOfARule = 5;
constexpr std::size_t kMostPaths = 100;
constexpr std::size_t kLongestName = 256;

std::unexpected<aws::ApiError> refused(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

bool isPath(std::string_view text) {
  const auto path = asl::Path::parse(text);
  return path && !path->context();
}

Checked<void> checkTransformer(const json::Object& transformer, std::string_view id) {
  SP_TRY(const auto text, readText(transformer, "InputTemplate", 8192, true));
  std::vector<std::string> names;
  if (const auto* paths = json::find(transformer, "InputPathsMap"); paths != nullptr && paths->is_object()) {
    if (paths->get_object().size() > kMostPaths)
      return refused(fmt::format("InputPathsMap of target {} has more than {} paths.", id, kMostPaths));
    for (const auto& member : paths->get_object()) {
      const std::string_view name(member.key().data(), member.key().size());
      if (name.starts_with("AWS") || name.starts_with("aws."))
        return refused(fmt::format("InputPathsMap key {} of target {} must not start with AWS.", name, id));
      constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
      if (name.empty() || name.size() > kLongestName || name.find_first_not_of(kAllowed) != std::string_view::npos)
        return refused(
            fmt::format("InputPathsMap key '{}' of target {} must be 1 to {} letters, digits, _ and -.", name, id, kLongestName));
      if (!member.value().is_string() || !isPath(json::toView(member.value().get_string())))
        return refused(fmt::format("Invalid InputPathsMap for target {}: {} is not a valid path.", id, name));
      names.emplace_back(name);
    }
  }
  const auto parsed = schedule::Template::parse(text, names);
  const auto good = parsed ? parsed->checkJson() : std::unexpected(parsed.error());
  if (!good) return refused(fmt::format("Invalid InputTemplate for target {} : {}.", id, good.error().message));
  return {};
}

Checked<void> checkInput(const json::Object& target, std::string_view id) {
  int given = 0;
  for (const auto* key : {"Input", "InputPath", "InputTransformer"})
    if (target.contains(key)) ++given;
  if (given > 1) return refused(fmt::format("Only one of Input, InputPath, or InputTransformer must be provided for target {}.", id));
  SP_TRY(const auto input, readText(target, "Input", 8192));
  if (!input.empty() && !json::parse(input)) return refused(fmt::format("JSON syntax error in input for target {}.", id));
  SP_TRY(const auto path, readText(target, "InputPath", 256));
  if (!path.empty() && !isPath(path)) return refused(fmt::format("Invalid InputPath for target {}.", id));
  if (const auto* transformer = json::find(target, "InputTransformer")) {
    if (!transformer->is_object()) return refused(fmt::format("Invalid InputTransformer for target {}.", id));
    return checkTransformer(transformer->get_object(), id);
  }
  return {};
}

Checked<void> checkRunCommand(const json::Object& target, std::string_view id) {
  const auto* parameters = json::find(target, "RunCommandParameters");
  if (parameters == nullptr || !parameters->is_object()) return refused(fmt::format("RunCommandParameters is required for target {}.", id));
  SP_TRY(const auto* list, readList(parameters->get_object(), "RunCommandTargets", 5));
  for (const auto& one : *list) {
    if (!one.is_object()) return refused(fmt::format("Invalid RunCommandTargets for target {}.", id));
    SP_TRY(const auto key, readText(one.get_object(), "Key", 128, true));
    if (!equalsIgnoreCase(key, "InstanceIds") && (!key.starts_with("tag:") || key.size() == 4))
      return refused(
          fmt::format("Invalid RunCommandTargets for target {}: '{}' is no key of a target here; use tag:KEY or InstanceIds.", id, key));
    SP_CHECK_OK(readList(one.get_object(), "Values", 50));
  }
  return {};
}

// What Stillpoint can start, by the target's ARN.
Checked<void> checkArn(const Realm& realm, const json::Object& target, std::string_view id, const std::string& text) {
  const auto arn = Arn::parse(text);
  if (!arn) return refused(fmt::format("Parameter {} is not valid. Reason: Provided Arn is not in correct format.", text));
  const bool here = arn->region == realm.region && (arn->account == realm.account || (arn->service == "ssm" && arn->account.empty()));
  const bool machine = arn->service == "states" && arn->resource.starts_with("stateMachine:");
  const bool bus = arn->service == "events" && arn->resource.starts_with("event-bus/");
  const bool destination = arn->service == "events" && !nameIn(text, "api-destination").empty();
  const bool document = arn->service == "ssm" && arn->resource.starts_with("document/");
  if (!machine && !bus && !document && !destination)
    return refused(fmt::format(
        "Parameter {} is not valid. Reason: targets are state machines, event buses, API destinations and Run Command documents here.",
        text));
  if (!here)
    return refused(
        fmt::format("Parameter {} is not valid. Reason: it is not of account {} and region {}.", text, realm.account, realm.region));
  if (document) SP_CHECK_OK(checkRunCommand(target, id));
  SP_TRY(const auto role, readRole(target));
  if (!destination && target.contains("HttpParameters"))
    return refused(fmt::format("HttpParameters of target {} is for API destinations: leave it out.", id));
  if (destination) SP_CHECK_OK(checkHttpParameters(target, id));
  if (!bus && role.empty()) return refused(fmt::format("RoleArn is required for target {}.", text));
  return {};
}

Checked<void> checkDeadLetters(const Realm& realm, const json::Object& target, std::string_view id) {
  const auto* given = json::find(target, "DeadLetterConfig");
  if (given == nullptr || given->is_null()) return {};
  if (!given->is_object()) return aws::refuse("SerializationException", "Member 'DeadLetterConfig' must be an object");
  const auto* member = json::find(given->get_object(), "Arn");
  if (member == nullptr || member->is_null()) return {};
  SP_TRY(const auto arn, readText(given->get_object(), "Arn", 1600, true));
  if (const auto queue = delivery::deadLetterQueue(realm, arn); !queue)
    return refused(fmt::format("Parameter DeadLetterConfig of target {} is not valid: {}. Reason: {}", id, arn, queue.error()));
  return {};
}

Checked<void> checkRetries(const json::Object& target) {
  const auto* policy = json::find(target, "RetryPolicy");
  if (policy == nullptr || policy->is_null()) return {};
  if (!policy->is_object()) return aws::refuse("SerializationException", "Member 'RetryPolicy' must be an object");
  struct Bounds {
    const char* key;
    std::int64_t least, most;
  };
  for (const auto& [key, least, most] : {Bounds{"MaximumRetryAttempts", 0, 185}, Bounds{"MaximumEventAgeInSeconds", 60, 86'400}}) {
    const auto* value = json::find(policy->get_object(), key);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_int64()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a whole number", key));
    const auto number = value->get_int64();
    if (number < least || number > most)
      return invalid(key, fmt::format("{}", number),
                     number < least ? fmt::format("have value greater than or equal to {}", least)
                                    : fmt::format("have value less than or equal to {}", most));
  }
  return {};
}

Checked<void> checkTarget(const Realm& realm, const json::Object& target) {
  SP_TRY(const auto id, readName(target, "Id", 64, true));
  SP_TRY(const auto arn, readText(target, "Arn", 1600, true));
  for (const auto* key :
       {"EcsParameters", "BatchParameters", "KinesisParameters", "SqsParameters", "RedshiftDataParameters", "SageMakerPipelineParameters"})
    if (target.contains(key)) return refused(fmt::format("{} of target {} is not served here: leave it out.", key, id));
  SP_CHECK_OK(checkArn(realm, target, id, arn));
  SP_CHECK_OK(checkInput(target, id));
  SP_CHECK_OK(checkDeadLetters(realm, target, id));
  return checkRetries(target);
}

std::string idOf(const json::Value& target) { return target.is_object() ? json::textOr(target.get_object(), "Id") : ""; }

aws::Outcome put(Events& events, const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Rule", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto* given, readList(call.input, "Targets", 100));
  for (const auto& target : *given) {
    if (!target.is_object()) return invalid("Targets", json::toText(target), "be a target");
    SP_CHECK_OK(checkTarget(call.realm, target.get_object()));
  }
  SP_TRY(auto rule, findRule(*call.txn, bus, name));
  auto& targets = rule.at("targets").get_array();
  for (const auto& target : *given) {
    const auto same = std::ranges::find_if(targets, [&](const json::Value& one) { return idOf(one) == idOf(target); });
    if (same != targets.end()) *same = target;
    else targets.push_back(target);
  }
  if (targets.size() > kTargetsOfARule)
    return aws::refuse("LimitExceededException", "The requested resource exceeds the maximum number allowed.");
  saveRule(*call.txn, rule);
  events.ruleChanged(*call.txn, rule, false);
  return json::Object{{"FailedEntryCount", 0}, {"FailedEntries", json::Array()}};
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Rule", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto page, readPage(call.input, fmt::format("ListTargetsByRule/{}/{}", bus, name)));
  SP_TRY(const auto rule, findRule(*call.txn, bus, name));
  json::Array out;
  bool beyond = page.after.empty();
  json::Object answer;
  for (const auto& target : rule.at("targets").get_array()) {
    if (beyond && out.size() == page.limit) {
      answer["NextToken"] = aws::makePageToken(page.bound_to, idOf(out.back()));
      break;
    }
    if (beyond) out.push_back(target);
    else beyond = idOf(target) == page.after;
  }
  answer["Targets"] = std::move(out);
  return answer;
}

aws::Outcome remove(Events& events, const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Rule", 64, true));
  SP_TRY(const auto bus, readBus(call.realm, call.input));
  SP_TRY(const auto* ids, readList(call.input, "Ids", 100));
  SP_TRY(auto rule, findRule(*call.txn, bus, name));
  json::Array left;
  json::Array failed;
  const auto& targets = rule.at("targets").get_array();
  for (const auto& target : targets)
    if (std::ranges::none_of(*ids, [&](const json::Value& id) { return id.is_string() && json::toView(id.get_string()) == idOf(target); }))
      left.push_back(target);
  for (const auto& id : *ids) {
    const auto text = id.is_string() ? json::toStd(id.get_string()) : json::toText(id);
    if (std::ranges::any_of(targets, [&](const json::Value& target) { return idOf(target) == text; })) continue;
    failed.push_back(json::Object{{"TargetId", text},
                                  {"ErrorCode", "ResourceNotFoundException"},
                                  {"ErrorMessage", fmt::format("Rule {} does not have a target with the Id {}.", name, text)}});
  }
  rule["targets"] = std::move(left);
  saveRule(*call.txn, rule);
  events.ruleChanged(*call.txn, rule, false);
  const auto count = static_cast<std::int64_t>(failed.size());
  return json::Object{{"FailedEntryCount", count}, {"FailedEntries", std::move(failed)}};
}

}  // namespace

std::vector<aws::Operation> targetOperations(Events& events) {
  return {row("ListTargetsByRule", list), row("PutTargets", [&events](const aws::Call& call) { return put(events, call); }),
          row("RemoveTargets", [&events](const aws::Call& call) { return remove(events, call); })};
}

}  // namespace sp::services::events
