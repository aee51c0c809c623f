// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfilesForRole.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation listInstanceProfilesForRole() {
  return {"ListInstanceProfilesForRole",
          [](const aws::Call& call) -> aws::Outcome {
            // There are no instance profiles; Terraform asks for them before it deletes a role.
            SP_TRY(const auto name, readRoleName(call.input));
            SP_CHECK_OK(findRole(*call.txn, name));
            return json::Object{{"InstanceProfiles", json::Array{}}, {"IsTruncated", false}};
          },
          {},
          false};
}

}  // namespace sp::services::iam
