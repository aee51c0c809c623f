// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachRolePolicy.html
#include "services/iam/operations.h"

#include <fmt/format.h>

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation detachRolePolicy() {
  return {"DetachRolePolicy",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto arn, readPolicyArn(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            if (std::erase(role.attached, arn) == 0) return aws::refuse("NoSuchEntity", fmt::format("Policy {} was not found.", arn), 404);
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
