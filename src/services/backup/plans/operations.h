// The operations on backup plans and their selections.
#pragma once
#include "services/backup/operations/service.h"
#include "services/backup/plans/plans.h"

namespace sp::services::backup {

aws::Outcome createBackupPlan(Service& service, const aws::Call& call);
aws::Outcome getBackupPlan(Service& service, const aws::Call& call);
aws::Outcome listBackupPlans(Service& service, const aws::Call& call);
aws::Outcome listBackupPlanVersions(Service& service, const aws::Call& call);
aws::Outcome updateBackupPlan(Service& service, const aws::Call& call);
aws::Outcome deleteBackupPlan(Service& service, const aws::Call& call);
aws::Outcome createBackupSelection(Service& service, const aws::Call& call);
aws::Outcome getBackupSelection(Service& service, const aws::Call& call);
aws::Outcome listBackupSelections(Service& service, const aws::Call& call);
aws::Outcome deleteBackupSelection(Service& service, const aws::Call& call);

}  // namespace sp::services::backup
