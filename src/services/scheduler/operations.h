// Rows of the table.
#pragma once
#include "aws/operation.h"
#include "services/scheduler/scheduler.h"

namespace sp::services::scheduler {

/// CreateSchedule, GetSchedule, UpdateSchedule, DeleteSchedule, ListSchedules.
std::vector<aws::Operation> scheduleOperations(Scheduler& scheduler);
/// CreateScheduleGroup, GetScheduleGroup, DeleteScheduleGroup, ListScheduleGroups, TagResource, UntagResource, ListTagsForResource.
std::vector<aws::Operation> groupOperations(Scheduler& scheduler);

/// Whether a delete with this token was done before; an empty token: no.
bool wasDone(store::Txn& txn, std::string_view operation, const std::string& token);
/// A delete with this token is done.
void remember(store::Txn& txn, std::string_view operation, const std::string& token);

}  // namespace sp::services::scheduler
