// Parameter Store: texts and lists of texts by name, in versions; documents and commands name them "{{ssm:NAME}}". Core thread only.
// Kinds: "ssm_parameter" (key: name), "ssm_parameter_version" (key: NAME|NUMBER, the number in ten digits).
// AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-parameter-store.html
#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "base/secret_box.h"
#include "model/documents/parameters.h"
#include "store/store.h"

namespace sp::services::ssm {

inline constexpr std::string_view kSecureString = "SecureString";

struct StoredParameter {
  std::string name;
  /// "String", "StringList" (values separated by commas) or "SecureString".
  std::string type;
  std::string data_type = "text";
  std::string description;
  /// RE2's syntax; later values must match it as a whole. Empty: none.
  std::string pattern;
  /// "Standard" or "Advanced".
  std::string tier = "Standard";
  std::int64_t version = 1;
  std::map<std::string, std::string> tags;

  json::Object encode() const;
  static Result<StoredParameter> decode(const json::Object& body);
};

struct ParameterVersion {
  std::string name;
  std::int64_t number = 1;
  /// A SecureString's sealed, in base64.
  std::string value;
  Instant modified;

  json::Object encode() const;
  static Result<ParameterVersion> decode(const json::Object& body);
};

struct FoundParameter {
  StoredParameter parameter;
  ParameterVersion version;
  /// ":3" as it was asked; empty: the latest.
  std::string selector;
};

/// "NAME", "NAME:VERSION" or the ARN. ParameterNotFound, ParameterVersionNotFound.
std::expected<FoundParameter, aws::ApiError> findParameter(store::Txn& txn, std::string_view name);
std::optional<StoredParameter> storedParameter(store::Txn& txn, std::string_view name);
/// With names that begin with `prefix` and are greater than `after`, in their order.
std::vector<StoredParameter> scanParameters(store::Txn& txn, std::string_view prefix, std::string_view after, std::size_t limit);
std::uint64_t countParameters(store::Txn& txn, std::uint64_t most);
/// A new value: the version's number is the parameter's. The oldest beyond 100 goes.
void save(store::Txn& txn, const StoredParameter& parameter);
void addVersion(store::Txn& txn, const ParameterVersion& version);
/// False if there was none.
bool eraseParameter(store::Txn& txn, std::string_view name);

/// A SecureString's value is shown with `decrypt` alone, and else as it lies in the store. InternalServerError: it does not open.
std::expected<json::Object, aws::ApiError> parameterView(const FoundParameter& found, const Realm& realm, const SecretBox& secrets,
                                                         bool decrypt);
/// The value of a SecureString as it lies in the store.
std::string sealValue(const std::string& name, std::string_view value, const SecretBox& secrets, Random& random);

/// "Names" of an input: 1 to 10, none twice. ValidationException.
std::expected<std::vector<std::string>, aws::ApiError> readParameterNames(const json::Object& input);

/// The values of all "{{ssm:NAME}}" in a tree, by "ssm:NAME". InvalidParameters for one that does not exist, or that is a SecureString:
/// it would stand in the command's record.
std::expected<document::Values, aws::ApiError> referencedParameters(store::Txn& txn, const json::Value& tree);
/// A command's parameters with those references put in. InvalidParameters.
std::expected<json::Object, aws::ApiError> resolveReferences(store::Txn& txn, const json::Object& parameters);

}  // namespace sp::services::ssm
