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
  const bool with_data = includesData(input);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  const auto description = descriptionOf(row);
  const json::Object details{{"included", with_data}};
  json::Object out{{"executionArn", row.arn},
                   {"stateMachineArn", row.machine_arn},
                   {"name", row.name},
                   {"status", row.status},
                   {"startDate", toEpochSeconds(row.started)}};
  if (row.stopped) out["stopDate"] = toEpochSeconds(*row.stopped);
  if (with_data) out["input"] = json::textOr(description, "input");
  out["inputDetails"] = details;
  for (const auto* member : {"output", "error", "cause"})
    if (const auto* value = json::find(description, member); value != nullptr && (with_data || member != std::string_view("output")))
      out[member] = *value;
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
