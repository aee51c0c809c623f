// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
#include "services/iam/operations.h"

#include <fmt/format.h>

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation putRolePolicy() {
  return {"PutRolePolicy",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto policy, readName(call.input, "PolicyName", 128));
            SP_TRY(auto document, readPolicy(call.input, "PolicyDocument", false));
            SP_TRY(auto role, findRole(*call.txn, name));
            role.policies[policy] = std::move(document);
            std::size_t size = 0;
            for (const auto& entry : role.policies) size += policyLength(entry.second);
            if (size > kInlinePolicyLength)
              return aws::refuse("LimitExceeded",
                                 fmt::format("Maximum policy size of {} bytes exceeded for role {}", kInlinePolicyLength, role.name), 409);
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
