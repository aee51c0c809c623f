#include "services/iam/iam.h"

#include "services/iam/operations.h"

namespace sp::services::iam {

aws::ServiceTable makeIam(Context& context) {
  return {"iam",
          aws::Protocol::query,
          "https://iam.amazonaws.com/doc/2010-05-08/",
          "2010-05-08",
          {
              attachRolePolicy(),
              createRole(context),
              deleteRole(),
              deleteRolePolicy(),
              detachRolePolicy(),
              getRole(),
              getRolePolicy(),
              listAttachedRolePolicies(),
              listInstanceProfilesForRole(),
              listRolePolicies(),
              listRoleTags(),
              listRoles(),
              putRolePolicy(),
              tagRole(),
              untagRole(),
              updateAssumeRolePolicy(),
              updateRole(),
              updateRoleDescription(),
          }};
}

}  // namespace sp::services::iam
