#include "services/dynamodb/items.h"

#include "services/dynamodb/service.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {

void ensureTable(store::Txn& txn, Random& random, std::string_view name, std::string_view hash_key) {
  if (txn.records().get(kTableRecord, name)) return;
  Table table;
  table.name = std::string(name);
  table.identify(random);
  table.hash = {std::string(hash_key), "S"};
  table.created = txn.now();
  txn.records().put(kTableRecord, name, json::toText(table.encode()));
}

std::expected<void, aws::ApiError> putItem(store::Txn& txn, std::string_view table, const json::Object& item) {
  SP_TRY(const auto prepared, prepareItem(item));
  SP_TRY(const auto described, loadTable(txn, table));
  SP_TRY(const auto key, keyOfItem(described, item));
  txn.items().put(described.items, {key.partition, key.sort, prepared.body()});
  return {};
}

std::expected<std::optional<json::Object>, aws::ApiError> getItem(store::Txn& txn, std::string_view table, const json::Object& key) {
  SP_CHECK_OK(checkItem(key));
  SP_TRY(const auto described, loadTable(txn, table));
  SP_TRY(const auto where, keyOf(described, key));
  return storedItem(txn, described, where);
}

}  // namespace sp::dynamodb
