// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
#include <fmt/format.h>

#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// Executions that run go on to their end and can be described; deleting what is not there succeeds, as on AWS.
aws::Outcome deleteStateMachine(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("stateMachineArn");
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto name, nameInArn(arn, "stateMachine"));
  const auto machine = service.find(*call.txn, name);
  if (!machine || machine->arn != arn) return json::Object();
  if (machine->builtin)
    return std::unexpected(aws::ApiError::validation(fmt::format("The state machine {} is built in and cannot be deleted", machine->name)));
  service.erase(*call.txn, *machine);
  return json::Object();
}

}  // namespace sp::services::states
