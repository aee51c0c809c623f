// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRolePolicy.html
#include "services/iam/operations.h"

#include <fmt/format.h>

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation deleteRolePolicy() {
  return {"DeleteRolePolicy",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto policy, readName(call.input, "PolicyName", 128));
            SP_TRY(auto role, findRole(*call.txn, name));
            if (role.policies.erase(policy) == 0)
              return aws::refuse("NoSuchEntity", fmt::format("The role policy with name {} cannot be found.", policy), 404);
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
