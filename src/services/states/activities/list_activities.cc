// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListActivities.html
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

aws::Outcome listActivities(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto size = input.pageSize();
  const auto token = input.filledIf("nextToken", kTokenLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto after, positionOf(token, "ListActivities"));
  auto found = service.activities.list(*call.txn, after, size + 1);
  const bool more = found.size() > size;
  if (more) found.pop_back();
  json::Array activities;
  for (const auto& one : found)
    activities.push_back(json::Object{{"activityArn", one.arn}, {"name", one.name}, {"creationDate", toEpochSeconds(one.created)}});
  json::Object out{{"activities", std::move(activities)}};
  if (more) out["nextToken"] = aws::makePageToken("ListActivities", found.back().name);
  return out;
}

}  // namespace sp::services::states
