// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html
#include "services/iam/operations.h"

#include <algorithm>

#include <fmt/format.h>

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

namespace {
constexpr std::size_t kAttached = 20;
}

aws::Operation attachRolePolicy() {
  return {"AttachRolePolicy",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto arn, readPolicyArn(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            // AWS's own policies are taken by name; policies of the account do not exist yet.
            if (!arn.starts_with("arn:aws:iam::aws:policy/"))
              return aws::refuse("NoSuchEntity", fmt::format("Policy {} does not exist or is not attachable.", arn), 404);
            const auto at = std::ranges::lower_bound(role.attached, arn);
            if (at == role.attached.end() || *at != arn) {
              if (role.attached.size() >= kAttached)
                return aws::refuse("LimitExceeded", fmt::format("Cannot exceed quota for PoliciesPerRole: {}", kAttached), 409);
              role.attached.insert(at, arn);
            }
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
