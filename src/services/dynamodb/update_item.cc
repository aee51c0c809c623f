// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
#include <fmt/format.h>

#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/expression/update.h"
#include "services/dynamodb/service.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

// The parts of an item that an update names.
json::Object namedBy(const Expressions& expressions, const json::Object& item) {
  std::vector<Path> paths;
  if (expressions.update)
    for (const auto& action : expressions.update->actions) paths.push_back(action.path);
  return project(paths, item);
}

}  // namespace

std::expected<std::optional<json::Object>, aws::ApiError> updatedItem(const Table& table, const Expressions& expressions,
                                                                      const json::Object& key, const std::optional<json::Object>& old) {
  const Update none;
  const auto& update = expressions.update ? *expressions.update : none;
  for (const auto& action : update.actions)
    if (table.isKey(action.path.root()))
      return aws::refuse(
          "ValidationException",
          fmt::format("One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
                      action.path.root()));
  SP_TRY(auto item, updated(update, old, canonicalItem(key)));
  if (!old && !update.actions.empty() && onlyRemoves(update)) return std::nullopt;
  SP_TRY(const auto checked, checkItem(item));
  if (checked.size > kItemSizeMax) return itemTooLarge();
  return item;
}

aws::Outcome updateItem(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto* given = request.object("Key");
  const auto wishes = WriteWishes::readForUpdate(request);
  SP_CHECK_OK(request.finish());
  SP_CHECK_OK(checkItem(*given));
  SP_TRY(const auto expressions, Expressions::read(request, {"UpdateExpression", "ConditionExpression"}));
  SP_TRY(const auto table, service.tables->find(*call.txn, name));
  SP_TRY(const auto key, keyOf(*table, *given));
  const auto old = storedItem(*call.txn, *table, key);
  SP_CHECK_OK(checkCondition(expressions, wishes, old));
  SP_TRY(auto item, updatedItem(*table, expressions, *given, old));
  if (item) call.txn->items().put(table->items, {key.partition, key.sort, json::toText(*item)});
  json::Object out;
  if (wishes.capacity != CapacityWish::none)
    addCapacity(out, wishes.capacity, name, writeUnits(std::max(item ? sizeOfItem(*item) : 0, old ? sizeOfItem(*old) : 0)));
  const auto& source = wishes.values.ends_with("_NEW") ? item : old;
  if (!source || wishes.values.empty() || wishes.values == "NONE") return out;
  auto attributes = wishes.values.starts_with("UPDATED") ? namedBy(expressions, *source) : *source;
  if (!attributes.empty()) out["Attributes"] = std::move(attributes);
  return out;
}

}  // namespace sp::dynamodb
