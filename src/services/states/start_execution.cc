// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
#include <fmt/format.h>

#include "base/hash.h"
#include "json/big_integer.h"
#include "runtime/description.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

constexpr std::size_t kMaxInput = 262'144;

// Retries of one call must not start two executions: without a name it comes from the call's own id. Otherwise names follow each other
// in time, so that the index of many executions grows at its end: a page of it a commit, not a page an execution.
std::string nameFor(const Service& service, const aws::Call& call, std::string_view machine, Instant now) {
  if (call.invocation_id.empty()) return service.context.random.orderedUuid(now);
  const auto h = sha256Hex(fmt::format("{}\n{}\n{}", call.principal.access_key, machine, call.invocation_id));
  return fmt::format("{}-{}-4{}-8{}-{}", h.substr(0, 8), h.substr(8, 4), h.substr(12, 3), h.substr(15, 3), h.substr(18, 12));
}

}  // namespace

aws::Outcome startExecution(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("stateMachineArn");
  const auto name = input.textIf("name", 512);
  const auto given = input.textIf("input", 16U << 20U).value_or("{}");
  // Nothing is traced here.
  static_cast<void>(input.asciiIf("traceHeader", 256));
  SP_CHECK_OK(input.finish());
  auto& txn = *call.txn;
  if (name) SP_CHECK_OK(checkName(*name));
  SP_TRY(const auto machine, service.machine(txn, arn));
  if (given.size() > kMaxInput && !machine.builtin)
    return aws::refuse(
        "InvalidExecutionInput",
        fmt::format("Invalid State Machine Execution Input: 'the input has {} bytes, at most {} are taken'", given.size(), kMaxInput));
  const auto parsed = json::parseExact(given);
  if (!parsed)
    return aws::refuse("InvalidExecutionInput",
                       fmt::format("Invalid State Machine Execution Input: '{}'", syntaxProblem(given, parsed.error())));

  if (const auto usable = service.runtime.usable(txn, machine.definition); !usable)
    return aws::refuse("InvalidDefinition", fmt::format("Invalid State Machine Definition: '{}'", usable.error().message));

  runtime::StartSpec spec;
  spec.name = name ? *name : nameFor(service, call, arn, txn.now());
  spec.arn = service.executionArn(machine.name, spec.name);
  spec.machine_arn = machine.arn;
  spec.machine_name = machine.name;
  spec.role_arn = machine.role_arn;
  spec.input = given;
  spec.definition = machine.definition;
  spec.unlimited = machine.builtin;
  // Backups are not refused; nor is the retry of a call that has started its execution.
  if (!machine.builtin)
    if (const auto room = service.roomForExecution(txn); !room && !txn.executions().get(spec.arn)) return std::unexpected(room.error());
  if (service.runtime.start(txn, spec)) return json::Object{{"executionArn", spec.arn}, {"startDate", toEpochSeconds(txn.now())}};

  const auto row = txn.executions().get(spec.arn);
  // One that was given no name is the retry of its own call, whatever has become of it since.
  const bool same =
      row && runtime::documentOf(txn, *row, runtime::descriptionOf(*row), "input") == given && (row->status == "RUNNING" || !name);
  if (!same) return aws::refuse("ExecutionAlreadyExists", fmt::format("Execution Already Exists: '{}'", spec.arn));
  return json::Object{{"executionArn", spec.arn}, {"startDate", toEpochSeconds(row->started)}};
}

}  // namespace sp::services::states
