// What the operations on tables share besides the table itself.
#pragma once
#include <chrono>
#include <expected>
#include <string>

#include "services/dynamodb/service.h"

namespace sp::dynamodb {

/// A list of {"Key","Value"}: 1 to 128 and 0 to 256 characters, no key twice. Errors: ValidationException.
std::expected<json::Array, aws::ApiError> readTags(const json::Array& given);
/// ValidationException if there are more than a table may have.
std::expected<void, aws::ApiError> checkTagCount(const json::Array& tags);

/// ProvisionedThroughput against BillingMode, put into `table`.
std::expected<void, aws::ApiError> readBilling(Request& request, std::string_view mode, Table& table);

/// The table as stored; a missing one in the words of the control plane.
std::expected<Table, aws::ApiError> existingTable(const aws::Call& call, std::string_view name);
/// Writes the record of a changed table.
void storeTable(Service& service, const aws::Call& call, const Table& table);

/// Timers of this kind walk a table (their id) and delete what has expired; the handler is registered by makeDynamoDb.
inline constexpr std::string_view kExpiryTimer = "dynamodb.ttl";
/// One step of that walk: up to 1 MB of items, then the next timer. Steps are spaced so that a walk takes a fiftieth of
/// the core thread at most.
void expireItems(store::Txn& txn, const Clock& clock, const store::Timer& timer);

/// The timer of this kind deletes what deleted tables have left, one table after the other; the handler is registered by makeDynamoDb.
inline constexpr std::string_view kDropTimer = "dynamodb.drop";
/// When a step that failed, or that its server did not outlive, is tried again.
inline constexpr auto kDropAgain = std::chrono::seconds(5);
/// One step of that: about 1 MB of items, then the next timer. Steps are spaced so that they take a fifth of the core thread at most.
void dropItems(store::Txn& txn, const Clock& clock);

aws::Outcome updateTable(Service& service, const aws::Call& call);
aws::Outcome tagResource(Service& service, const aws::Call& call);
aws::Outcome untagResource(Service& service, const aws::Call& call);
aws::Outcome listTagsOfResource(Service& service, const aws::Call& call);
aws::Outcome describeTimeToLive(Service& service, const aws::Call& call);
aws::Outcome updateTimeToLive(Service& service, const aws::Call& call);
aws::Outcome describeLimits(Service& service, const aws::Call& call);
aws::Outcome describeContinuousBackups(Service& service, const aws::Call& call);
aws::Outcome updateContinuousBackups(Service& service, const aws::Call& call);

}  // namespace sp::dynamodb
