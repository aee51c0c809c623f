// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html
#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"

namespace sp::services::ssm {

aws::Operation deleteParameters() {
  return {"DeleteParameters",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto names, readParameterNames(call.input));
            json::Array deleted;
            json::Array missing;
            for (const auto& name : names) (eraseParameter(*call.txn, name) ? deleted : missing).emplace_back(name);
            return json::Object{{"DeletedParameters", std::move(deleted)}, {"InvalidParameters", std::move(missing)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
