#include "services/ssm/parameters/parameter_store.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kParameterKind = "ssm_parameter";
constexpr std::string_view kVersionKind = "ssm_parameter_version";
constexpr std::size_t kVersionsMax = 100;
constexpr std::string_view kReference = "ssm:";

std::string versionKey(std::string_view name, std::int64_t number) { return fmt::format("{}|{:010}", name, number); }

template <class T>
std::optional<T> decoded(const std::optional<std::string>& body) {
  if (!body) return std::nullopt;
  const auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto value = T::decode(parsed->get_object());
  if (value) return std::move(*value);
  log::error("a record of Parameter Store is broken", {{"error", value.error().text()}});
  return std::nullopt;
}

/// "NAME" of "arn:…:parameter/NAME": hierarchical names begin with the slash themselves.
std::string bareName(store::Txn& txn, std::string_view name) {
  constexpr std::string_view kBefore = ":parameter";
  if (!name.starts_with("arn:")) return std::string(name);
  const auto at = name.find(kBefore);
  if (at == std::string_view::npos) return std::string(name);
  const auto rest = name.substr(at + kBefore.size());
  const auto flat = rest.substr(rest.starts_with('/') ? 1 : 0);
  const auto plain = flat.substr(0, flat.find(':'));
  return std::string(txn.records().get(kParameterKind, plain) ? flat : rest);
}

void collect(const json::Value& tree, std::vector<std::string>& names) {
  if (tree.is_array())
    for (const auto& each : tree.get_array()) collect(each, names);
  if (tree.is_object())
    for (const auto& [key, value] : tree.get_object()) collect(value, names);
  if (!tree.is_string()) return;
  auto text = json::toView(tree.get_string());
  while (true) {
    const auto open = text.find("{{");
    const auto close = open == std::string_view::npos ? open : text.find("}}", open + 2);
    if (close == std::string_view::npos) return;
    const auto inner = text.rfind("{{", close - 1);
    const auto name = trim(text.substr(inner + 2, close - inner - 2));
    if (name.starts_with(kReference)) names.emplace_back(name);
    text.remove_prefix(close + 2);
  }
}

}  // namespace

json::Object StoredParameter::encode() const {
  json::Object tag_map;
  for (const auto& [key, value] : tags) tag_map[key] = value;
  return {{"name", name},       {"type", type}, {"dataType", data_type}, {"description", description},
          {"pattern", pattern}, {"tier", tier}, {"version", version},    {"tags", tag_map}};
}

Result<StoredParameter> StoredParameter::decode(const json::Object& body) {
  json::Reader reader(body, "parameter");
  StoredParameter parameter;
  parameter.name = reader.text("name");
  parameter.type = reader.text("type");
  parameter.data_type = reader.text("dataType");
  parameter.description = reader.text("description");
  parameter.pattern = reader.text("pattern");
  parameter.tier = reader.text("tier");
  parameter.version = reader.integer("version");
  if (const auto* tag_map = reader.object("tags"))
    for (const auto& [key, value] : *tag_map)
      if (value.is_string()) parameter.tags.emplace(std::string(key), json::toStd(value.get_string()));
  SP_CHECK_OK(reader.finish());
  return parameter;
}

json::Object ParameterVersion::encode() const {
  return {{"name", name}, {"number", number}, {"value", value}, {"modified", toMicros(modified)}};
}

Result<ParameterVersion> ParameterVersion::decode(const json::Object& body) {
  json::Reader reader(body, "parameter version");
  ParameterVersion version;
  version.name = reader.text("name");
  version.number = reader.integer("number");
  version.value = reader.text("value");
  version.modified = fromMicros(reader.integer("modified"));
  SP_CHECK_OK(reader.finish());
  return version;
}

std::optional<StoredParameter> storedParameter(store::Txn& txn, std::string_view name) {
  return decoded<StoredParameter>(txn.records().get(kParameterKind, name));
}

std::expected<FoundParameter, aws::ApiError> findParameter(store::Txn& txn, std::string_view asked) {
  auto name = bareName(txn, asked);
  std::string selector;
  if (const auto colon = name.find(':'); colon != std::string::npos) {
    selector = name.substr(colon);
    name.resize(colon);
  }
  auto parameter = storedParameter(txn, name);
  if (!parameter) return aws::refuse("ParameterNotFound", fmt::format("Parameter {} not found.", name));
  const auto number = selector.empty() ? parameter->version : parseInt(selector.substr(1)).value_or(0);
  auto version = decoded<ParameterVersion>(txn.records().get(kVersionKind, versionKey(name, number)));
  if (!version)
    return aws::refuse(
        "ParameterVersionNotFound",
        fmt::format("Systems Manager could not find version {} of {}. Verify the version and try again.", selector.substr(1), name));
  return FoundParameter{std::move(*parameter), std::move(*version), std::move(selector)};
}

std::vector<StoredParameter> scanParameters(store::Txn& txn, std::string_view prefix, std::string_view after, std::size_t limit) {
  std::vector<StoredParameter> found;
  for (const auto& record : txn.records().scan(kParameterKind, prefix, after, limit))
    if (auto parameter = decoded<StoredParameter>(record.body)) found.push_back(std::move(*parameter));
  return found;
}

std::uint64_t countParameters(store::Txn& txn, std::uint64_t most) { return txn.records().count(kParameterKind, most); }

void save(store::Txn& txn, const StoredParameter& parameter) {
  txn.records().put(kParameterKind, parameter.name, json::toText(parameter.encode()));
}

void addVersion(store::Txn& txn, const ParameterVersion& version) {
  txn.records().put(kVersionKind, versionKey(version.name, version.number), json::toText(version.encode()));
  const auto all = txn.records().scan(kVersionKind, version.name + "|", "", kVersionsMax + 1);
  if (all.size() > kVersionsMax) txn.records().erase(kVersionKind, all.front().key);
}

bool eraseParameter(store::Txn& txn, std::string_view name) {
  for (const auto& record : txn.records().scan(kVersionKind, std::string(name) + "|", "", kVersionsMax + 1))
    txn.records().erase(kVersionKind, record.key);
  return txn.records().erase(kParameterKind, name);
}

std::string sealValue(const std::string& name, std::string_view value, const SecretBox& secrets, Random& random) {
  return toBase64(secrets.seal(value, name, random));
}

std::expected<json::Object, aws::ApiError> parameterView(const FoundParameter& found, const Realm& realm, const SecretBox& secrets,
                                                         bool decrypt) {
  const auto& name = found.parameter.name;
  auto value = found.version.value;
  if (decrypt && found.parameter.type == kSecureString) {
    const auto sealed = fromBase64(value);
    auto opened = secrets.open(sealed.value_or(""), name);
    if (!opened)
      return aws::refuse(
          "InternalServerError",
          fmt::format("Parameter {} does not open: {}. Restore the file secrets.key of the data directory.", name, opened.error().message),
          500);
    value = std::move(*opened);
  }
  json::Object view{{"Name", name},
                    {"Type", found.parameter.type},
                    {"Value", std::move(value)},
                    {"Version", found.version.number},
                    {"LastModifiedDate", toEpochSeconds(found.version.modified)},
                    {"ARN", realm.arn("ssm", (name.starts_with('/') ? "parameter" : "parameter/") + name)},
                    {"DataType", found.parameter.data_type}};
  if (!found.selector.empty()) view["Selector"] = found.selector;
  return view;
}

std::expected<document::Values, aws::ApiError> referencedParameters(store::Txn& txn, const json::Value& tree) {
  std::vector<std::string> names;
  collect(tree, names);
  document::Values values;
  for (const auto& reference : names) {
    const auto found = findParameter(txn, std::string_view(reference).substr(kReference.size()));
    if (!found) return aws::refuse("InvalidParameters", fmt::format("{{{{{}}}}}: {}", reference, found.error().message));
    if (found->parameter.type == kSecureString)
      return aws::refuse(
          "InvalidParameters",
          fmt::format("{{{{{}}}}}: a parameter of type SecureString cannot stand in a command. Have the script read it.", reference));
    json::Value value(found->version.value);
    if (found->parameter.type == "StringList") {
      json::Array list;
      for (const auto each : split(found->version.value, ',')) list.emplace_back(each);
      value = std::move(list);
    }
    values.insert_or_assign(reference, std::move(value));
  }
  return values;
}

std::expected<json::Object, aws::ApiError> resolveReferences(store::Txn& txn, const json::Object& parameters) {
  SP_TRY(const auto values, referencedParameters(txn, json::Value(parameters)));
  if (values.empty()) return parameters;
  json::Object resolved;
  for (const auto& [key, value] : parameters) {
    auto put = document::substitute(value, values);
    // A list in place of one of a list's texts becomes texts of that list.
    if (put.is_array()) {
      json::Array flat;
      for (auto& each : put.get_array()) {
        if (each.is_array())
          for (auto& inner : each.get_array()) flat.push_back(std::move(inner));
        else flat.push_back(std::move(each));
      }
      put = std::move(flat);
    }
    resolved.emplace(key, std::move(put));
  }
  return resolved;
}

}  // namespace sp::services::ssm
