#include "services/dynamodb/batch/batch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sp::dynamodb {

std::expected<std::vector<BatchTable>, aws::ApiError> batchTables(Service& service, const aws::Call& call, const json::Object& items) {
  std::vector<BatchTable> tables;
  Request names(items);
  if (items.empty()) names.constraint("{}", "requestItems", "Member must have length greater than or equal to 1");
  for (const auto& member : items) tables.push_back({names.checkedTableName(member.key(), "requestItems.key"), nullptr, &member.value()});
  SP_CHECK_OK(names.finish());
  for (auto& one : tables) { SP_TRY(one.table, service.tables->find(*call.txn, one.name)); }
  return tables;
}

std::expected<const json::Array*, aws::ApiError> transactItems(Request& request) {
  constexpr std::size_t kActionsMax = 100;
  const auto* items = request.array("TransactItems");
  if (items != nullptr && items->empty()) request.constraint("[]", "transactItems", "Member must have length greater than or equal to 1");
  if (items != nullptr && items->size() > kActionsMax)
    request.constraint(fmt::format("[{} actions]", items->size()), "transactItems", "Member must have length less than or equal to 100");
  SP_CHECK_OK(request.finish());
  for (const auto& item : *items)
    if (!item.is_object()) return aws::refuse("SerializationException", "Unexpected field type");
  return items;
}

std::unexpected<aws::ApiError> cancelled(json::Array reasons) {
  std::vector<std::string> codes;
  for (const auto& reason : reasons) codes.push_back(json::textOr(reason.get_object(), "Code"));
  auto refusal = aws::refuse(
      "TransactionCanceledException",
      fmt::format("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", fmt::join(codes, ", ")));
  refusal.error().extra["CancellationReasons"] = std::move(reasons);
  return refusal;
}

}  // namespace sp::dynamodb
