// A role and where it is kept.
#pragma once
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "model/arn.h"
#include "store/store.h"

namespace sp::services::iam {

struct Role {
  std::string path = "/";
  std::string name;
  /// AROA and 17 characters.
  std::string id;
  /// ISO 8601.
  std::string created;
  /// As given, not encoded.
  std::string trust;
  std::string description;
  std::int64_t max_session_seconds = 3600;
  std::map<std::string, std::string> tags;
  /// Inline policies, name → document.
  std::map<std::string, std::string> policies;
  /// ARNs of managed policies, sorted.
  std::vector<std::string> attached;

  std::string arn(const Realm& realm) const;
};

std::string encodeRole(const Role& role);
Role decodeRole(std::string_view text);

/// Names are unique whatever their case. Error NoSuchEntity.
std::expected<Role, aws::ApiError> findRole(store::Txn& txn, std::string_view name);
void saveRole(store::Txn& txn, const Role& role);
bool roleExists(store::Txn& txn, std::string_view name);
void eraseRole(store::Txn& txn, std::string_view name);
/// In the order of names, strictly after that one.
std::vector<Role> rolesAfter(store::Txn& txn, std::string_view name, std::size_t limit);

/// As the API shows it. Policy documents are URL-encoded (RFC 3986).
json::Object describeRole(const Role& role, const Realm& realm);
json::Array describeTags(const std::map<std::string, std::string>& tags);

}  // namespace sp::services::iam
