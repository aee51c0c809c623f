// events:putEvents: entries become records that wait for whoever delivers them.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
#pragma once
#include <expected>

#include "runtime/executions.h"
#include "services/context.h"
#include "tasks/naming.h"

namespace sp::tasks {

/// Keeps the entries of the parameters as records of kind "event" (key: microseconds, the first entry's id, the entry's place), each
/// as EventBridge hands events on; the execution and its state machine are added to the resources. The answer of PutEvents, or
/// "EventBridge.FailedEntry" and nothing kept.
std::expected<json::Object, TaskError> putEvents(store::Txn& txn, services::Context& context, const runtime::TaskRequest& request,
                                                 std::string_view request_id);

}  // namespace sp::tasks
