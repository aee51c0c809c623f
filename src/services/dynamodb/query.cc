// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
#include <fmt/format.h>

#include "services/dynamodb/expression/key_condition.h"
#include "services/dynamodb/page.h"

namespace sp::dynamodb {
namespace {

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

// The first key attribute that an operand names, or "".
std::string keyNamedBy(const Operand& operand, const Table& table) {
  if (const auto* path = operand.path()) return table.isKey(path->root()) ? path->root() : "";
  if (const auto* function = operand.function())
    for (const auto& argument : function->arguments)
      if (auto name = keyNamedBy(argument, table); !name.empty()) return name;
  return "";
}

std::string keyNamedIn(const Condition& filter, const Table& table) {
  for (const auto& child : filter.children)
    if (auto name = keyNamedIn(*child, table); !name.empty()) return name;
  for (const auto& operand : filter.operands)
    if (auto name = keyNamedBy(operand, table); !name.empty()) return name;
  return "";
}

std::expected<void, aws::ApiError> checkStart(const std::optional<StoreKey>& start, const KeyRange& range) {
  if (!start) return {};
  if (start->partition != range.partition)
    return invalid("The provided starting key is outside query boundaries based on provided conditions");
  if (start->sort < range.from || (!range.before.empty() && start->sort >= range.before))
    return invalid("The provided starting key does not match the range key predicate");
  return {};
}

}  // namespace

aws::Outcome query(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto wishes = PageWishes::read(request);
  const bool forward = request.boolean("ScanIndexForward", true);
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto expressions, Expressions::read(request, {"FilterExpression", "KeyConditionExpression", "ProjectionExpression"}));
  if (!expressions.key_condition)
    return invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.");
  SP_TRY(const auto table, service.tables->find(*call.txn, name));
  SP_CHECK_OK(wishes.check(request, expressions));
  SP_TRY(const auto keys, keyRange(*expressions.key_condition, *table));
  if (expressions.filter)
    if (const auto key = keyNamedIn(*expressions.filter, *table); !key.empty())
      return invalid(fmt::format("Filter Expression can only contain non-primary key attributes: Primary key attribute: {}", key));
  SP_TRY(auto start, wishes.startKey(*table));
  SP_CHECK_OK(checkStart(start, keys));
  const auto fetch = [&](const std::optional<StoreKey>& after, std::size_t limit) {
    store::ItemTable::Range range;
    range.partition = keys.partition;
    range.sort_from = keys.from;
    range.sort_before = keys.before;
    if (after) range.after = after->sort;
    range.backward = !forward;
    range.limit = limit;
    return call.txn->items().query(table->items, range);
  };
  return readPage(*table, wishes, expressions, std::move(start), fetch, {});
}

}  // namespace sp::dynamodb
