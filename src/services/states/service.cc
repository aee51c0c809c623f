#include "services/states/operations.h"
#include "services/states/states.h"

namespace sp::services {

aws::ServiceTable makeStates(Context& context, runtime::ExecutionRuntime& runtime, const runtime::TaskPort& tasks,
                             states::Activities& activities, const states::Quotas& quotas) {
  using Function = aws::Outcome (*)(const states::Service&, const aws::Call&);
  const states::Service service{context, runtime, tasks, activities, quotas};
  aws::ServiceTable table;
  table.signing_name = "states";
  table.protocol = aws::Protocol::json10;
  table.target_or_namespace = "AWSStepFunctions";
  const auto add = [&](std::string name, Function function, Duration patience = Duration(0)) {
    table.operations.push_back(
        {std::move(name), [service, function](const aws::Call& call) { return function(service, call); }, {}, false, patience});
  };
  add("CreateActivity", states::createActivity);
  add("DeleteActivity", states::deleteActivity);
  add("DescribeActivity", states::describeActivity);
  add("GetActivityTask", states::getActivityTask, std::chrono::seconds(60));
  add("ListActivities", states::listActivities);
  add("RedriveExecution", states::redriveExecution);
  add("SendTaskFailure", states::sendTaskFailure);
  add("SendTaskHeartbeat", states::sendTaskHeartbeat);
  add("SendTaskSuccess", states::sendTaskSuccess);
  add("CreateStateMachine", states::createStateMachine);
  add("DeleteStateMachine", states::deleteStateMachine);
  add("DescribeExecution", states::describeExecution);
  add("DescribeStateMachine", states::describeStateMachine);
  add("DescribeStateMachineForExecution", states::describeStateMachineForExecution);
  add("GetExecutionHistory", states::getExecutionHistory);
  add("ListExecutions", states::listExecutions);
  add("ListStateMachines", states::listStateMachines);
  add("ListTagsForResource", states::listTagsForResource);
  add("StartExecution", states::startExecution);
  add("StopExecution", states::stopExecution);
  add("TagResource", states::tagResource);
  add("UntagResource", states::untagResource);
  add("ValidateStateMachineDefinition", states::validateStateMachineDefinition);
  add("UpdateStateMachine", states::updateStateMachine);
  return table;
}

}  // namespace sp::services
