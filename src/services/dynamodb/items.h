// Tables and items for the server's own use: the job log's row, the table it stands in. Core thread, inside a job.
#pragma once
#include <expected>
#include <optional>
#include <string_view>

#include "aws/api_error.h"
#include "base/random.h"
#include "json/json.h"
#include "store/store.h"

namespace sp::dynamodb {

/// Makes an on-demand table with a hash key of type S unless a table of that name exists.
void ensureTable(store::Txn& txn, Random& random, std::string_view name, std::string_view hash_key);

/// PutItem without conditions: replaces the item. `item` is in DynamoDB's attribute form ({"Id":{"S":"x"}}). Errors as PutItem.
std::expected<void, aws::ApiError> putItem(store::Txn& txn, std::string_view table, const json::Object& item);

/// The item with this key, or nullopt. Errors as GetItem.
std::expected<std::optional<json::Object>, aws::ApiError> getItem(store::Txn& txn, std::string_view table, const json::Object& key);

}  // namespace sp::dynamodb
