#include "services/iam/roles.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "base/strings.h"

namespace sp::services::iam {
namespace {
constexpr std::string_view kKind = "iam_role";

json::Object textMap(const std::map<std::string, std::string>& map) {
  json::Object object;
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}

std::map<std::string, std::string> readTextMap(const json::Object& body, std::string_view key) {
  std::map<std::string, std::string> map;
  if (const auto* found = json::find(body, key); found != nullptr && found->is_object())
    for (const auto& entry : found->get_object()) map[std::string(entry.key())] = json::toStd(entry.value().get_string());
  return map;
}

}  // namespace

std::string Role::arn(const Realm& realm) const { return fmt::format("arn:aws:iam::{}:role{}{}", realm.account, path, name); }

std::string encodeRole(const Role& role) {
  json::Array attached;
  for (const auto& arn : role.attached) attached.emplace_back(arn);
  return json::toText(json::Object{{"path", role.path},
                                   {"name", role.name},
                                   {"id", role.id},
                                   {"created", role.created},
                                   {"trust", role.trust},
                                   {"description", role.description},
                                   {"maxSession", role.max_session_seconds},
                                   {"tags", textMap(role.tags)},
                                   {"policies", textMap(role.policies)},
                                   {"attached", std::move(attached)}});
}

Role decodeRole(std::string_view text) {
  const auto parsed = json::parse(text);
  SP_ASSERT(parsed && parsed->is_object());
  const auto& body = parsed->get_object();
  Role role;
  role.path = json::textOr(body, "path", "/");
  role.name = json::textOr(body, "name");
  role.id = json::textOr(body, "id");
  role.created = json::textOr(body, "created");
  role.trust = json::textOr(body, "trust");
  role.description = json::textOr(body, "description");
  role.max_session_seconds = json::intOr(body, "maxSession", 3600);
  role.tags = readTextMap(body, "tags");
  role.policies = readTextMap(body, "policies");
  if (const auto* attached = json::find(body, "attached"); attached != nullptr && attached->is_array())
    for (const auto& arn : attached->get_array()) role.attached.push_back(json::toStd(arn.get_string()));
  return role;
}

std::expected<Role, aws::ApiError> findRole(store::Txn& txn, std::string_view name) {
  const auto body = txn.records().get(kKind, toLower(name));
  if (!body) return aws::refuse("NoSuchEntity", fmt::format("The role with name {} cannot be found.", name), 404);
  return decodeRole(*body);
}

void saveRole(store::Txn& txn, const Role& role) { txn.records().put(kKind, toLower(role.name), encodeRole(role)); }

bool roleExists(store::Txn& txn, std::string_view name) { return txn.records().get(kKind, toLower(name)).has_value(); }

void eraseRole(store::Txn& txn, std::string_view name) { txn.records().erase(kKind, toLower(name)); }

std::vector<Role> rolesAfter(store::Txn& txn, std::string_view name, std::size_t limit) {
  std::vector<Role> roles;
  for (const auto& record : txn.records().scan(kKind, "", toLower(name), limit)) roles.push_back(decodeRole(record.body));
  return roles;
}

json::Array describeTags(const std::map<std::string, std::string>& tags) {
  json::Array list;
  for (const auto& [key, value] : tags) list.push_back(json::Object{{"Key", key}, {"Value", value}});
  return list;
}

json::Object describeRole(const Role& role, const Realm& realm) {
  json::Object out{{"Path", role.path},
                   {"RoleName", role.name},
                   {"RoleId", role.id},
                   {"Arn", role.arn(realm)},
                   {"CreateDate", role.created},
                   {"AssumeRolePolicyDocument", percentEncode(role.trust)},
                   {"MaxSessionDuration", role.max_session_seconds}};
  if (!role.description.empty()) out["Description"] = role.description;
  return out;
}

}  // namespace sp::services::iam
