// Backup's shapes on the wire, and the checks that several operations share.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "services/backup/records.h"

namespace sp::services::backup {

class RecoveryPoints;

/// Backup's error bodies own the members Code, Message, Type and Context beside the header that names the error.
aws::ApiError apiError(std::string code, std::string message);
aws::ApiError noVault(std::string_view name);
std::optional<aws::ApiError> checkVaultName(std::string_view name);
/// Roles are not enforced: any well-formed role ARN of the account will do.
std::optional<aws::ApiError> checkRoleArn(std::string_view arn, const Realm& realm);
/// "i-…" of arn:aws:ec2:REGION:ACCOUNT:instance/i-…; nullopt for anything else.
std::optional<std::string> instanceOfArn(std::string_view arn, const Realm& realm);
/// A member that must be there: MissingParameterValueException.
std::expected<std::string, aws::ApiError> requiredText(const json::Object& input, std::string_view member);
/// A member that may be left out; InvalidParameterValueException for anything but a text.
std::expected<std::string, aws::ApiError> optionalText(const json::Object& input, std::string_view member, std::string_view otherwise);
/// What AWS knows and is not done here: InvalidParameterValueException if the member asks for anything (null, false and what is empty ask
/// for nothing).
std::optional<aws::ApiError> refuseMember(const json::Object& input, std::string_view member, std::string_view why);
/// These members, but those that are null.
json::Object only(const json::Object& input, std::initializer_list<std::string_view> members);
/// Members of a map of strings; InvalidParameterValueException for anything else.
std::expected<TextMap, aws::ApiError> textMap(const json::Object& input, std::string_view member);
/// The same of a map of tags; InvalidParameterValueException says what is wrong with them (tags.h).
std::expected<TextMap, aws::ApiError> tagMap(const json::Object& input, std::string_view member);
/// A whole number; nullopt when absent.
std::expected<std::optional<std::int64_t>, aws::ApiError> integer(const json::Object& input, std::string_view member);
/// DeleteAfterDays of the member Lifecycle, 1 to 36,500; 0 when it is -1 or absent: for ever. InvalidParameterValueException for
/// anything else, and for a move to cold storage, which there is not.
std::expected<std::int64_t, aws::ApiError> deleteAfterDays(const json::Object& input);
/// ISO 8601 text or epoch seconds, within some three thousand years of 1970, of a time filter; nullopt when absent.
/// InvalidParameterValueException for anything else.
std::expected<std::optional<Instant>, aws::ApiError> timeFilter(const json::Object& input, std::string_view member);
/// A moment as answers show it: whole milliseconds. Filters compare these, so that a time that was read can be asked with.
inline Instant shown(Instant time) { return std::chrono::floor<std::chrono::milliseconds>(time); }

/// One page of a list: the limit, and the key after which it goes on.
struct PageAsk {
  std::size_t limit = 1000;
  std::string after;
  /// What the token is bound to: operation and filters.
  std::string bound_to;
};
std::expected<PageAsk, aws::ApiError> pageAsk(const aws::Call& call, std::string_view operation);
/// Adds NextToken if there is more: `last_key` is the last shown entry's.
void putNextToken(json::Object& output, const PageAsk& page, std::string_view last_key, bool more);

std::string vaultArn(const Realm& realm, std::string_view name);
json::Object vaultShape(const Vault& vault, const Realm& realm);
/// AWS's word for how a job ended; empty while it has not.
std::string_view messageCategory(JobState state);
json::Object jobShape(const Job& job, const Realm& realm, const RecoveryPoints& points);
json::Object pointShape(const RecoveryPoint& point, const Realm& realm, const RecoveryPoints& points);
/// Lifecycle and CalculatedLifecycle; nothing for a point that is kept for ever.
void putLifecycle(json::Object& out, const RecoveryPoint& point);
/// "" if there is nothing to say of it.
std::string statusMessage(const RecoveryPoint& point);
json::Object restoreShape(const RestoreJob& job, const Realm& realm, const RecoveryPoints& points);

}  // namespace sp::services::backup
