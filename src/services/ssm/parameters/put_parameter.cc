// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {
namespace {

constexpr std::uint64_t kParametersMax = 10'000;
constexpr std::size_t kNameMax = 1011;
constexpr std::size_t kLevelsMax = 15;
constexpr std::size_t kStandardMax = 4096;
constexpr std::size_t kAdvancedMax = 8192;
constexpr std::size_t kDescriptionMax = 1024;
constexpr std::size_t kPatternMax = 1024;
/// What AWS calls the key that a SecureString has where none is named.
constexpr std::string_view kOwnKey = "alias/aws/ssm";

std::expected<void, aws::ApiError> checkName(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/";
  if (name.empty() || name.size() > kNameMax) return constraint(name, "name", fmt::format("have length from 1 to {}", kNameMax));
  if (name.find_first_not_of(kAllowed) != std::string::npos || (name.find('/') != std::string::npos && !name.starts_with('/')) ||
      name.find("//") != std::string::npos || name.ends_with('/'))
    return aws::refuse("ValidationException",
                       fmt::format("Parameter name '{}': letters, digits, _ . - and / are allowed; one with / must be fully qualified and "
                                   "begin with it.",
                                   name));
  const auto first = toLower(name.substr(name.starts_with('/') ? 1 : 0));
  if (first.starts_with("aws") || first.starts_with("ssm"))
    return aws::refuse("ValidationException",
                       fmt::format("Parameter name '{}': can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).", name));
  if (static_cast<std::size_t>(std::ranges::count(name, '/')) > kLevelsMax)
    return aws::refuse("HierarchyLevelLimitExceededException",
                       fmt::format("Parameter name '{}' has more than {} levels.", name, kLevelsMax));
  return {};
}

/// The parameter as the call wants it, on top of the one there is.
std::expected<StoredParameter, aws::ApiError> readParameter(const json::Object& input, const std::string& name,
                                                            const std::optional<StoredParameter>& earlier) {
  json::Reader reader(input);
  auto parameter = earlier.value_or(StoredParameter());
  const auto type = reader.textIf("Type").value_or("");
  const auto tier = reader.textIf("Tier").value_or(parameter.tier);
  parameter.name = name;
  parameter.description = reader.textIf("Description").value_or(parameter.description);
  parameter.pattern = reader.textIf("AllowedPattern").value_or(parameter.pattern);
  parameter.data_type = reader.textIf("DataType").value_or(parameter.data_type);
  const auto key = reader.textIf("KeyId").value_or("");
  const auto policies = reader.textIf("Policies").value_or("");
  if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
  if (!type.empty() && type != "String" && type != "StringList" && type != kSecureString)
    return constraint(type, "type", "satisfy enum value set: [SecureString, StringList, String]");
  if (type.empty() && !earlier) return aws::refuse("ValidationException", "A parameter type is required when you create a parameter.");
  if (earlier && !type.empty() && type != earlier->type)
    return aws::refuse("HierarchyTypeMismatchException",
                       fmt::format("The parameter {} is a {}; its type cannot be changed.", name, earlier->type));
  if (!type.empty()) parameter.type = type;
  if (!key.empty() && parameter.type != kSecureString)
    return aws::refuse("ValidationException", "KeyId is required for SecureString type parameter only.");
  if (!key.empty() && key != kOwnKey)
    return aws::refuse("InvalidKeyId", fmt::format("There is no key {}: SecureStrings are sealed with {}. Leave KeyId out.", key, kOwnKey));
  if (tier != "Standard" && tier != "Advanced" && tier != "Intelligent-Tiering")
    return constraint(tier, "tier", "satisfy enum value set: [Standard, Advanced, Intelligent-Tiering]");
  if (parameter.tier != "Advanced") parameter.tier = tier == "Advanced" ? "Advanced" : "Standard";
  if (parameter.data_type != "text")
    return aws::refuse("ValidationException", fmt::format("DataType {} is not served here: text is.", parameter.data_type));
  if (parameter.description.size() > kDescriptionMax)
    return constraint(parameter.description, "description", fmt::format("have length less than or equal to {}", kDescriptionMax));
  if (parameter.pattern.size() > kPatternMax)
    return constraint(parameter.pattern, "allowedPattern", fmt::format("have length less than or equal to {}", kPatternMax));
  if (!policies.empty())
    return aws::refuse("InvalidPolicyTypeException", "Policies of parameters are not served here. Leave Policies out.");
  return parameter;
}

std::expected<void, aws::ApiError> checkValue(const StoredParameter& parameter, const std::string& value, bool may_grow) {
  const auto most = parameter.tier == "Advanced" || may_grow ? kAdvancedMax : kStandardMax;
  if (value.empty()) return constraint(value, "value", "have length greater than or equal to 1");
  if (value.size() > most)
    return aws::refuse("ValidationException",
                       fmt::format("The value has {} bytes; a parameter of this tier holds at most {}.", value.size(), most));
  if (value.find("{{") != std::string::npos)
    return aws::refuse("ValidationException", "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.");
  if (parameter.pattern.empty()) return {};
  const auto matches = document::matchesPattern(value, parameter.pattern);
  if (!matches) return aws::refuse("InvalidAllowedPatternException", matches.error().message);
  if (!*matches)
    return aws::refuse("ParameterPatternMismatchException",
                       fmt::format("The value of {} does not match its allowed pattern {}.", parameter.name, parameter.pattern));
  return {};
}

}  // namespace

aws::Operation putParameter(Context& context, const SecretBox& secrets) {
  return {"PutParameter",
          [&context, &secrets](const aws::Call& call) -> aws::Outcome {
            const auto name = json::textOr(call.input, "Name");
            const auto value = json::textOr(call.input, "Value");
            if (auto right = checkName(name); !right) return std::unexpected(std::move(right.error()));
            const auto earlier = storedParameter(*call.txn, name);
            const bool overwrite = json::boolOr(call.input, "Overwrite", false);
            if (earlier && !overwrite)
              return aws::refuse("ParameterAlreadyExists",
                                 "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.");
            SP_TRY(auto parameter, readParameter(call.input, name, earlier));
            const bool may_grow = json::textOr(call.input, "Tier") == "Intelligent-Tiering";
            if (auto right = checkValue(parameter, value, may_grow); !right) return std::unexpected(std::move(right.error()));
            if (value.size() > kStandardMax) parameter.tier = "Advanced";
            SP_TRY(auto tags, readTags(call.input));
            if (overwrite && !tags.empty())
              return aws::refuse("ValidationException", "Tags and Overwrite cannot be given together; use AddTagsToResource.");
            if (!earlier) parameter.tags = std::move(tags);
            if (!earlier && countParameters(*call.txn, kParametersMax) >= kParametersMax)
              return aws::refuse("ParameterLimitExceeded",
                                 fmt::format("There are {} parameters, as many as there may be. Delete some first.", kParametersMax));
            parameter.version = earlier ? earlier->version + 1 : 1;
            save(*call.txn, parameter);
            const bool secure = parameter.type == kSecureString;
            addVersion(*call.txn, {parameter.name, parameter.version, secure ? sealValue(name, value, secrets, context.random) : value,
                                   context.clock.now()});
            return json::Object{{"Version", parameter.version}, {"Tier", parameter.tier}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
