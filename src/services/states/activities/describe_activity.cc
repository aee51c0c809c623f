// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeActivity.html
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

aws::Outcome describeActivity(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("activityArn");
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto activity, service.activity(*call.txn, arn));
  return json::Object{{"activityArn", activity.arn},
                      {"name", activity.name},
                      {"creationDate", toEpochSeconds(activity.created)},
                      {"encryptionConfiguration", json::Object{{"type", "AWS_OWNED_KEY"}}}};
}

}  // namespace sp::services::states
