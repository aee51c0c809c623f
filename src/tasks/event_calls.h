// events:putEvents: entries of a task go to EventBridge in the commit of its step.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
#pragma once
#include <expected>

#include "runtime/executions.h"
#include "services/events/events.h"
#include "tasks/naming.h"

namespace sp::tasks {

/// Accepts the entries of the parameters; the execution and its state machine are added to the resources. The answer of PutEvents, or
/// "EventBridge.FailedEntry" and nothing kept.
std::expected<json::Object, TaskError> putEvents(store::Txn& txn, services::events::Events& events, const runtime::TaskRequest& request,
                                                 std::string_view request_id);

}  // namespace sp::tasks
