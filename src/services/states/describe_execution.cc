// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
#include <fmt/format.h>

#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

json::Object descriptionOf(const store::ExecutionRow& row) {
  auto parsed = json::parse(row.description);
  return parsed && parsed->is_object() ? std::move(parsed->get_object()) : json::Object();
}

aws::Outcome describeExecution(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.text("executionArn", kArnLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  const auto description = descriptionOf(row);
  const json::Object included{{"included", true}};
  json::Object out{{"executionArn", row.arn},
                   {"stateMachineArn", row.machine_arn},
                   {"name", row.name},
                   {"status", row.status},
                   {"startDate", toEpochSeconds(row.started)}};
  if (row.stopped) out["stopDate"] = toEpochSeconds(*row.stopped);
  out["input"] = json::textOr(description, "input");
  out["inputDetails"] = included;
  for (const auto* member : {"output", "error", "cause"})
    if (const auto* value = json::find(description, member)) out[member] = *value;
  if (json::find(description, "output") != nullptr) out["outputDetails"] = included;
  out["redriveCount"] = 0;
  out["redriveStatus"] = "NOT_REDRIVABLE";
  if (row.status == "RUNNING" || row.status == "SUCCEEDED")
    out["redriveStatusReason"] = fmt::format("Execution is {} and cannot be redriven", row.status);
  else if (json::boolOr(description, "builtin", false))
    out["redriveStatusReason"] = "Executions of built-in state machines cannot be redriven: start a new one";
  else out["redriveStatusReason"] = "RedriveExecution is not available on this server: start a new execution";
  return out;
}

}  // namespace sp::services::states
