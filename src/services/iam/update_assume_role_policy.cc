// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation updateAssumeRolePolicy() {
  return {"UpdateAssumeRolePolicy",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            SP_TRY(role.trust, readPolicy(call.input, "PolicyDocument", true));
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
