// https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html
#include <fmt/format.h>

#include "runtime/description.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// A client's token makes a second call with it the first one's retry.
aws::Outcome redriveExecution(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("executionArn");
  const auto token = input.textIf("clientToken", 64);
  if (token && token->empty()) input.require("clientToken");
  SP_CHECK_OK(input.finish());
  auto& txn = *call.txn;
  SP_TRY(const auto row, service.execution(txn, arn));
  const auto since = [](const store::ExecutionRow& one) {
    return toEpochSeconds(fromMicros(json::intOr(runtime::descriptionOf(one), "redriven", toMicros(one.started))));
  };
  if (token && json::textOr(runtime::descriptionOf(row), "redriveToken") == *token) return json::Object{{"redriveDate", since(row)}};
  const auto can = service.runtime.redrivable(txn, row);
  if (!can.possible) return aws::refuse("ExecutionNotRedrivable", fmt::format("Execution Not Redrivable: '{}'", can.reason));
  SP_CHECK_OK(service.roomForExecution(txn));
  if (!service.runtime.redrive(txn, arn, token.value_or(""))) return std::unexpected(aws::ApiError::internal(std::string(call.request_id)));
  return json::Object{{"redriveDate", toEpochSeconds(txn.now())}};
}

}  // namespace sp::services::states
