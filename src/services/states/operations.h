// One function an operation, each in a file of its own.
#pragma once
#include "aws/operation.h"
#include "services/states/machines.h"

namespace sp::services::states {

aws::Outcome createStateMachine(const Service& service, const aws::Call& call);
aws::Outcome describeStateMachine(const Service& service, const aws::Call& call);
aws::Outcome listStateMachines(const Service& service, const aws::Call& call);
aws::Outcome updateStateMachine(const Service& service, const aws::Call& call);
aws::Outcome deleteStateMachine(const Service& service, const aws::Call& call);
aws::Outcome startExecution(const Service& service, const aws::Call& call);
aws::Outcome describeExecution(const Service& service, const aws::Call& call);
aws::Outcome describeStateMachineForExecution(const Service& service, const aws::Call& call);
aws::Outcome listExecutions(const Service& service, const aws::Call& call);
aws::Outcome stopExecution(const Service& service, const aws::Call& call);
aws::Outcome getExecutionHistory(const Service& service, const aws::Call& call);
aws::Outcome createActivity(const Service& service, const aws::Call& call);
aws::Outcome describeActivity(const Service& service, const aws::Call& call);
aws::Outcome deleteActivity(const Service& service, const aws::Call& call);
aws::Outcome listActivities(const Service& service, const aws::Call& call);
aws::Outcome getActivityTask(const Service& service, const aws::Call& call);
aws::Outcome sendTaskSuccess(const Service& service, const aws::Call& call);
aws::Outcome sendTaskFailure(const Service& service, const aws::Call& call);
aws::Outcome sendTaskHeartbeat(const Service& service, const aws::Call& call);
aws::Outcome redriveExecution(const Service& service, const aws::Call& call);
aws::Outcome validateStateMachineDefinition(const Service& service, const aws::Call& call);
aws::Outcome tagResource(const Service& service, const aws::Call& call);
aws::Outcome untagResource(const Service& service, const aws::Call& call);
aws::Outcome listTagsForResource(const Service& service, const aws::Call& call);

constexpr std::size_t kDefinitionLength = 1'048'576;
constexpr std::size_t kTokenLength = 1024;
/// Of ListExecutions: a position there names an execution.
constexpr std::size_t kExecutionsTokenLength = 3096;

}  // namespace sp::services::states
