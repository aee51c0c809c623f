#include "services/dynamodb/service.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"
#include "services/dynamodb/batch/batch.h"
#include "services/dynamodb/dynamodb.h"
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/legacy.h"
#include "services/dynamodb/tables/tables.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {

std::unexpected<aws::ApiError> noSuchTable(std::string_view name) {
  return aws::refuse("ResourceNotFoundException", fmt::format("Requested resource not found: Table: {} not found", name));
}

store::ItemTable::Extent Extents::of(store::Txn& txn, const Table& table) {
  const auto began = clock_.boottime();
  const auto known = known_.find(table.items);
  if (known != known_.end() && began < known->second.until) return known->second.extent;
  const auto extent = txn.items().extent(table.items);
  const auto ended = clock_.boottime();
  known_.insert_or_assign(table.items, Known{extent, ended + (ended - began) * 1000});
  return extent;
}

std::string PreparedItem::body() const { return canonical ? json::toText(item) : json::toText(canonicalItem(item)); }

std::expected<PreparedItem, aws::ApiError> prepareItem(const json::Object& item) {
  SP_TRY(const auto checked, checkItem(item));
  if (checked.size > kItemSizeMax) return aws::refuse("ValidationException", "Item size has exceeded the maximum allowed size");
  return PreparedItem{item, checked.canonical, checked.size};
}

json::Object decodeItem(std::string_view body) {
  auto parsed = json::parse(body);
  const bool readable = parsed && parsed->is_object();
  SP_INVARIANT(readable);
  return readable ? std::move(parsed->get_object()) : json::Object{};
}

std::optional<json::Object> storedItem(store::Txn& txn, const Table& table, const StoreKey& key) {
  const auto body = txn.items().get(table.items, key.partition, key.sort);
  if (!body) return std::nullopt;
  return decodeItem(*body);
}

WriteWishes WriteWishes::read(Request& request) {
  auto wishes = readForUpdate(request);
  if (wishes.values.ends_with("_NEW") || wishes.values == "UPDATED_OLD") request.refuse("ReturnValues can only be ALL_OLD or NONE");
  return wishes;
}

WriteWishes WriteWishes::readForUpdate(Request& request) {
  WriteWishes wishes;
  wishes.values = request.choice("ReturnValues", {"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"});
  wishes.return_old_on_failure = request.choice("ReturnValuesOnConditionCheckFailure", {"NONE", "ALL_OLD"}) == "ALL_OLD";
  request.choice("ReturnItemCollectionMetrics", {"SIZE", "NONE"});
  wishes.capacity = capacityWish(request);
  return wishes;
}

std::expected<void, aws::ApiError> checkCondition(const Expressions& expressions, const WriteWishes& wishes,
                                                  const std::optional<json::Object>& old) {
  if (!expressions.condition || meets(*expressions.condition, old.value_or(json::Object{}))) return {};
  auto refusal = aws::refuse("ConditionalCheckFailedException", "The conditional request failed");
  if (wishes.return_old_on_failure && old) refusal.error().extra["Item"] = *old;
  return refusal;
}

json::Object writeOutput(const WriteWishes& wishes, std::string_view table, std::optional<json::Object> old, std::size_t new_size) {
  json::Object out;
  if (wishes.capacity != CapacityWish::none)
    addCapacity(out, wishes.capacity, table, writeUnits(std::max(new_size, old ? sizeOfItem(*old) : 0)));
  if (wishes.values == "ALL_OLD" && old) out["Attributes"] = std::move(*old);
  return out;
}

}  // namespace sp::dynamodb

namespace sp::services {

aws::ServiceTable makeDynamoDb(Context& context, std::function<std::string()> endpoint) {
  const auto service =
      std::make_shared<dynamodb::Service>(dynamodb::Service{context.realm, context.random, dynamodb::Extents(context.clock)});
  aws::ServiceTable table;
  table.signing_name = "dynamodb";
  table.protocol = aws::Protocol::json10;
  table.target_or_namespace = "DynamoDB_20120810";
  table.version = "2012-08-10";
  const auto add = [&](std::string name, aws::Outcome (*operation)(dynamodb::Service&, const aws::Call&)) {
    aws::Operation row;
    row.name = std::move(name);
    row.handler = [service, operation, called = row.name](const aws::Call& call) -> aws::Outcome {
      SP_TRY(const auto modern, dynamodb::modernised(called, call.input));
      if (!modern) return operation(*service, call);
      return operation(*service, {*modern, call.txn, call.principal, call.realm, call.request_id, call.invocation_id, call.now, call.poll});
    };
    table.operations.push_back(std::move(row));
  };
  // Clients that discover endpoints ask this first, and then call what they are told.
  aws::Operation endpoints;
  endpoints.name = "DescribeEndpoints";
  endpoints.handler = [endpoint = std::move(endpoint)](const aws::Call&) -> aws::Outcome {
    return json::Object{{"Endpoints", json::Array{json::Object{{"Address", endpoint()}, {"CachePeriodInMinutes", 1440}}}}};
  };
  table.operations.push_back(std::move(endpoints));
  add("CreateTable", dynamodb::createTable);
  add("DescribeTable", dynamodb::describeTable);
  add("ListTables", dynamodb::listTables);
  add("DeleteTable", dynamodb::deleteTable);
  add("UpdateTable", dynamodb::updateTable);
  add("TagResource", dynamodb::tagResource);
  add("UntagResource", dynamodb::untagResource);
  add("ListTagsOfResource", dynamodb::listTagsOfResource);
  add("DescribeTimeToLive", dynamodb::describeTimeToLive);
  add("UpdateTimeToLive", dynamodb::updateTimeToLive);
  add("DescribeLimits", dynamodb::describeLimits);
  add("DescribeContinuousBackups", dynamodb::describeContinuousBackups);
  add("UpdateContinuousBackups", dynamodb::updateContinuousBackups);
  add("PutItem", dynamodb::putItem);
  add("UpdateItem", dynamodb::updateItem);
  add("GetItem", dynamodb::getItem);
  add("DeleteItem", dynamodb::deleteItem);
  add("BatchGetItem", dynamodb::batchGetItem);
  add("BatchWriteItem", dynamodb::batchWriteItem);
  add("TransactGetItems", dynamodb::transactGetItems);
  add("TransactWriteItems", dynamodb::transactWriteItems);
  add("Query", dynamodb::query);
  add("Scan", dynamodb::scan);
  context.core.onTimer(std::string(dynamodb::kTokenTimer),
                       [](store::Txn& txn, const store::Timer& timer) { dynamodb::forgetToken(txn, timer.id); });
  context.core.onTimer(std::string(dynamodb::kExpiryTimer),
                       [&context](store::Txn& txn, const store::Timer& timer) { dynamodb::expireItems(txn, context.clock, timer); });
  // Each step is a deletion of its own: on a full disk it has the reserve, and no other timer waits for it. One that fails is tried again.
  context.core.onTimer(std::string(dynamodb::kDropTimer), [&context](store::Txn& txn, const store::Timer& timer) {
    txn.timers().set({timer.kind, timer.id, txn.now() + dynamodb::kDropAgain, ""});
    txn.afterCommit([&context] {
      context.core.postDeletion(
          [&context](store::Txn& step) {
            dynamodb::dropItems(step, context.clock);
            return true;
          },
          {});
    });
  });
  context.core.onClockSet([](store::Txn& txn, Duration) {
    if (auto timer = txn.timers().find(dynamodb::kDropTimer, "")) txn.timers().set({timer->kind, timer->id, txn.now(), ""});
  });
  return table;
}

}  // namespace sp::services
