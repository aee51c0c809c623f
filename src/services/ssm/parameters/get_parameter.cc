// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {

aws::Operation getParameter(const SecretBox& secrets) {
  return {"GetParameter",
          [&secrets](const aws::Call& call) -> aws::Outcome {
            const auto name = json::textOr(call.input, "Name");
            if (name.empty()) return constraint(name, "name", "have length greater than or equal to 1");
            SP_TRY(const auto found, findParameter(*call.txn, name));
            SP_TRY(auto view, parameterView(found, call.realm, secrets, json::boolOr(call.input, "WithDecryption", false)));
            return json::Object{{"Parameter", std::move(view)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
