// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
#include "services/iam/operations.h"

#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

aws::Operation listRoles() {
  return {"ListRoles",
          [](const aws::Call& call) -> aws::Outcome {
            const auto prefix = json::textOr(call.input, "PathPrefix", "/");
            if (!prefix.starts_with('/'))
              return aws::refuse("ValidationError", "The specified value for pathPrefix is invalid. It must begin with a / character.");
            SP_TRY(const auto page, readPage(call.input, "ListRoles" + prefix));
            json::Array listed;
            std::string last;
            bool more = false;
            std::string after = page.after;
            while (!more) {
              const auto roles = rolesAfter(*call.txn, after, 256);
              for (const auto& role : roles) {
                after = role.name;
                if (!role.path.starts_with(prefix)) continue;
                more = listed.size() == page.limit;
                if (more) break;
                listed.push_back(describeRole(role, call.realm));
                last = role.name;
              }
              if (roles.size() < 256) break;
            }
            json::Object output{{"Roles", std::move(listed)}};
            writePage(output, page, more, last);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::iam
