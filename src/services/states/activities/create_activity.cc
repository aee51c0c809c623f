// https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateActivity.html
#include "services/states/configurations.h"
#include "services/states/operations.h"

namespace sp::services::states {

// Idempotent by name: tags of a second call are not looked at.
aws::Outcome createActivity(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto name = input.text("name", 512);
  const auto* tag_list = input.arrayIf("tags");
  SP_CHECK_OK(encryptionOf(input));
  SP_CHECK_OK(checkName(name));
  SP_TRY(auto tags, tagsOf(tag_list, {}));
  const auto arn = service.activities.arnOf(name);
  auto activity = service.activities.find(*call.txn, arn);
  if (!activity) {
    SP_CHECK_OK(service.roomForActivity(*call.txn));
    activity = Activity{name, arn, call.now, std::move(tags)};
    service.activities.put(*call.txn, *activity);
  }
  return json::Object{{"activityArn", arn}, {"creationDate", toEpochSeconds(activity->created)}};
}

}  // namespace sp::services::states
