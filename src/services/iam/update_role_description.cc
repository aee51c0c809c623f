// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRoleDescription.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation updateRoleDescription() {
  return {"UpdateRoleDescription",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            SP_TRY(role.description, readDescription(call.input));
            saveRole(*call.txn, role);
            return json::Object{{"Role", describeRole(role, call.realm)}};
          },
          {},
          false};
}

}  // namespace sp::services::iam
