// https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html
#include <fmt/format.h>

#include "services/states/configurations.h"
#include "services/states/operations.h"

namespace sp::services::states {

// Executions that run keep the definition and role they were started with.
aws::Outcome updateStateMachine(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("stateMachineArn");
  const auto definition = input.textIf("definition", kDefinitionLength);
  const auto role = input.textIf("roleArn", 256);
  if (input.flag("publish", false)) input.refuseMembers({"publish"}, "versions of state machines are not available on this server");
  input.refuseMembers({"versionDescription"}, "versions of state machines are not available on this server");
  SP_TRY(auto logging, loggingOf(input));
  SP_TRY(auto tracing, tracingOf(input));
  SP_TRY(const bool encryption, encryptionOf(input));
  auto& txn = *call.txn;
  SP_TRY(auto machine, service.machine(txn, arn));
  if (machine.builtin)
    return std::unexpected(aws::ApiError::validation(
        fmt::format("The state machine {} is built in and cannot be changed: create one of your own from its definition", machine.name)));
  if (!definition && !role && !logging && !tracing && !encryption)
    return aws::refuse("MissingRequiredParameter",
                       "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified");
  if (role) SP_CHECK_OK(checkRole(*role));
  if (definition) { SP_TRY(machine.definition, service.keepDefinition(txn, *definition, &machine)); }
  if (role) machine.role_arn = *role;
  if (logging) machine.logging = std::move(*logging);
  if (tracing) machine.tracing = std::move(*tracing);
  machine.updated = call.now;
  machine.revision = service.context.random.uuid();
  service.put(txn, machine);
  return json::Object{{"updateDate", toEpochSeconds(machine.updated)}, {"revisionId", machine.revision}};
}

}  // namespace sp::services::states
