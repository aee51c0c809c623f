// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
#include "services/sts/operations.h"

namespace sp::services::sts {

// Asks for no permission and cannot be denied.
aws::Operation getCallerIdentity() {
  return {"GetCallerIdentity",
          [](const aws::Call& call) -> aws::Outcome {
            return json::Object{{"Arn", call.principal.arn}, {"UserId", call.principal.user_id}, {"Account", call.principal.account}};
          },
          {},
          true};
}

}  // namespace sp::services::sts
