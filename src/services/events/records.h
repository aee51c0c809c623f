// Buses and rules as records: JSON objects whose members are spelled as in EventBridge's API; those in lower case are our own.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "aws/api_error.h"
#include "model/arn.h"
#include "services/delivery/record_text.h"
#include "store/store.h"

namespace sp::services::events {

template <class T>
using Checked = std::expected<T, aws::ApiError>;

inline constexpr std::string_view kBus = "event_bus";
inline constexpr std::string_view kRule = "event_rule";
inline constexpr std::string_view kDefaultBus = "default";
inline constexpr std::size_t kRulesOfABus = 2000;
inline constexpr std::size_t kBuses = 100;

/// "BUS/NAME" in a form in which no name is the beginning of another's: bus names may have slashes, rule names not.
std::string ruleKey(std::string_view bus, std::string_view name);
std::string ruleArn(const Realm& realm, std::string_view bus, std::string_view name);
std::string busArn(const Realm& realm, std::string_view name);
/// The name in a bus's ARN, or the name itself. The ARN of another account's or region's bus stays as it is: no bus here has such a name.
std::string busNameOf(const Realm& realm, std::string_view name_or_arn);

/// ResourceNotFoundException.
Checked<json::Object> findBus(store::Txn& txn, std::string_view name);
/// ResourceNotFoundException, of the bus or the rule.
Checked<json::Object> findRule(store::Txn& txn, std::string_view bus, std::string_view name);
void saveBus(store::Txn& txn, const json::Object& bus);
void saveRule(store::Txn& txn, const json::Object& rule);
using delivery::decode;

/// Members of a request, with EventBridge's words for what is wrong.
Checked<std::string> readText(const json::Object& input, std::string_view key, std::size_t longest, bool required = false);
/// RoleArn, empty when absent: the ARN of a role of some account. Roles are not asked whether they are there.
Checked<std::string> readRole(const json::Object& input);
/// [.\-_A-Za-z0-9]+, and slashes if `slashes`.
Checked<std::string> readName(const json::Object& input, std::string_view key, std::size_t longest, bool required, bool slashes = false);
/// EventBusName: a name or an ARN; the default bus when absent.
Checked<std::string> readBus(const Realm& realm, const json::Object& input);
/// An array of at most `most` elements and at least one; ValidationException.
Checked<const json::Array*> readList(const json::Object& input, std::string_view key, std::size_t most);
/// Tags ([{Key, Value}]) added to `tags`.
Checked<void> readTags(const json::Object& input, json::Object& tags);
/// The `Key` of a tag that is to be set.
Checked<std::string> readTagKey(const json::Object& tag);
std::unexpected<aws::ApiError> invalid(std::string_view key, std::string_view value, std::string_view rule);

/// Limit and NextToken of a listing.
struct Page {
  std::string after;
  std::size_t limit = 100;
  std::string bound_to;
};
Checked<Page> readPage(const json::Object& input, std::string bound_to);

}  // namespace sp::services::events
