// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachineForExecution.html
#include "base/strings.h"
#include "runtime/definitions.h"
#include "runtime/description.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// The definition and role the execution was started with, whatever was updated or deleted since.
aws::Outcome describeStateMachineForExecution(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("executionArn");
  const bool with_data = includesData(input);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  SP_TRY(const auto name, nameInArn(row.machine_arn, "stateMachine"));
  const auto description = runtime::descriptionOf(row);
  const auto machine = service.find(*call.txn, name);
  const bool unchanged = machine && machine->definition == json::textOr(description, "definition");
  json::Object out{{"stateMachineArn", row.machine_arn},
                   {"name", name},
                   {"definition", runtime::definitions::textOf(*call.txn, json::textOr(description, "definition")).value_or("")},
                   {"roleArn", json::textOr(description, "roleArn")},
                   {"updateDate", toEpochSeconds(unchanged ? machine->updated : row.started)},
                   {"loggingConfiguration", machine ? machine->logging : defaultLogging()},
                   {"tracingConfiguration", machine ? machine->tracing : defaultTracing()},
                   {"encryptionConfiguration", json::Object{{"type", "AWS_OWNED_KEY"}}}};
  if (!with_data) out.erase("definition");
  return out;
}

}  // namespace sp::services::states
