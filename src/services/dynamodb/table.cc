#include "services/dynamodb/table.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "services/dynamodb/number.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

using aws::refuse;

constexpr std::size_t kPartitionMax = 2048;
constexpr std::size_t kSortMax = 1024;

std::unexpected<aws::ApiError> invalid(std::string message) { return refuse("ValidationException", std::move(message)); }

json::Object encodeKey(const KeyAttribute& key) { return {{"name", key.name}, {"type", key.type}}; }

KeyAttribute decodeKey(const json::Value& value) {
  const auto& object = value.get_object();
  return {json::textOr(object, "name"), json::textOr(object, "type")};
}

// A key value that is there: its type, that it is not empty, how long it may be.
std::expected<std::string, aws::ApiError> bytesOf(const KeyAttribute& key, const json::Value& value, std::size_t longest, bool of_item) {
  const auto found = typed(value);
  if (found.type != key.type) {
    if (!of_item) return invalid("The provided key element does not match the schema");
    return invalid(fmt::format("One or more parameter values were invalid: Type mismatch for key {} expected: {} actual: {}", key.name,
                               key.type, found.type));
  }
  auto bytes = keyBytes(value);
  if (bytes.empty())
    return invalid(fmt::format(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {} value. Key: {}",
        key.type == "S" ? "string" : "binary", key.name));
  if (bytes.size() > longest) {
    const bool partition = longest == kPartitionMax;
    return invalid(fmt::format("One or more parameter values were invalid: {} has exceeded the maximum size limit of {} bytes",
                               partition ? "Size of hashkey" : "Aggregated size of all range keys", longest));
  }
  return bytes;
}

}  // namespace

// With a character that no table's name has: tables that older versions made keep their items under their names.
void Table::identify(Random& random) {
  id = random.uuid();
  items = "id:" + id;
}

json::Object Table::encode() const {
  json::Object record{{"name", name},
                      {"id", id},
                      {"items", items},
                      {"hash", encodeKey(hash)},
                      {"readUnits", read_units},
                      {"writeUnits", write_units},
                      {"protected", deletion_protected},
                      {"created", toMicros(created)},
                      {"tags", tags}};
  if (!expires_by.empty()) record["expiresBy"] = expires_by;
  if (range) record["range"] = encodeKey(*range);
  return record;
}

Table Table::decode(const json::Object& record) {
  Table table;
  table.name = json::textOr(record, "name");
  table.id = json::textOr(record, "id");
  table.items = json::textOr(record, "items", table.name);
  table.hash = decodeKey(record.at("hash"));
  if (const auto* range = json::find(record, "range")) table.range = decodeKey(*range);
  table.read_units = json::intOr(record, "readUnits", 0);
  table.write_units = json::intOr(record, "writeUnits", 0);
  table.deletion_protected = json::boolOr(record, "protected", false);
  table.expires_by = json::textOr(record, "expiresBy");
  table.created = fromMicros(json::intOr(record, "created", 0));
  if (const auto* tags = json::find(record, "tags"); tags != nullptr && tags->is_array()) table.tags = tags->get_array();
  return table;
}

json::Object Table::describe(const Realm& realm, std::string_view status, std::uint64_t count, std::uint64_t bytes) const {
  json::Array attributes{json::Object{{"AttributeName", hash.name}, {"AttributeType", hash.type}}};
  json::Array schema{json::Object{{"AttributeName", hash.name}, {"KeyType", "HASH"}}};
  if (range) {
    attributes.push_back(json::Object{{"AttributeName", range->name}, {"AttributeType", range->type}});
    schema.push_back(json::Object{{"AttributeName", range->name}, {"KeyType", "RANGE"}});
  }
  json::Object out{{"AttributeDefinitions", std::move(attributes)},
                   {"TableName", name},
                   {"KeySchema", std::move(schema)},
                   {"TableStatus", status},
                   {"CreationDateTime", toEpochSeconds(created)},
                   {"ProvisionedThroughput",
                    json::Object{{"NumberOfDecreasesToday", 0}, {"ReadCapacityUnits", read_units}, {"WriteCapacityUnits", write_units}}},
                   {"TableSizeBytes", bytes},
                   {"ItemCount", count},
                   {"TableArn", realm.arn("dynamodb", "table/" + name)},
                   {"TableId", id},
                   {"DeletionProtectionEnabled", deletion_protected}};
  if (onDemand())
    out["BillingModeSummary"] =
        json::Object{{"BillingMode", "PAY_PER_REQUEST"}, {"LastUpdateToPayPerRequestDateTime", toEpochSeconds(created)}};
  return out;
}

std::string keyBytes(const json::Value& value) {
  const auto found = typed(value);
  const auto text = json::toView(found.content->get_string());
  if (found.type == "N") return Decimal::parse(text)->sortKey();
  if (found.type == "B") return fromBase64(text).value_or("");
  return std::string(text);
}

std::expected<StoreKey, aws::ApiError> keyOfItem(const Table& table, const json::Object& item) {
  StoreKey key;
  const auto take = [&](const KeyAttribute& attribute, std::size_t longest, std::string& into) -> std::expected<void, aws::ApiError> {
    const auto* value = json::find(item, attribute.name);
    if (value == nullptr)
      return invalid(fmt::format("One or more parameter values were invalid: Missing the key {} in the item", attribute.name));
    SP_TRY(into, bytesOf(attribute, *value, longest, true));
    return {};
  };
  SP_CHECK_OK(take(table.hash, kPartitionMax, key.partition));
  if (table.range) SP_CHECK_OK(take(*table.range, kSortMax, key.sort));
  return key;
}

std::expected<StoreKey, aws::ApiError> keyOf(const Table& table, const json::Object& given) {
  const auto mismatch = [] { return invalid("The provided key element does not match the schema"); };
  if (given.size() != (table.range ? 2U : 1U)) return mismatch();
  const auto* hash = json::find(given, table.hash.name);
  if (hash == nullptr) return mismatch();
  StoreKey key;
  SP_TRY(key.partition, bytesOf(table.hash, *hash, kPartitionMax, false));
  if (!table.range) return key;
  const auto* range = json::find(given, table.range->name);
  if (range == nullptr) return mismatch();
  SP_TRY(key.sort, bytesOf(*table.range, *range, kSortMax, false));
  return key;
}

json::Object keyAttributes(const Table& table, const json::Object& item) {
  json::Object key{{table.hash.name, item.at(table.hash.name)}};
  if (table.range) key[table.range->name] = item.at(table.range->name);
  return key;
}

std::expected<Table, aws::ApiError> loadTable(store::Txn& txn, std::string_view name) {
  const auto body = txn.records().get(kTableRecord, name);
  if (!body) return refuse("ResourceNotFoundException", "Requested resource not found");
  const auto record = json::parse(*body);
  if (!record || !record->is_object())
    return std::unexpected(aws::ApiError::internal(fmt::format("(record of table {} is unreadable)", name)));
  return Table::decode(record->get_object());
}

std::expected<std::shared_ptr<const Table>, aws::ApiError> TableCache::find(store::Txn& txn, std::string_view name) {
  if (const auto known = tables_.find(name); known != tables_.end()) return known->second;
  SP_TRY(auto loaded, loadTable(txn, name));
  auto table = std::make_shared<const Table>(std::move(loaded));
  txn.afterCommit([self = shared_from_this(), table] { self->tables_[table->name] = table; });
  return table;
}

// Actions after a commit run in the order of the jobs: a description that an earlier job of the batch read is dropped
// again by the later job that changed it.
void TableCache::changed(store::Txn& txn, std::string_view name) {
  const std::string key(name);
  tables_.erase(key);
  txn.afterCommit([self = shared_from_this(), key] { self->tables_.erase(key); });
}

}  // namespace sp::dynamodb
