// https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html
#include "engine/step.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// A task that is handed out and its ActivityStarted are one commit. Without one the caller waits, and leaves without a token
// when its time is over.
aws::Outcome getActivityTask(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("activityArn");
  const auto worker = input.charactersIf("workerName", 80);
  SP_CHECK_OK(input.finish());
  if (worker) SP_CHECK_OK(checkName(*worker));
  auto& txn = *call.txn;
  SP_TRY(const auto activity, service.activity(txn, arn));
  while (const auto task = service.activities.take(txn, activity.arn)) {
    if (service.runtime.waitingFor(txn, task->token).kind != runtime::ExecutionRuntime::Waiting::Kind::open) continue;
    service.runtime.taskStarted(txn, task->token, worker.value_or(""));
    const auto [execution, number] = engine::splitGlobalName(task->token);
    return json::Object{{"taskToken", engine::taskToken(execution, number)}, {"input", task->input}};
  }
  if (call.poll != nullptr) call.poll->topic = Activities::topic(activity.arn);
  return json::Object();
}

}  // namespace sp::services::states
