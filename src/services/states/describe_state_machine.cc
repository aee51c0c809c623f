// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html
#include "runtime/definitions.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

aws::Outcome describeStateMachine(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("stateMachineArn");
  const bool with_data = includesData(input);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto machine, service.machine(*call.txn, arn));
  json::Object out{{"stateMachineArn", machine.arn},
                   {"name", machine.name},
                   {"status", "ACTIVE"},
                   {"definition", runtime::definitions::textOf(*call.txn, machine.definition).value_or("")},
                   {"roleArn", machine.role_arn},
                   {"type", "STANDARD"},
                   {"creationDate", toEpochSeconds(machine.created)},
                   {"loggingConfiguration", machine.logging},
                   {"tracingConfiguration", machine.tracing},
                   {"encryptionConfiguration", json::Object{{"type", "AWS_OWNED_KEY"}}}};
  if (!with_data) out.erase("definition");
  if (!machine.revision.empty()) out["revisionId"] = machine.revision;
  if (!machine.description.empty()) out["description"] = machine.description;
  return out;
}

}  // namespace sp::services::states
