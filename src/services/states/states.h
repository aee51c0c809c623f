// AWS Step Functions: state machines and their executions.
// https://docs.aws.amazon.com/step-functions/latest/apireference/
#pragma once
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "base/result.h"
#include "runtime/execution_runtime.h"
#include "services/context.h"
#include "services/states/activities/activities.h"
#include "services/states/machines.h"

namespace sp::services {

/// The service's operations. `context`, `runtime`, `tasks` and `activities` outlive the table. `tasks` tells which resources a
/// definition may name.
aws::ServiceTable makeStates(Context& context, runtime::ExecutionRuntime& runtime, const runtime::TaskPort& tasks,
                             states::Activities& activities, const states::Quotas& quotas = {});

/// Puts a state machine of the server's own in place, or its new definition: read-only for everybody, without limits of
/// history and payload. At every start of the server, on the core thread. Errors: "states.definition" with every problem.
Result<void> registerBuiltin(store::Txn& txn, Context& context, runtime::ExecutionRuntime& runtime, const runtime::TaskPort& tasks,
                             states::Activities& activities, std::string_view name, const std::string& definition);

}  // namespace sp::services
