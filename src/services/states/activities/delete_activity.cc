// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteActivity.html
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// Deleting what is not there succeeds.
aws::Outcome deleteActivity(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("activityArn");
  SP_CHECK_OK(input.finish());
  SP_CHECK_OK(nameInArn(arn, "activity"));
  if (service.activities.find(*call.txn, arn)) service.activities.erase(*call.txn, arn);
  return json::Object();
}

}  // namespace sp::services::states
