// Rows of the table; a file each.
#pragma once
#include "aws/operation.h"
#include "services/context.h"

namespace sp::services::iam {

aws::Operation attachRolePolicy();
aws::Operation createRole(const Context& context);
aws::Operation deleteRole();
aws::Operation deleteRolePolicy();
aws::Operation detachRolePolicy();
aws::Operation getRole();
aws::Operation getRolePolicy();
aws::Operation listAttachedRolePolicies();
aws::Operation listInstanceProfilesForRole();
aws::Operation listRolePolicies();
aws::Operation listRoleTags();
aws::Operation listRoles();
aws::Operation putRolePolicy();
aws::Operation tagRole();
aws::Operation untagRole();
aws::Operation updateAssumeRolePolicy();
aws::Operation updateRole();
aws::Operation updateRoleDescription();

}  // namespace sp::services::iam
