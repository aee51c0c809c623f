#include "services/ssm/views.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "services/ssm/outputs.h"
#include "services/ssm/rate_control.h"

namespace sp::services::ssm {
namespace {

constexpr std::int64_t kMostResults = 50;

json::Array toArray(const std::vector<std::string>& texts) {
  json::Array array;
  for (const auto& each : texts) array.emplace_back(each);
  return array;
}

json::Object stepView(const Command& command, const Invocation& invocation, const StepRecord& step, const std::string& shown_status,
                      const std::string& shown_details, const Realm& realm) {
  const bool over = isTerminal(step.status);
  json::Object view{{"Name", step.name},
                    {"Status", over ? step.status : shown_status},
                    {"StatusDetails", over ? step.details : shown_details},
                    {"ResponseCode", step.exit_code}};
  if (step.started) view["ResponseStartDateTime"] = toEpochSeconds(*step.started);
  if (step.ended) view["ResponseFinishDateTime"] = toEpochSeconds(*step.ended);
  view["Output"] = pluginOutput(step);
  view["StandardOutputUrl"] = outputUrl(command, invocation, step, "stdout", realm);
  view["StandardErrorUrl"] = outputUrl(command, invocation, step, "stderr", realm);
  if (!command.output_bucket.empty()) {
    view["OutputS3Region"] = command.output_region.empty() ? realm.region : command.output_region;
    view["OutputS3BucketName"] = command.output_bucket;
    view["OutputS3KeyPrefix"] = pluginKeyPrefix(command.output_prefix, command.id, invocation.instance_id, step);
  } else {
    view["OutputS3Region"] = realm.region;
    view["OutputS3BucketName"] = "";
    view["OutputS3KeyPrefix"] = "";
  }
  return view;
}

/// What is to be said beside the steps' outputs.
std::string traceOutput(const Invocation& invocation) {
  auto text = invocation.message;
  for (const auto& step : invocation.steps)
    if (!step.output_note.empty()) text += (text.empty() ? "" : "\n") + step.output_note;
  return text;
}

}  // namespace

json::Object notificationView(const json::Object& given) {
  json::Object view{{"NotificationArn", ""}, {"NotificationEvents", json::Array{}}, {"NotificationType", ""}};
  for (const auto& [key, value] : given) view[key] = value;
  return view;
}

json::Object cloudwatchView(const json::Object& given) {
  json::Object view{{"CloudWatchLogGroupName", ""}, {"CloudWatchOutputEnabled", false}};
  for (const auto& [key, value] : given) view[key] = value;
  return view;
}

json::Object commandView(const Command& command) {
  return {{"CommandId", command.id},
          {"DocumentName", command.document_name},
          {"DocumentVersion", command.document_version},
          {"Comment", command.comment},
          {"ExpiresAfter", toEpochSeconds(command.expires)},
          {"Parameters", command.parameters},
          {"InstanceIds", toArray(command.instance_ids)},
          {"Targets", command.targets},
          {"RequestedDateTime", toEpochSeconds(command.requested)},
          {"Status", command.status},
          {"StatusDetails", command.details},
          {"OutputS3Region", command.output_region},
          {"OutputS3BucketName", command.output_bucket},
          {"OutputS3KeyPrefix", command.output_prefix},
          {"MaxConcurrency", command.max_concurrency},
          {"MaxErrors", command.max_errors},
          {"TargetCount", command.target_count},
          {"CompletedCount", ended(command.tally)},
          {"ErrorCount", errors(command.tally)},
          {"DeliveryTimedOutCount", count(command.tally, "DeliveryTimedOut")},
          {"ServiceRole", command.service_role},
          {"NotificationConfig", notificationView(command.notification)},
          {"CloudWatchOutputConfig", cloudwatchView(command.cloudwatch)},
          {"TimeoutSeconds", command.timeout_seconds}};
}

json::Object freshCommandView(const Command& command) {
  auto view = commandView(command);
  view["Status"] = view["StatusDetails"] = "Pending";
  view["TargetCount"] = command.instance_ids.size();
  view["CompletedCount"] = view["ErrorCount"] = view["DeliveryTimedOutCount"] = 0;
  return view;
}

std::string outputUrl(const Command& command, const Invocation& invocation, const StepRecord& step, std::string_view stream,
                      const Realm& realm) {
  if (command.output_bucket.empty()) return "";
  return fmt::format("https://s3.{}.amazonaws.com/{}/{}", realm.region, command.output_bucket,
                     percentEncode(outputKey(command.output_prefix, command.id, invocation.instance_id, step, stream), true));
}

json::Object invocationView(const Commands& commands, const Command& command, const Invocation& invocation, std::string_view host,
                            bool details, const Realm& realm) {
  const auto status = commands.shownStatus(invocation);
  const auto status_details = commands.shownDetails(invocation);
  json::Array plugins;
  if (details)
    for (const auto& step : invocation.steps) plugins.push_back(stepView(command, invocation, step, status, status_details, realm));
  const bool single = invocation.steps.size() == 1;
  return {{"CommandId", invocation.command_id},
          {"InstanceId", invocation.instance_id},
          {"InstanceName", host},
          {"Comment", invocation.comment},
          {"DocumentName", invocation.document_name},
          {"DocumentVersion", command.document_version},
          {"RequestedDateTime", toEpochSeconds(invocation.requested)},
          {"Status", status},
          {"StatusDetails", status_details},
          {"TraceOutput", traceOutput(invocation)},
          {"StandardOutputUrl", single ? outputUrl(command, invocation, invocation.steps.front(), "stdout", realm) : ""},
          {"StandardErrorUrl", single ? outputUrl(command, invocation, invocation.steps.front(), "stderr", realm) : ""},
          {"CommandPlugins", std::move(plugins)},
          {"ServiceRole", command.service_role},
          {"NotificationConfig", notificationView(command.notification)},
          {"CloudWatchOutputConfig", cloudwatchView(command.cloudwatch)}};
}

bool CommandFilters::passes(Instant requested, std::string_view status_now, std::string_view details_now,
                            std::string_view document_name) const {
  if (after && requested <= *after) return false;
  if (before && requested >= *before) return false;
  if (!status.empty() && status != status_now && status != details_now) return false;
  if (!document.empty() && document != document_name) return false;
  return stage.empty() || (stage == "Complete") == isTerminal(status_now);
}

std::expected<CommandFilters, aws::ApiError> readFilters(const json::Object& input, bool stage_allowed) {
  CommandFilters filters;
  const auto* list = json::find(input, "Filters");
  if (list == nullptr || !list->is_array()) return filters;
  for (const auto& each : list->get_array()) {
    const auto key = each.is_object() ? json::textOr(each.get_object(), "key") : "";
    const auto value = each.is_object() ? json::textOr(each.get_object(), "value") : "";
    if (value.empty()) return constraint(value, "filters.1.member.value", "have length greater than or equal to 1");
    if (key == "InvokedAfter" || key == "InvokedBefore") {
      const auto time = parseIso8601(value);
      if (!time)
        return aws::refuse("ValidationException",
                           fmt::format("The filter {} needs a time like 2026-11-01T00:00:00Z, not '{}'.", key, value));
      (key == "InvokedAfter" ? filters.after : filters.before) = *time;
    } else if (key == "Status") {
      filters.status = value;
    } else if (key == "DocumentName") {
      filters.document = value;
    } else if (key == "ExecutionStage" && stage_allowed) {
      if (value != "Executing" && value != "Complete")
        return aws::refuse("ValidationException", fmt::format("The filter ExecutionStage is Executing or Complete, not '{}'.", value));
      filters.stage = value;
    } else {
      return aws::refuse("InvalidFilterKey",
                         fmt::format("'{}' is no key of a filter here: use InvokedAfter, InvokedBefore, Status{} or DocumentName.", key,
                                     stage_allowed ? ", ExecutionStage" : ""));
    }
  }
  return filters;
}

std::expected<ListPage, aws::ApiError> readPage(const json::Object& input, std::string_view operation, std::int64_t least,
                                                std::size_t otherwise) {
  ListPage page;
  page.limit = otherwise;
  if (const auto* most = json::find(input, "MaxResults"); most != nullptr && !most->is_null()) {
    if (!most->is_int64()) return aws::refuse("SerializationException", "MaxResults must be a number.");
    if (most->get_int64() < least)
      return constraint(json::toText(*most), "maxResults", fmt::format("have value greater than or equal to {}", least));
    if (most->get_int64() > kMostResults)
      return constraint(json::toText(*most), "maxResults", fmt::format("have value less than or equal to {}", kMostResults));
    page.limit = static_cast<std::size_t>(most->get_int64());
  }
  auto arguments = input;
  arguments.erase("NextToken");
  arguments.erase("MaxResults");
  page.bound_to = fmt::format("ssm.{}.{}", operation, json::toText(arguments));
  const auto token = json::textOr(input, "NextToken");
  if (token.empty()) return page;
  const auto position = aws::readPageToken(page.bound_to, token);
  if (!position)
    return aws::refuse("InvalidNextToken", "The specified token isn't valid: it was not made by this call with these arguments.");
  page.position = *position;
  return page;
}

std::optional<aws::ApiError> unknownInstance(store::Txn& txn, const ec2::Instances& instances, std::string_view id) {
  if (instances.find(txn, id)) return std::nullopt;
  return aws::ApiError{
      "InvalidInstanceId", fmt::format("Instance Id '{}' is not valid: there is no such managed node.", id), 400, true, {}};
}

}  // namespace sp::services::ssm
