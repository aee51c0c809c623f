// What the operations of this folder share. Each stands in a file of its own.
#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "base/random.h"
#include "services/dynamodb/request.h"
#include "services/dynamodb/table.h"

namespace sp::dynamodb {

/// How large a table is. Counting walks the table, so a figure is kept for a thousand times as long as it took to get
/// (AWS's own are hours old).
class Extents {
 public:
  explicit Extents(const Clock& clock) : clock_(clock) {}
  store::ItemTable::Extent of(store::Txn& txn, const Table& table);
  void forget(const Table& table) { known_.erase(table.items); }

 private:
  struct Known {
    store::ItemTable::Extent extent;
    Duration until;
  };
  const Clock& clock_;
  // By Table::items.
  std::map<std::string, Known, std::less<>> known_;
};

struct Service {
  const Realm& realm;
  Random& random;
  Extents extents;
  std::shared_ptr<TableCache> tables = std::make_shared<TableCache>();
};

/// Control-plane miss: "Requested resource not found: Table: N not found".
std::unexpected<aws::ApiError> noSuchTable(std::string_view name);

/// An item about to be stored: checked, not too large.
struct PreparedItem {
  const json::Object& item;
  bool canonical;
  std::size_t size;

  /// What is stored. The text of `item` as it is where that is canonical already.
  std::string body() const;
};
std::expected<PreparedItem, aws::ApiError> prepareItem(const json::Object& item);

/// The stored item, or nullopt.
std::optional<json::Object> storedItem(store::Txn& txn, const Table& table, const StoreKey& key);
/// An item's stored text as an object; an unreadable one is an invariant broken and reads as empty.
json::Object decodeItem(std::string_view body);

/// What PutItem, UpdateItem and DeleteItem have in common besides the change itself.
struct WriteWishes {
  /// ReturnValues; "" if not given.
  std::string values;
  bool return_old_on_failure = false;
  CapacityWish capacity = CapacityWish::none;

  /// For PutItem and DeleteItem, which return the old item or nothing.
  static WriteWishes read(Request& request);
  static WriteWishes readForUpdate(Request& request);
  /// Whether the item that was there must be read.
  bool needOld(const Expressions& expressions) const {
    return values == "ALL_OLD" || capacity != CapacityWish::none || expressions.condition != nullptr;
  }
};
/// ConditionalCheckFailedException unless the old item (absent: empty) meets the condition.
std::expected<void, aws::ApiError> checkCondition(const Expressions& expressions, const WriteWishes& wishes,
                                                  const std::optional<json::Object>& old);
/// UpdateItem's item: checked, key attributes untouched, not too large. nullopt: nothing was there and the update only
/// removes, so nothing is made. `key` must have passed the check.
std::expected<std::optional<json::Object>, aws::ApiError> updatedItem(const Table& table, const Expressions& expressions,
                                                                      const json::Object& key, const std::optional<json::Object>& old);
/// The output of PutItem and DeleteItem: Attributes, ConsumedCapacity, ItemCollectionMetrics never.
json::Object writeOutput(const WriteWishes& wishes, std::string_view table, std::optional<json::Object> old, std::size_t new_size);

aws::Outcome createTable(Service& service, const aws::Call& call);
aws::Outcome describeTable(Service& service, const aws::Call& call);
aws::Outcome listTables(Service& service, const aws::Call& call);
aws::Outcome deleteTable(Service& service, const aws::Call& call);
aws::Outcome putItem(Service& service, const aws::Call& call);
aws::Outcome updateItem(Service& service, const aws::Call& call);
aws::Outcome getItem(Service& service, const aws::Call& call);
aws::Outcome deleteItem(Service& service, const aws::Call& call);
aws::Outcome query(Service& service, const aws::Call& call);
aws::Outcome scan(Service& service, const aws::Call& call);

}  // namespace sp::dynamodb
