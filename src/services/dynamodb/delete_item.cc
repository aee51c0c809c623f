// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteItem.html
#include "services/dynamodb/service.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {

aws::Outcome deleteItem(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto* given = request.object("Key");
  const auto wishes = WriteWishes::read(request);
  SP_CHECK_OK(request.finish());
  SP_CHECK_OK(checkItem(*given));
  SP_TRY(const auto expressions, Expressions::read(request, {"ConditionExpression"}));
  SP_TRY(const auto table, service.tables->find(*call.txn, name));
  SP_TRY(const auto key, keyOf(*table, *given));
  std::optional<json::Object> old;
  if (wishes.needOld(expressions)) old = storedItem(*call.txn, *table, key);
  SP_CHECK_OK(checkCondition(expressions, wishes, old));
  call.txn->items().erase(table->items, key.partition, key.sort);
  return writeOutput(wishes, name, std::move(old), 0);
}

}  // namespace sp::dynamodb
