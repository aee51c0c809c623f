// https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagRole.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation tagRole() {
  return {"TagRole",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto tags, readTags(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            for (const auto& [key, value] : tags) role.tags[key] = value;
            if (role.tags.size() > 50) return aws::refuse("LimitExceeded", "The number of tags has reached the maximum limit of 50.", 409);
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
