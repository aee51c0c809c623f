// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
#include <fmt/format.h>

#include "services/dynamodb/batch/batch.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

constexpr std::size_t kWritesMax = 25;

// `body` absent: the item is deleted.
struct Write {
  std::shared_ptr<const Table> table;
  StoreKey key;
  std::optional<std::string> body;
  std::size_t size = 0;
};

const json::Object* member(const json::Object& of, std::string_view name) {
  const auto* value = json::find(of, name);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

std::expected<Write, aws::ApiError> readWrite(const BatchTable& of, const json::Value& value, std::size_t index) {
  if (!value.is_object()) return aws::refuse("SerializationException", "Unexpected field type");
  const auto inside = fmt::format("requestItems.{}.member.{}.member.", of.name, index + 1);
  const auto* put = member(value.get_object(), "PutRequest");
  const auto* erase = member(value.get_object(), "DeleteRequest");
  if ((put == nullptr) == (erase == nullptr))
    return aws::refuse("ValidationException",
                       fmt::format("Supplied WriteRequest at '{}' has {} of PutRequest and DeleteRequest, must contain "
                                   "exactly one of the two",
                                   inside.substr(0, inside.size() - 1), put == nullptr ? "neither" : "both"));
  Write write;
  write.table = of.table;
  Request request(put != nullptr ? *put : *erase, inside + (put != nullptr ? "putRequest." : "deleteRequest."));
  const auto* given = request.object(put != nullptr ? "Item" : "Key");
  SP_CHECK_OK(request.finish());
  if (erase != nullptr) {
    SP_CHECK_OK(checkItem(*given));
    SP_TRY(write.key, keyOf(*of.table, *given));
    return write;
  }
  SP_TRY(const auto prepared, prepareItem(*given));
  SP_TRY(write.key, keyOfItem(*of.table, *given));
  write.body = prepared.body();
  write.size = prepared.size;
  return write;
}

std::expected<std::vector<Write>, aws::ApiError> readWrites(const std::vector<BatchTable>& tables) {
  std::vector<Write> writes;
  ItemsSeen seen;
  for (const auto& table : tables) {
    if (!table.asked->is_array()) return aws::refuse("SerializationException", "Unexpected field type");
    const auto& list = table.asked->get_array();
    if (list.empty() || list.size() > kWritesMax)
      return aws::refuse("ValidationException",
                         fmt::format("1 validation error detected: Value '[{} requests]' at 'requestItems.{}.member' failed to satisfy "
                                     "constraint: Member must have length {}",
                                     list.size(), table.name, list.empty() ? "greater than or equal to 1" : "less than or equal to 25"));
    for (std::size_t i = 0; i < list.size(); ++i) {
      SP_TRY(auto write, readWrite(table, list[i], i));
      if (!seen.add(table.name, write.key)) return aws::refuse("ValidationException", "Provided list of item keys contains duplicates");
      writes.push_back(std::move(write));
    }
  }
  if (writes.size() > kWritesMax) return aws::refuse("ValidationException", "Too many items requested for the BatchWriteItem call");
  return writes;
}

}  // namespace

aws::Outcome batchWriteItem(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto* items = request.object("RequestItems");
  const auto wish = capacityWish(request);
  request.choice("ReturnItemCollectionMetrics", {"SIZE", "NONE"});
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto tables, batchTables(service, call, *items));
  SP_TRY(auto writes, readWrites(tables));
  CapacityList capacity(wish);
  for (auto& write : writes) {
    if (wish != CapacityWish::none) {
      const auto old = storedItem(*call.txn, *write.table, write.key);
      capacity.add(write.table->name, writeUnits(std::max(write.size, old ? sizeOfItem(*old) : 0)));
    }
    if (write.body)
      call.txn->items().put(write.table->items, {std::move(write.key.partition), std::move(write.key.sort), *std::move(write.body)});
    else call.txn->items().erase(write.table->items, write.key.partition, write.key.sort);
  }
  json::Object out{{"UnprocessedItems", json::Object{}}};
  capacity.addTo(out);
  return out;
}

}  // namespace sp::dynamodb
