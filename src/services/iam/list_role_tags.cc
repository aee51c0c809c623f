// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoleTags.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation listRoleTags() {
  return {"ListRoleTags",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readRoleName(call.input));
            SP_TRY(const auto role, findRole(*call.txn, name));
            SP_TRY(const auto page, readPage(call.input, "ListRoleTags" + role.id));
            std::vector<std::string> keys;
            for (const auto& entry : role.tags) keys.push_back(entry.first);
            bool more = false;
            std::map<std::string, std::string> listed;
            for (const auto& key : pageOf(keys, page, more)) listed[key] = role.tags.at(key);
            json::Object output{{"Tags", describeTags(listed)}};
            writePage(output, page, more, listed.empty() ? "" : listed.rbegin()->first);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::iam
