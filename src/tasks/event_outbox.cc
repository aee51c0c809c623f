#include "tasks/event_outbox.h"

#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/time_format.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kKind = "event";
constexpr std::size_t kMostEntries = 10;
constexpr std::size_t kMostBytes = 262'144;

// What is wrong with one entry, as PutEvents says it; empty: nothing.
std::string problemOf(const json::Object& entry) {
  for (const auto* name : {"Source", "DetailType", "Detail"}) {
    const auto* value = json::find(entry, name);
    const bool given = value != nullptr && (value->is_string() ? !value->get_string().empty() : name == std::string_view("Detail"));
    if (!given) return fmt::format("Parameter {} is not valid. Reason: {} is a required argument.", name, name);
  }
  const auto* detail = json::find(entry, "Detail");
  const auto parsed = detail->is_string() ? json::parse(json::toView(detail->get_string())) : Result<json::Value>(*detail);
  if (!parsed || !parsed->is_object()) return "Detail is malformed.";
  return {};
}

json::Object event(const json::Object& entry, const runtime::TaskRequest& request, const Realm& realm, const std::string& id, Instant now) {
  const auto* detail = json::find(entry, "Detail");
  auto body = detail->is_string() ? json::parse(json::toView(detail->get_string())) : Result<json::Value>(*detail);
  json::Array resources;
  if (const auto* given = json::find(entry, "Resources"); given != nullptr && given->is_array()) resources = given->get_array();
  resources.emplace_back(request.execution_arn);
  resources.emplace_back(request.machine_arn);
  return {{"version", "0"},
          {"id", id},
          {"detail-type", json::textOr(entry, "DetailType")},
          {"source", json::textOr(entry, "Source")},
          {"account", realm.account},
          {"time", json::textOr(entry, "Time", toIso8601Millis(now))},
          {"region", realm.region},
          {"resources", std::move(resources)},
          {"detail", std::move(*body)},
          {"bus", json::textOr(entry, "EventBusName", "default")}};
}

}  // namespace

std::expected<json::Object, TaskError> putEvents(store::Txn& txn, services::Context& context, const runtime::TaskRequest& request,
                                                 std::string_view request_id) {
  const auto refused = [&](std::string_view message) {
    return std::unexpected(TaskError{"EventBridge.ValidationException",
                                     fmt::format("{} (Service: AmazonEventBridge; Status Code: 400; Error Code: ValidationException; "
                                                 "Request ID: {}; Proxy: null)",
                                                 message, request_id)});
  };
  const auto* entries = json::find(request.parameters.get_object(), "Entries");
  if (entries == nullptr || !entries->is_array() || entries->get_array().empty() || entries->get_array().size() > kMostEntries)
    return refused(
        fmt::format("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length "
                    "between 1 and {}",
                    kMostEntries));
  if (json::toText(*entries).size() > kMostBytes) return refused("Total size of the entries in the request is over the limit.");
  json::Array answers;
  std::vector<json::Object> events;
  std::int64_t failed = 0;
  for (const auto& entry : entries->get_array()) {
    const auto problem = entry.is_object() ? problemOf(entry.get_object()) : std::string("The entry is malformed.");
    if (!problem.empty()) {
      ++failed;
      answers.push_back(json::Object{{"ErrorCode", "InvalidArgument"}, {"ErrorMessage", problem}});
      continue;
    }
    auto id = context.random.uuid();
    events.push_back(event(entry.get_object(), request, context.realm, id, txn.now()));
    answers.push_back(json::Object{{"EventId", std::move(id)}});
  }
  json::Object out{{"Entries", std::move(answers)}, {"FailedEntryCount", failed}};
  if (failed > 0) return std::unexpected(TaskError{"EventBridge.FailedEntry", json::toText(out)});
  // In the order given; the id keeps apart what other tasks send within this microsecond.
  for (std::size_t i = 0; i < events.size(); ++i)
    txn.records().put(kKind, fmt::format("{:020}/{}/{:02}", toMicros(txn.now()), json::textOr(events[0], "id"), i),
                      json::toText(events[i]));
  const auto bytes = json::toText(out).size();
  return withMetadata(std::move(out), request_id, txn.now(), bytes);
}

}  // namespace sp::tasks
