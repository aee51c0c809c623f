// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
#include <fmt/format.h>

#include "services/dynamodb/batch/batch.h"
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

constexpr std::size_t kKeysMax = 100;
/// A reply ends with the item that brings it to this size; the keys left are unprocessed.
constexpr std::size_t kReplyBytes = 16UL * 1024 * 1024;

// Of one table: its keys in the order asked, where they lie, and how the items are to be answered.
struct Reads {
  BatchTable of;
  const json::Array* keys = nullptr;
  std::vector<StoreKey> where;
  Expressions expressions;
  bool consistent = false;
};

std::expected<Reads, aws::ApiError> readWishes(const BatchTable& of) {
  if (!of.asked->is_object()) return aws::refuse("SerializationException", "Unexpected field type");
  Reads reads;
  reads.of = of;
  Request request(of.asked->get_object(), fmt::format("requestItems.{}.member.", of.name));
  reads.keys = request.array("Keys");
  reads.consistent = request.boolean("ConsistentRead", false);
  if (reads.keys != nullptr && (reads.keys->empty() || reads.keys->size() > kKeysMax))
    request.constraint(
        fmt::format("[{} keys]", reads.keys->size()), "Keys",
        fmt::format("Member must have length {}", reads.keys->empty() ? "greater than or equal to 1" : "less than or equal to 100"));
  SP_CHECK_OK(request.finish());
  SP_TRY(reads.expressions, Expressions::read(request, {"ProjectionExpression"}));
  ItemsSeen seen;
  for (const auto& key : *reads.keys) {
    if (!key.is_object()) return aws::refuse("SerializationException", "Unexpected field type");
    SP_CHECK_OK(checkItem(key.get_object()));
    SP_TRY(auto where, keyOf(*of.table, key.get_object()));
    if (!seen.add(of.name, where)) return aws::refuse("ValidationException", "Provided list of item keys contains duplicates");
    reads.where.push_back(std::move(where));
  }
  return reads;
}

}  // namespace

aws::Outcome batchGetItem(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto* items = request.object("RequestItems");
  const auto wish = capacityWish(request);
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto tables, batchTables(service, call, *items));
  std::vector<Reads> all;
  std::size_t keys = 0;
  for (const auto& table : tables) {
    SP_TRY(auto reads, readWishes(table));
    keys += reads.where.size();
    all.push_back(std::move(reads));
  }
  if (keys > kKeysMax) return aws::refuse("ValidationException", "Too many items requested for the BatchGetItem call");

  json::Object responses;
  json::Object left;
  CapacityList capacity(wish);
  std::size_t bytes = 0;
  for (const auto& reads : all) {
    json::Array found;
    json::Array unprocessed;
    for (std::size_t i = 0; i < reads.where.size(); ++i) {
      if (bytes >= kReplyBytes) {
        unprocessed.push_back((*reads.keys)[i]);
        continue;
      }
      auto item = storedItem(*call.txn, *reads.of.table, reads.where[i]);
      const auto size = item ? sizeOfItem(*item) : 0;
      bytes += size;
      capacity.add(reads.of.name, readUnits(size, reads.consistent));
      if (item) found.push_back(reads.expressions.projection ? project(*reads.expressions.projection, *item) : std::move(*item));
    }
    responses[reads.of.name] = std::move(found);
    if (unprocessed.empty()) continue;
    auto again = reads.of.asked->get_object();
    again["Keys"] = std::move(unprocessed);
    left[reads.of.name] = std::move(again);
  }
  json::Object out{{"Responses", std::move(responses)}, {"UnprocessedKeys", std::move(left)}};
  capacity.addTo(out);
  return out;
}

}  // namespace sp::dynamodb
