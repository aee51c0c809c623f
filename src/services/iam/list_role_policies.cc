// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRolePolicies.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation listRolePolicies() {
  return {"ListRolePolicies",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto role, findRole(*call.txn, name));
            SP_TRY(const auto page, readPage(call.input, "ListRolePolicies" + role.id));
            std::vector<std::string> names;
            for (const auto& entry : role.policies) names.push_back(entry.first);
            bool more = false;
            const auto listed = pageOf(names, page, more);
            json::Object output{{"PolicyNames", json::Array(listed.begin(), listed.end())}};
            writePage(output, page, more, listed.empty() ? "" : listed.back());
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::iam
