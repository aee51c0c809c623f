// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagRole.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation untagRole() {
  return {"UntagRole",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            for (const auto& key : readTexts(call.input, "TagKeys")) role.tags.erase(key);
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
