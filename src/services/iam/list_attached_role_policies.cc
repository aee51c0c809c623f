// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedRolePolicies.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

namespace {

// "/service-role/" of "arn:aws:iam::aws:policy/service-role/Name".
std::string pathOf(const std::string& arn) {
  const auto from = arn.find('/');
  return arn.substr(from, arn.rfind('/') + 1 - from);
}

}  // namespace

aws::Operation listAttachedRolePolicies() {
  return {"ListAttachedRolePolicies",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto role, findRole(*call.txn, name));
            const auto prefix = json::textOr(call.input, "PathPrefix", "/");
            SP_TRY(const auto page, readPage(call.input, "ListAttachedRolePolicies" + role.id + prefix));
            std::vector<std::string> wanted;
            for (const auto& arn : role.attached)
              if (pathOf(arn).starts_with(prefix)) wanted.push_back(arn);
            bool more = false;
            const auto listed = pageOf(wanted, page, more);
            json::Array policies;
            for (const auto& arn : listed)
              policies.push_back(json::Object{{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}});
            json::Object output{{"AttachedPolicies", std::move(policies)}};
            writePage(output, page, more, listed.empty() ? "" : listed.back());
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::iam
