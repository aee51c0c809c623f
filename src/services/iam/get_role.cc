// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation getRole() {
  return {"GetRole",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto role, findRole(*call.txn, name));
            auto described = describeRole(role, call.realm);
            if (!role.tags.empty()) described["Tags"] = describeTags(role.tags);
            described["RoleLastUsed"] = json::Object{};
            return json::Object{{"Role", std::move(described)}};
          },
          {},
          false};
}

}  // namespace sp::services::iam
