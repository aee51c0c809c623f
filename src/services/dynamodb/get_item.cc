// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/service.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {

aws::Outcome getItem(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto* given = request.object("Key");
  const bool consistent = request.boolean("ConsistentRead", false);
  const auto capacity = capacityWish(request);
  SP_CHECK_OK(request.finish());
  SP_CHECK_OK(checkItem(*given));
  SP_TRY(const auto expressions, Expressions::read(request, {"ProjectionExpression"}));
  SP_TRY(const auto table, service.tables->find(*call.txn, name));
  SP_TRY(const auto key, keyOf(*table, *given));
  auto item = storedItem(*call.txn, *table, key);
  json::Object out;
  if (capacity != CapacityWish::none) addCapacity(out, capacity, name, readUnits(item ? sizeOfItem(*item) : 0, consistent));
  if (item) out["Item"] = expressions.projection ? project(*expressions.projection, *item) : std::move(*item);
  return out;
}

}  // namespace sp::dynamodb
