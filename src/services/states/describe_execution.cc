// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
#include <fmt/format.h>

#include "runtime/description.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

aws::Outcome describeExecution(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("executionArn");
  const bool with_data = includesData(input);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  const auto description = runtime::descriptionOf(row);
  const json::Object details{{"included", with_data}};
  json::Object out{{"executionArn", row.arn},
                   {"stateMachineArn", row.machine_arn},
                   {"name", row.name},
                   {"status", row.status},
                   {"startDate", toEpochSeconds(row.started)}};
  if (row.stopped) out["stopDate"] = toEpochSeconds(*row.stopped);
  for (const auto* member : {"input", "output"})
    if (const auto text = with_data ? runtime::documentOf(*call.txn, row, description, member) : std::nullopt) out[member] = *text;
  out["inputDetails"] = details;
  for (const auto* member : {"error", "cause"})
    if (const auto* value = json::find(description, member)) out[member] = *value;
  if (json::find(description, "output") != nullptr) out["outputDetails"] = details;
  const auto count = json::intOr(description, "redriveCount", 0);
  out["redriveCount"] = count;
  if (count > 0) out["redriveDate"] = toEpochSeconds(fromMicros(json::intOr(description, "redriven", 0)));
  const auto can = service.runtime.redrivable(*call.txn, row);
  out["redriveStatus"] = can.possible ? "REDRIVABLE" : "NOT_REDRIVABLE";
  if (!can.possible) out["redriveStatusReason"] = can.reason;
  return out;
}

}  // namespace sp::services::states
