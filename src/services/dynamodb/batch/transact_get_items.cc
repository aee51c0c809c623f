// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactGetItems.html
#include <fmt/format.h>

#include "services/dynamodb/batch/batch.h"
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

struct Read {
  std::shared_ptr<const Table> table;
  StoreKey key;
  Expressions expressions;
  /// Why this one cannot be read: a reason of the cancellation.
  std::optional<aws::ApiError> failure;
};

std::expected<Read, aws::ApiError> readGet(Service& service, const aws::Call& call, const json::Object& item, std::size_t index) {
  const auto inside = fmt::format("transactItems.{}.member.", index + 1);
  Request outer(item, inside);
  const auto* get = outer.object("Get");
  SP_CHECK_OK(outer.finish());
  Request request(*get, inside + "get.");
  Read read;
  const auto name = request.tableName();
  const auto* key = request.object("Key");
  SP_CHECK_OK(request.finish());
  SP_CHECK_OK(checkItem(*key));
  SP_TRY(read.expressions, Expressions::read(request, {"ProjectionExpression"}));
  SP_TRY(read.table, service.tables->find(*call.txn, name));
  if (auto where = keyOf(*read.table, *key)) read.key = *std::move(where);
  else read.failure = std::move(where).error();
  return read;
}

}  // namespace

aws::Outcome transactGetItems(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto wish = capacityWish(request);
  SP_TRY(const auto* items, transactItems(request));
  std::vector<Read> reads;
  json::Array reasons;
  bool failed = false;
  ItemsSeen seen;
  for (std::size_t i = 0; i < items->size(); ++i) {
    SP_TRY(auto read, readGet(service, call, (*items)[i].get_object(), i));
    json::Object reason{{"Code", read.failure ? "ValidationError" : "None"}};
    if (read.failure) reason["Message"] = read.failure->message;
    reasons.push_back(std::move(reason));
    failed = failed || read.failure.has_value();
    if (!read.failure && !seen.add(read.table->name, read.key))
      return aws::refuse("ValidationException", "Transaction request cannot include multiple operations on one item");
    reads.push_back(std::move(read));
  }
  if (failed) return cancelled(std::move(reasons));
  CapacityList capacity(wish);
  json::Array responses;
  for (const auto& read : reads) {
    auto found = storedItem(*call.txn, *read.table, read.key);
    // A transaction counts twice what a consistent read does.
    if (wish != CapacityWish::none) capacity.add(read.table->name, 2 * readUnits(found ? sizeOfItem(*found) : 0, true));
    json::Object response;
    if (found) response["Item"] = read.expressions.projection ? project(*read.expressions.projection, *found) : std::move(*found);
    responses.push_back(std::move(response));
  }
  json::Object out{{"Responses", std::move(responses)}};
  capacity.addTo(out, "ReadCapacityUnits");
  return out;
}

}  // namespace sp::dynamodb
