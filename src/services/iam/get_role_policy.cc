// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
#include "services/iam/operations.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation getRolePolicy() {
  return {"GetRolePolicy",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto policy, readName(call.input, "PolicyName", 128));
            SP_TRY(const auto role, findRole(*call.txn, name));
            const auto found = role.policies.find(policy);
            if (found == role.policies.end())
              return aws::refuse("NoSuchEntity", fmt::format("The role policy with name {} cannot be found.", policy), 404);
            return json::Object{{"RoleName", role.name}, {"PolicyName", policy}, {"PolicyDocument", percentEncode(found->second)}};
          },
          {},
          false};
}

}  // namespace sp::services::iam
