// https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
#include <fmt/format.h>

#include "services/states/configurations.h"
#include "services/states/operations.h"

namespace sp::services::states {

aws::Outcome createStateMachine(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto name = input.text("name", 512);
  const auto definition = input.text("definition", kDefinitionLength);
  const auto role = input.arn("roleArn");
  const auto type = input.choiceIf("type", {"STANDARD", "EXPRESS"}).value_or("STANDARD");
  const auto* tag_list = input.arrayIf("tags");
  if (input.flag("publish", false)) input.refuseMembers({"publish"}, "versions of state machines are not available on this server");
  input.refuseMembers({"versionDescription"}, "versions of state machines are not available on this server");
  SP_TRY(auto logging, loggingOf(input));
  SP_TRY(auto tracing, tracingOf(input));
  SP_CHECK_OK(encryptionOf(input));
  SP_CHECK_OK(checkName(name));
  SP_CHECK_OK(checkRole(role));
  if (type != "STANDARD")
    return aws::refuse("StateMachineTypeNotSupported", "State machines of type EXPRESS are not available on this server: use STANDARD");
  SP_TRY(auto tags, tagsOf(tag_list, {}));

  auto& txn = *call.txn;
  const auto existing = service.find(txn, name);
  SP_TRY(auto kept, service.keepDefinition(txn, definition, existing ? &*existing : nullptr));
  Machine made;
  made.name = name;
  made.arn = service.machineArn(name);
  made.definition = std::move(kept);
  made.role_arn = role;
  made.created = made.updated = call.now;
  made.logging = logging ? std::move(*logging) : defaultLogging();
  made.tracing = tracing ? std::move(*tracing) : defaultTracing();
  made.tags = std::move(tags);
  if (existing) {
    const bool same = !existing->builtin && existing->definition == made.definition && existing->role_arn == role &&
                      withDefaults(existing->logging) == made.logging && existing->tracing == made.tracing;
    if (!same) return aws::refuse("StateMachineAlreadyExists", fmt::format("State Machine Already Exists: '{}'", existing->arn));
    made.created = existing->created;
  } else {
    SP_CHECK_OK(service.roomForMachine(txn));
    service.put(txn, made);
  }
  return json::Object{{"stateMachineArn", made.arn}, {"creationDate", toEpochSeconds(made.created)}};
}

}  // namespace sp::services::states
