// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
#include "services/iam/operations.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/time_format.h"
#include "services/iam/input.h"
#include "services/iam/roles.h"

namespace sp::services::iam {

namespace {

Checked<std::string> readPath(const json::Object& input) {
  auto path = json::textOr(input, "Path", "/");
  const bool printable = std::ranges::all_of(path, [](char c) { return c > ' ' && c < '\x7f'; });
  if (path.empty() || path.size() > 512 || path.front() != '/' || path.back() != '/' || !printable)
    return aws::refuse("ValidationError",
                       "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric "
                       "characters and/or / characters.");
  return path;
}

// AROA and 17 of the 32 characters that AWS uses in ids.
std::string newRoleId(Random& random) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string id = "AROA";
  while (id.size() < 21) id += kAlphabet[random.below(kAlphabet.size())];
  return id;
}

}  // namespace

aws::Operation createRole(const Context& context) {
  return {"CreateRole",
          [&context](const aws::Call& call) -> aws::Outcome {
            Role role;
            SP_TRY(role.name, readRoleName(call.input));
            SP_TRY(role.trust, readPolicy(call.input, "AssumeRolePolicyDocument", true));
            SP_TRY(role.path, readPath(call.input));
            SP_TRY(role.description, readDescription(call.input));
            SP_TRY(role.max_session_seconds, readMaxSession(call.input, 3600));
            SP_TRY(role.tags, readTags(call.input));
            if (roleExists(*call.txn, role.name))
              return aws::refuse("EntityAlreadyExists", fmt::format("Role with name {} already exists.", role.name), 409);
            role.id = newRoleId(context.random);
            role.created = toIso8601Seconds(call.now);
            saveRole(*call.txn, role);
            auto described = describeRole(role, call.realm);
            if (!role.tags.empty()) described["Tags"] = describeTags(role.tags);
            return json::Object{{"Role", std::move(described)}};
          },
          {},
          false};
}

}  // namespace sp::services::iam
