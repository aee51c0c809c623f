// Tables: their description as a record, their keys, and how keys become the store's bytes.
#pragma once
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aws/api_error.h"
#include "base/random.h"
#include "json/json.h"
#include "model/arn.h"
#include "store/store.h"

namespace sp::dynamodb {

inline constexpr std::string_view kTableRecord = "dynamodb_table";

/// A part of a table's primary key: type is "S", "N" or "B".
struct KeyAttribute {
  std::string name;
  std::string type;
};

struct Table {
  std::string name;
  std::string id;
  /// The name under which the store keeps the items. No other table ever has it, one of the same name neither: what is left of a deleted
  /// table goes in the background.
  std::string items;
  KeyAttribute hash;
  std::optional<KeyAttribute> range;
  /// Provisioned units; both 0 for PAY_PER_REQUEST. They are recorded, never enforced.
  std::int64_t read_units = 0;
  std::int64_t write_units = 0;
  bool deletion_protected = false;
  Instant created;
  /// The attribute that says when an item expires; "" if none does.
  std::string expires_by;
  /// [{"Key":…,"Value":…}] as given.
  json::Array tags;

  bool onDemand() const { return read_units == 0; }
  bool isKey(std::string_view attribute) const { return attribute == hash.name || (range && attribute == range->name); }
  /// A new table: its id, and where its items are to lie.
  void identify(Random& random);
  json::Object encode() const;
  static Table decode(const json::Object& record);
  /// TableDescription of the API. `status`: CREATING, ACTIVE, DELETING.
  json::Object describe(const Realm& realm, std::string_view status, std::uint64_t count, std::uint64_t bytes) const;
};

/// A primary key as the store's bytes: their order is DynamoDB's order. `sort` is empty for tables without range key.
struct StoreKey {
  std::string partition;
  std::string sort;
};

/// Bytes of a checked, non-null S, N or B value.
std::string keyBytes(const json::Value& value);

/// The key of an item to be written: "Missing the key …", "Type mismatch for key …", empty and too long keys are refused.
std::expected<StoreKey, aws::ApiError> keyOfItem(const Table& table, const json::Object& item);
/// The key given as `Key`: exactly the key attributes, or "The provided key element does not match the schema".
std::expected<StoreKey, aws::ApiError> keyOf(const Table& table, const json::Object& key);
/// Only the key attributes of a stored item.
json::Object keyAttributes(const Table& table, const json::Object& item);

/// The table as stored, without any cache. Errors of the data plane: ResourceNotFoundException "Requested resource not found".
std::expected<Table, aws::ApiError> loadTable(store::Txn& txn, std::string_view name);

/// Descriptions of tables kept in memory for the hot path. Core thread only. Holds only what a commit made durable: filled
/// after commits, emptied at once by who changes a table.
class TableCache : public std::enable_shared_from_this<TableCache> {
 public:
  std::expected<std::shared_ptr<const Table>, aws::ApiError> find(store::Txn& txn, std::string_view name);
  /// To be called by a job that writes or deletes the table's record.
  void changed(store::Txn& txn, std::string_view name);

 private:
  std::map<std::string, std::shared_ptr<const Table>, std::less<>> tables_;
};

}  // namespace sp::dynamodb
