// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
#include <fmt/format.h>

#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"

namespace sp::services::ssm {

aws::Operation deleteParameter() {
  return {"DeleteParameter",
          [](const aws::Call& call) -> aws::Outcome {
            const auto name = json::textOr(call.input, "Name");
            if (!eraseParameter(*call.txn, name)) return aws::refuse("ParameterNotFound", fmt::format("Parameter {} not found.", name));
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
