// What requests for several tables have in common.
#pragma once
#include <expected>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "services/dynamodb/service.h"

namespace sp::dynamodb {

/// One table of RequestItems and what is asked of it.
struct BatchTable {
  std::string name;
  std::shared_ptr<const Table> table;
  const json::Value* asked = nullptr;
};

/// The tables of a batch, all there. A name may be an ARN. Errors: ValidationException, ResourceNotFoundException.
std::expected<std::vector<BatchTable>, aws::ApiError> batchTables(Service& service, const aws::Call& call, const json::Object& items);

/// Tells items that one request names twice.
class ItemsSeen {
 public:
  /// False if it was there.
  bool add(std::string_view table, const StoreKey& key) { return seen_.emplace(std::string(table), key.partition, key.sort).second; }

 private:
  std::set<std::tuple<std::string, std::string, std::string>> seen_;
};

aws::Outcome batchGetItem(Service& service, const aws::Call& call);
aws::Outcome batchWriteItem(Service& service, const aws::Call& call);
aws::Outcome transactGetItems(Service& service, const aws::Call& call);
aws::Outcome transactWriteItems(Service& service, const aws::Call& call);

/// Timers of this kind forget a ClientRequestToken (their id); the handler is registered by makeDynamoDb.
inline constexpr std::string_view kTokenTimer = "dynamodb.token";
void forgetToken(store::Txn& txn, std::string_view token);

/// TransactItems: a list of 1 to 100 objects. Errors as finish().
std::expected<const json::Array*, aws::ApiError> transactItems(Request& request);
/// TransactionCanceledException; `reasons` has an entry for each action.
std::unexpected<aws::ApiError> cancelled(json::Array reasons);

}  // namespace sp::dynamodb
