// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation deleteRole() {
  return {"DeleteRole",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto role, findRole(*call.txn, name));
            if (!role.attached.empty()) return aws::refuse("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409);
            if (!role.policies.empty()) return aws::refuse("DeleteConflict", "Cannot delete entity, must delete policies first.", 409);
            eraseRole(*call.txn, name);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
