#include "tasks/event_calls.h"

#include <fmt/format.h>

#include "json/big_integer.h"

namespace sp::tasks {

std::expected<json::Object, TaskError> putEvents(store::Txn& txn, services::events::Events& events, const runtime::TaskRequest& request,
                                                 std::string_view request_id) {
  const auto* entries = json::find(request.parameters.get_object(), "Entries");
  auto given = entries != nullptr ? *entries : json::Value();
  json::roundBigIntegers(given);
  aws::Outcome outcome = aws::refuse("ValidationException", "");
  // An entry that failed takes the others with it: the task is tried again as a whole.
  txn.nested([&] {
    outcome = events.putEvents(txn, given.is_array() ? given.get_array() : json::Array(),
                               {{request.execution_arn, request.machine_arn}, request.execution_arn});
    return outcome && !services::events::Events::anyFailed(*outcome);
  });
  // What EventBridge's model does not name, the SDK throws as the service's own exception.
  if (!outcome)
    return std::unexpected(TaskError{
        outcome.error().code == "ValidationException" ? "EventBridge.AmazonEventBridgeException" : "EventBridge." + outcome.error().code,
        fmt::format("{} (Service: AmazonEventBridge; Status Code: 400; Error Code: {}; Request ID: {}; "
                    "Proxy: null)",
                    outcome.error().message, outcome.error().code, request_id)});
  if (services::events::Events::anyFailed(*outcome)) return std::unexpected(TaskError{"EventBridge.FailedEntry", json::toText(*outcome)});
  const auto bytes = json::toText(*outcome).size();
  return withMetadata(std::move(*outcome), request_id, txn.now(), bytes);
}

}  // namespace sp::tasks
