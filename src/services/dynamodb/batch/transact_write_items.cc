// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "services/dynamodb/batch/batch.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

constexpr std::string_view kTokenRecord = "dynamodb_token";
constexpr auto kTokenLife = std::chrono::minutes(10);
constexpr std::size_t kTransactionBytes = 4UL * 1024 * 1024;

struct ActionName {
  std::string_view member;
  std::string_view path;
};
constexpr std::array<ActionName, 4> kActions = {
    {{"ConditionCheck", "conditionCheck."}, {"Put", "put."}, {"Update", "update."}, {"Delete", "delete."}}};

// One action: what was asked, then what it comes to. `body` absent and `writes` true: the item is deleted.
struct Action {
  std::string_view member;
  std::string name;
  std::shared_ptr<const Table> table;
  const json::Object* given = nullptr;
  WriteWishes wishes;
  Expressions expressions;
  StoreKey key;
  bool writes = false;
  std::optional<std::string> body;
  std::size_t size = 0;
};

std::expected<Action, aws::ApiError> readAction(Service& service, const aws::Call& call, const json::Object& item, std::size_t index) {
  const ActionName* chosen = nullptr;
  for (const auto& one : kActions) {
    const auto* value = json::find(item, one.member);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_object()) return aws::refuse("SerializationException", "Unexpected field type");
    if (chosen != nullptr) return aws::refuse("ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete");
    chosen = &one;
  }
  if (chosen == nullptr)
    return aws::refuse("ValidationException", "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request");
  Action action;
  action.member = chosen->member;
  Request request(item.at(chosen->member).get_object(), fmt::format("transactItems.{}.member.{}", index + 1, chosen->path));
  action.name = request.tableName();
  const bool put = action.member == "Put";
  const bool update = action.member == "Update";
  action.given = request.object(put ? "Item" : "Key");
  action.wishes.return_old_on_failure = request.choice("ReturnValuesOnConditionCheckFailure", {"NONE", "ALL_OLD"}) == "ALL_OLD";
  if (update) request.require("UpdateExpression");
  if (action.member == "ConditionCheck") request.require("ConditionExpression");
  SP_CHECK_OK(request.finish());
  SP_CHECK_OK(checkItem(*action.given));
  SP_TRY(action.expressions, update ? Expressions::read(request, {"UpdateExpression", "ConditionExpression"})
                                    : Expressions::read(request, {"ConditionExpression"}));
  SP_TRY(action.table, service.tables->find(*call.txn, action.name));
  return action;
}

// What the action comes to as things are now. An error is a reason of the cancellation.
std::expected<void, aws::ApiError> decide(store::Txn& txn, Action& action) {
  const auto old = storedItem(txn, *action.table, action.key);
  SP_CHECK_OK(checkCondition(action.expressions, action.wishes, old));
  action.size = old ? sizeOfItem(*old) : 0;
  if (action.member == "ConditionCheck") return {};
  action.writes = true;
  if (action.member == "Delete") return {};
  if (action.member == "Put") {
    SP_TRY(const auto prepared, prepareItem(*action.given));
    action.size = std::max(action.size, prepared.size);
    action.body = prepared.body();
    return {};
  }
  SP_TRY(const auto item, updatedItem(*action.table, action.expressions, *action.given, old));
  if (!item) {
    action.writes = false;
    return {};
  }
  action.size = std::max(action.size, sizeOfItem(*item));
  action.body = json::toText(*item);
  return {};
}

json::Object reasonOf(const std::expected<void, aws::ApiError>& decided) {
  if (decided) return {{"Code", "None"}};
  const auto& error = decided.error();
  json::Object reason{{"Code", error.code == "ConditionalCheckFailedException" ? "ConditionalCheckFailed" : "ValidationError"},
                      {"Message", error.message}};
  if (const auto* item = json::find(error.extra, "Item")) reason["Item"] = *item;
  return reason;
}

// All keys first: an item that is named twice is told before anything else is looked at.
std::expected<void, aws::ApiError> decideAll(store::Txn& txn, std::vector<Action>& actions) {
  std::vector<std::expected<void, aws::ApiError>> outcomes(actions.size());
  ItemsSeen seen;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    auto& action = actions[i];
    auto key = action.member == "Put" ? keyOfItem(*action.table, *action.given) : keyOf(*action.table, *action.given);
    if (!key) {
      outcomes[i] = std::unexpected(std::move(key).error());
      continue;
    }
    action.key = *std::move(key);
    if (!seen.add(action.name, action.key))
      return aws::refuse("ValidationException", "Transaction request cannot include multiple operations on one item");
  }
  bool failed = false;
  std::size_t bytes = 0;
  json::Array reasons;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (outcomes[i]) outcomes[i] = decide(txn, actions[i]);
    failed = failed || !outcomes[i];
    bytes += actions[i].size;
    reasons.push_back(reasonOf(outcomes[i]));
  }
  if (failed) return cancelled(std::move(reasons));
  if (bytes > kTransactionBytes)
    return aws::refuse("ValidationException", fmt::format("The items of the transaction add up to {} bytes, the maximum is {}: use several "
                                                          "transactions",
                                                          bytes, kTransactionBytes));
  return {};
}

// Whether this token did this before; remembered for ten minutes if not.
std::expected<bool, aws::ApiError> isRepeated(store::Txn& txn, const std::optional<std::string>& token, const json::Array& items) {
  if (!token) return false;
  const auto print = toHex(sha256(json::toText(items)));
  const auto known = txn.records().get(kTokenRecord, *token);
  if (known && *known != print)
    return aws::refuse("IdempotentParameterMismatchException",
                       "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with "
                       "different requests, unless the requests are identical");
  if (known) return true;
  txn.records().put(kTokenRecord, *token, print);
  txn.timers().set({std::string(kTokenTimer), *token, txn.now() + kTokenLife, ""});
  return false;
}

}  // namespace

void forgetToken(store::Txn& txn, std::string_view token) { txn.records().erase(kTokenRecord, token); }

aws::Outcome transactWriteItems(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto wish = capacityWish(request);
  request.choice("ReturnItemCollectionMetrics", {"SIZE", "NONE"});
  const auto token = request.text("ClientRequestToken");
  if (token && token->empty()) request.constraint(*token, "ClientRequestToken", "Member must have length greater than or equal to 1");
  if (token && token->size() > 36) request.constraint(*token, "ClientRequestToken", "Member must have length less than or equal to 36");
  SP_TRY(const auto* items, transactItems(request));
  std::vector<Action> actions;
  for (std::size_t i = 0; i < items->size(); ++i) {
    SP_TRY(auto action, readAction(service, call, (*items)[i].get_object(), i));
    actions.push_back(std::move(action));
  }
  CapacityList capacity(wish);
  json::Object out;
  SP_TRY(const auto repeated, isRepeated(*call.txn, token, *items));
  if (repeated) {
    for (const auto& action : actions) capacity.add(action.name, 2 * readUnits(0, true));
    capacity.addTo(out, "ReadCapacityUnits");
    return out;
  }
  SP_CHECK_OK(decideAll(*call.txn, actions));
  for (auto& action : actions) {
    capacity.add(action.name, 2 * writeUnits(action.size));
    if (action.body)
      call.txn->items().put(action.table->items, {std::move(action.key.partition), std::move(action.key.sort), *std::move(action.body)});
    else if (action.writes) call.txn->items().erase(action.table->items, action.key.partition, action.key.sort);
  }
  capacity.addTo(out, "WriteCapacityUnits");
  return out;
}

}  // namespace sp::dynamodb
