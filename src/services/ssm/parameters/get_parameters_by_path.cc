// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
#include <algorithm>

#include <fmt/format.h>

#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"
#include "services/ssm/send_input.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPage = 10;
constexpr std::size_t kBatch = 100;

/// Types asked for; empty: all.
std::expected<std::vector<std::string>, aws::ApiError> readTypes(const json::Object& input) {
  std::vector<std::string> types;
  const auto* list = json::find(input, "ParameterFilters");
  if (list == nullptr || !list->is_array()) return types;
  for (const auto& each : list->get_array()) {
    const auto filter = each.is_object() ? each.get_object() : json::Object();
    const auto key = json::textOr(filter, "Key");
    if (key != "Type") return aws::refuse("InvalidFilterKey", fmt::format("'{}' is no key of a filter here: use Type.", key));
    const auto option = json::textOr(filter, "Option", "Equals");
    if (option != "Equals")
      return aws::refuse("InvalidFilterOption", fmt::format("The filter Type has the option Equals, not '{}'.", option));
    json::Reader reader(filter);
    for (auto& value : reader.textsIf("Values")) {
      if (value != "String" && value != "StringList" && value != "SecureString")
        return aws::refuse("InvalidFilterValue", fmt::format("The filter Type is String, StringList or SecureString, not '{}'.", value));
      types.push_back(std::move(value));
    }
  }
  return types;
}

}  // namespace

aws::Operation getParametersByPath(const SecretBox& secrets) {
  return {"GetParametersByPath",
          [&secrets](const aws::Call& call) -> aws::Outcome {
            auto path = json::textOr(call.input, "Path");
            if (!path.starts_with('/'))
              return aws::refuse("ValidationException",
                                 fmt::format("The path '{}' must begin with a slash: a hierarchy like /app/db.", path));
            SP_TRY(const auto types, readTypes(call.input));
            SP_TRY(auto page, readPage(call.input, "GetParametersByPath", 1, kPage));
            if (page.limit > kPage)
              return constraint(std::to_string(page.limit), "maxResults", fmt::format("have value less than or equal to {}", kPage));
            if (!path.ends_with('/')) path += '/';
            const bool decrypt = json::boolOr(call.input, "WithDecryption", false);
            const bool recursive = json::boolOr(call.input, "Recursive", false);
            json::Array list;
            json::Object output;
            auto position = page.position;
            for (auto batch = scanParameters(*call.txn, path, position, kBatch); !batch.empty() && !output.contains("NextToken");
                 batch = scanParameters(*call.txn, path, position, kBatch))
              for (const auto& parameter : batch) {
                position = parameter.name;
                if (!recursive && parameter.name.find('/', path.size()) != std::string::npos) continue;
                if (!types.empty() && std::ranges::find(types, parameter.type) == types.end()) continue;
                if (list.size() == page.limit) {
                  output["NextToken"] = aws::makePageToken(page.bound_to, json::textOr(list.back().get_object(), "Name"));
                  break;
                }
                const auto found = findParameter(*call.txn, parameter.name);
                if (!found) continue;
                SP_TRY(auto view, parameterView(*found, call.realm, secrets, decrypt));
                list.push_back(std::move(view));
              }
            output["Parameters"] = std::move(list);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
