// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// Stopping one that has ended changes nothing and tells when it ended.
aws::Outcome stopExecution(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("executionArn");
  const auto error = input.charactersIf("error", 256).value_or("");
  const auto cause = input.charactersIf("cause", 32'768).value_or("");
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  if (service.runtime.stop(*call.txn, arn, error, cause)) return json::Object{{"stopDate", toEpochSeconds(call.txn->now())}};
  return json::Object{{"stopDate", toEpochSeconds(row.stopped.value_or(call.txn->now()))}};
}

}  // namespace sp::services::states
