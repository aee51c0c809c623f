// Connections and API destinations as records: JSON objects whose members are spelled as in EventBridge's API; those in lower case are our
// own. What is secret stands in records of its own, which no operation shows.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "services/events/records.h"

namespace sp::services::events {

inline constexpr std::string_view kConnection = "event_connection";
/// By the connection's name: its AuthParameters with all secrets.
inline constexpr std::string_view kConnectionSecret = "event_connection_secret";
inline constexpr std::string_view kDestination = "event_destination";
inline constexpr std::uint64_t kConnections = 3'000;
inline constexpr std::uint64_t kDestinations = 3'000;
inline constexpr std::int64_t kDefaultRate = 300;

/// ResourceNotFoundException.
Checked<json::Object> findConnection(store::Txn& txn, std::string_view name);
Checked<json::Object> findDestination(store::Txn& txn, std::string_view name);
/// The one whose ARN it is; nullopt: it is not there (any more), though another of its name may be.
std::optional<json::Object> connectionOf(store::Txn& txn, std::string_view arn);
std::optional<json::Object> destinationOf(store::Txn& txn, std::string_view arn);
/// With its secrets; empty: it has none (any more).
json::Object secretsOf(store::Txn& txn, std::string_view connection);
void saveConnection(store::Txn& txn, const json::Object& connection);
void saveDestination(store::Txn& txn, const json::Object& destination);
/// "NAME" of "arn:…:KIND/NAME/ID"; empty if it is no such ARN.
std::string nameIn(std::string_view arn, std::string_view kind);

/// AuthParameters of a create or an update for a connection of this type, over those that it has (`before`, may be empty). Messages name
/// no secret.
Checked<json::Object> readAuth(const json::Object& input, std::string_view type, const json::Object& before);
/// What Describe shows of them: without passwords, keys and client secrets, and without values that are marked as secret.
json::Object shownAuth(const json::Object& auth);
/// "https://…" or "http://…", characters as on AWS.
Checked<std::string> readEndpoint(const json::Object& input, std::string_view key, bool required);
/// HttpParameters of a rule's target for an API destination.
Checked<void> checkHttpParameters(const json::Object& target, std::string_view id);

/// Seconds since 1970, as JSON 1.1 tells times; absent members stay so.
void showTimes(const json::Object& record, json::Object& out);

}  // namespace sp::services::events
