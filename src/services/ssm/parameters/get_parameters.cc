// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {

std::expected<std::vector<std::string>, aws::ApiError> readParameterNames(const json::Object& input) {
  constexpr std::size_t kNamesMax = 10;
  json::Reader reader(input);
  auto names = reader.textsIf("Names");
  if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
  if (names.empty() || names.size() > kNamesMax)
    return constraint(fmt::format("[{}]", join(names, ", ")), "names", fmt::format("have length from 1 to {}", kNamesMax));
  auto sorted = names;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    return aws::refuse("ValidationException", fmt::format("The name '{}' is given more than once.", *twice));
  return names;
}

aws::Operation getParameters(const SecretBox& secrets) {
  return {"GetParameters",
          [&secrets](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto names, readParameterNames(call.input));
            json::Array found;
            json::Array missing;
            const bool decrypt = json::boolOr(call.input, "WithDecryption", false);
            for (const auto& name : names) {
              const auto one = findParameter(*call.txn, name);
              if (!one) {
                missing.emplace_back(name);
                continue;
              }
              SP_TRY(auto view, parameterView(*one, call.realm, secrets, decrypt));
              found.push_back(std::move(view));
            }
            return json::Object{{"Parameters", std::move(found)}, {"InvalidParameters", std::move(missing)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
