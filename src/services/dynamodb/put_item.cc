// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
#include "services/dynamodb/service.h"

namespace sp::dynamodb {

aws::Outcome putItem(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto* item = request.object("Item");
  const auto wishes = WriteWishes::read(request);
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto prepared, prepareItem(*item));
  SP_TRY(const auto expressions, Expressions::read(request, {"ConditionExpression"}));
  SP_TRY(const auto table, service.tables->find(*call.txn, name));
  SP_TRY(auto key, keyOfItem(*table, *item));
  std::optional<json::Object> old;
  if (wishes.needOld(expressions)) old = storedItem(*call.txn, *table, key);
  SP_CHECK_OK(checkCondition(expressions, wishes, old));
  call.txn->items().put(table->items, {std::move(key.partition), std::move(key.sort), prepared.body()});
  return writeOutput(wishes, name, std::move(old), prepared.size);
}

}  // namespace sp::dynamodb
