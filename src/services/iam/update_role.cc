// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation updateRole() {
  return {"UpdateRole",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(auto role, findRole(*call.txn, name));
            if (call.input.contains("Description")) { SP_TRY(role.description, readDescription(call.input)); }
            SP_TRY(role.max_session_seconds, readMaxSession(call.input, role.max_session_seconds));
            saveRole(*call.txn, role);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::iam
