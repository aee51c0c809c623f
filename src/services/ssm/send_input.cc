#include "services/ssm/send_input.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "model/arn.h"
#include "services/ssm/documents/library.h"
#include "services/ssm/rate_control.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kInstancesMax = 50;
constexpr std::size_t kTargetsMax = 5;
constexpr std::size_t kTargetValuesMax = 50;
constexpr std::size_t kCommentMax = 100;
constexpr std::size_t kPrefixMax = 500;
constexpr std::size_t kBucketLeast = 3;
constexpr std::size_t kBucketMost = 63;
constexpr std::int64_t kTimeoutLeast = 30;
constexpr std::int64_t kTimeoutMost = 2'592'000;

using Problem = std::expected<void, aws::ApiError>;

std::unexpected<aws::ApiError> validation(std::string message) { return aws::refuse("ValidationException", std::move(message)); }

Problem readTargets(const json::Object& input, SendInput& into) {
  json::Reader reader(input);
  into.instance_ids = reader.textsIf("InstanceIds");
  const auto* targets = reader.arrayIf("Targets");
  if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
  if (targets != nullptr) into.raw_targets = *targets;
  if (into.instance_ids.empty() == into.raw_targets.empty())
    return validation(into.instance_ids.empty() ? "The request must name its machines: give InstanceIds or Targets."
                                                : "InstanceIds and Targets cannot both be given; use one of them.");
  if (into.instance_ids.size() > kInstancesMax)
    return constraint(fmt::format("[{}]", join(into.instance_ids, ", ")), "instanceIds",
                      fmt::format("have length less than or equal to {}", kInstancesMax));
  if (into.raw_targets.size() > kTargetsMax)
    return constraint(json::toText(into.raw_targets), "targets", fmt::format("have length less than or equal to {}", kTargetsMax));
  auto sorted = into.instance_ids;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    return aws::refuse("DuplicateInstanceId", fmt::format("The instance ID '{}' is given more than once.", *twice));
  for (const auto& each : into.raw_targets) {
    if (!each.is_object()) return aws::refuse("SerializationException", "A member of Targets is no object.");
    json::Reader one(each.get_object(), "Targets");
    Target target;
    target.key = one.text("Key");
    target.values = one.textsIf("Values");
    if (const auto right = one.finish(); !right) return validation(right.error().message);
    if (target.values.empty()) return validation(fmt::format("The target '{}' has no values.", target.key));
    if (target.values.size() > kTargetValuesMax)
      return constraint(json::toText(each), "targets.values", fmt::format("have length less than or equal to {}", kTargetValuesMax));
    target.is_tag = target.key.starts_with("tag:") && target.key.size() > 4;
    if (target.is_tag) target.key = target.key.substr(4);
    else if (target.key.starts_with("resource-groups:"))
      return validation(
          fmt::format("The target '{}' needs resource groups, which are not served here; use tag:KEY or InstanceIds.", target.key));
    else if (!equalsIgnoreCase(target.key, "InstanceIds"))
      return validation(fmt::format("'{}' is no key of a target here; use tag:KEY or InstanceIds.", target.key));
    into.targets.push_back(std::move(target));
  }
  return {};
}

Problem readLimits(const json::Object& input, SendInput& into) {
  json::Reader reader(input);
  into.comment = reader.textIf("Comment").value_or("");
  into.timeout_seconds = reader.integerIf("TimeoutSeconds").value_or(into.timeout_seconds);
  into.max_concurrency = reader.textIf("MaxConcurrency").value_or(into.max_concurrency);
  into.max_errors = reader.textIf("MaxErrors").value_or(into.max_errors);
  into.output_bucket = reader.textIf("OutputS3BucketName").value_or("");
  into.output_prefix = reader.textIf("OutputS3KeyPrefix").value_or("");
  into.output_region = reader.textIf("OutputS3Region").value_or("");
  into.service_role = reader.textIf("ServiceRoleArn").value_or("");
  const auto* notification = reader.objectIf("NotificationConfig");
  const auto* cloudwatch = reader.objectIf("CloudWatchOutputConfig");
  if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
  if (notification != nullptr) into.notification = *notification;
  if (cloudwatch != nullptr) into.cloudwatch = *cloudwatch;
  if (into.comment.size() > kCommentMax)
    return constraint(into.comment, "comment", fmt::format("have length less than or equal to {}", kCommentMax));
  if (into.timeout_seconds < kTimeoutLeast)
    return constraint(std::to_string(into.timeout_seconds), "timeoutSeconds",
                      fmt::format("have value greater than or equal to {}", kTimeoutLeast));
  if (into.timeout_seconds > kTimeoutMost)
    return constraint(std::to_string(into.timeout_seconds), "timeoutSeconds",
                      fmt::format("have value less than or equal to {}", kTimeoutMost));
  if (!concurrencyLimit(into.max_concurrency, 1))
    return constraint(into.max_concurrency, "maxConcurrency",
                      "satisfy regular expression pattern: ^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$");
  if (!errorLimit(into.max_errors, 1))
    return constraint(into.max_errors, "maxErrors", "satisfy regular expression pattern: ^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$");
  if (!into.output_bucket.empty() && (into.output_bucket.size() < kBucketLeast || into.output_bucket.size() > kBucketMost))
    return constraint(into.output_bucket, "outputS3BucketName", fmt::format("have length from {} to {}", kBucketLeast, kBucketMost));
  if (into.output_prefix.size() > kPrefixMax)
    return constraint(into.output_prefix, "outputS3KeyPrefix", fmt::format("have length less than or equal to {}", kPrefixMax));
  if (!into.service_role.empty()) {
    const auto role = Arn::parse(into.service_role);
    if (!role || role->service != "iam" || !role->resource.starts_with("role/"))
      return aws::refuse("InvalidRole", fmt::format("'{}' is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME).", into.service_role));
  }
  if (json::boolOr(into.cloudwatch, "CloudWatchOutputEnabled", false))
    return validation("CloudWatchOutputConfig needs CloudWatch Logs, which is not served here. Outputs go to OutputS3BucketName.");
  if (const auto* alarms = json::find(input, "AlarmConfiguration"); alarms != nullptr && !alarms->is_null())
    return validation("AlarmConfiguration needs CloudWatch alarms, which are not served here. Leave it out.");
  if (!json::textOr(into.notification, "NotificationArn").empty())
    return aws::refuse("InvalidNotificationConfig", "Notifications need SNS, which is not served here. Leave NotificationConfig out.");
  return {};
}

}  // namespace

std::unexpected<aws::ApiError> constraint(std::string_view value, std::string_view path, std::string_view must) {
  return validation(
      fmt::format("1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must {}", value, path, must));
}

std::expected<SendInput, aws::ApiError> readSendInput(const json::Object& input) {
  SendInput read;
  json::Reader reader(input);
  read.document = reader.textIf("DocumentName").value_or("");
  read.version = reader.textIf("DocumentVersion").value_or("");
  read.hash = toLower(reader.textIf("DocumentHash").value_or(""));
  const auto hash_type = reader.textIf("DocumentHashType").value_or("Sha256");
  const auto* parameters = reader.objectIf("Parameters");
  if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
  if (read.document.empty()) return constraint("null", "documentName", "not be null");
  if (!read.hash.empty() && hash_type != "Sha256")
    return validation(fmt::format("DocumentHashType is {}; hashes of documents are Sha256.", hash_type));
  if (parameters != nullptr) read.parameters = *parameters;
  if (auto right = readTargets(input, read); !right) return std::unexpected(std::move(right.error()));
  if (auto right = readLimits(input, read); !right) return std::unexpected(std::move(right.error()));
  if (const auto bytes = json::toText(read.parameters).size(); bytes > kDocumentBytesMax)
    return aws::refuse("MaxDocumentSizeExceeded",
                       fmt::format("The document with its parameters has {} bytes; at most {} are allowed. Put the script into a "
                                   "bucket and send it with AWS-RunRemoteScript.",
                                   bytes, kDocumentBytesMax));
  return read;
}

}  // namespace sp::services::ssm
