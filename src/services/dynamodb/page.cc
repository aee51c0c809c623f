#include "services/dynamodb/page.h"

#include <algorithm>

#include <fmt/format.h>

#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

constexpr std::size_t kFirstFetch = 32;
constexpr std::size_t kFetchMax = 1024;

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

// How many items to fetch next, so that a page of large items does not read far beyond its end.
std::size_t nextFetch(std::size_t items_read, std::size_t bytes_read) {
  if (items_read == 0) return kFirstFetch;
  const auto average = std::max<std::size_t>(1, bytes_read / items_read);
  return std::clamp<std::size_t>((kPageBytes - std::min(bytes_read, kPageBytes)) / average + 1, 1, kFetchMax);
}

}  // namespace

PageWishes PageWishes::read(Request& request) {
  PageWishes wishes;
  wishes.limit = request.integer("Limit", 1);
  wishes.select = request.choice("Select", {"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"});
  wishes.consistent = request.boolean("ConsistentRead", false);
  wishes.capacity = capacityWish(request);
  if (request.has("ExclusiveStartKey")) wishes.start = request.object("ExclusiveStartKey");
  return wishes;
}

std::expected<void, aws::ApiError> PageWishes::check(const Request& request, const Expressions& expressions) const {
  if (request.has("IndexName"))
    return invalid(fmt::format("The table does not have the specified index: {}", json::textOr(request.input(), "IndexName")));
  if (select == "ALL_PROJECTED_ATTRIBUTES")
    return invalid("One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName");
  if (select == "SPECIFIC_ATTRIBUTES" && !expressions.projection)
    return invalid(
        "One or more parameter values were invalid: Must specify the AttributesToGet or ProjectionExpression when choosing to get "
        "SPECIFIC_ATTRIBUTES");
  if (select == "COUNT" && expressions.projection)
    return invalid(
        "One or more parameter values were invalid: Cannot specify the ProjectionExpression when choosing to get only the Count");
  if (select == "ALL_ATTRIBUTES" && expressions.projection)
    return invalid(
        "One or more parameter values were invalid: Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES");
  return {};
}

std::expected<std::optional<StoreKey>, aws::ApiError> PageWishes::startKey(const Table& table) const {
  if (start == nullptr) return std::nullopt;
  if (auto checked = checkItem(*start); !checked) {
    checked.error().message = "The provided starting key is invalid: " + checked.error().message;
    return std::unexpected(std::move(checked).error());
  }
  auto key = keyOf(table, *start);
  if (!key) return invalid("The provided starting key is invalid: " + key.error().message);
  return *std::move(key);
}

json::Object readPage(const Table& table, const PageWishes& wishes, const Expressions& expressions, std::optional<StoreKey> after,
                      const FetchItems& fetch, const SkipItem& skip) {
  json::Array items;
  // Once for all items: there may be a thousand paths and tens of thousands of items.
  const auto wanted_parts = wantedBy(expressions.projection.value_or(std::vector<Path>{}));
  std::int64_t matched = 0;
  std::int64_t evaluated = 0;
  std::size_t bytes = 0;  // of the evaluated items, as AWS counts them
  std::size_t read = 0;   // of all items read, so that a segment of many does not walk the table in one request
  std::size_t items_read = 0;
  std::optional<json::Object> last;
  const auto limit = wishes.limit.value_or(std::numeric_limits<std::int64_t>::max());
  bool full = false;
  while (!full) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::int64_t>(limit - evaluated, static_cast<std::int64_t>(nextFetch(items_read, read))));
    const auto batch = fetch(after, wanted);
    for (const auto& stored : batch) {
      after = StoreKey{stored.partition, stored.sort};
      ++items_read;
      read += stored.body.size();
      auto item = decodeItem(stored.body);
      const bool skipped = skip && skip(stored);
      if (!skipped) {
        ++evaluated;
        bytes += sizeOfItem(item);
      }
      full = evaluated >= limit || bytes >= kPageBytes || read >= 4 * kPageBytes;
      if (full) last = keyAttributes(table, item);
      if (!skipped && (!expressions.filter || meets(*expressions.filter, item))) {
        ++matched;
        if (wishes.select != "COUNT") items.push_back(expressions.projection ? project(wanted_parts, item) : std::move(item));
      }
      if (full) break;
    }
    if (batch.size() < wanted) break;
  }
  json::Object out{{"Count", matched}, {"ScannedCount", evaluated}};
  if (wishes.select != "COUNT") out["Items"] = std::move(items);
  if (last) out["LastEvaluatedKey"] = std::move(*last);
  addCapacity(out, wishes.capacity, table.name, readUnits(bytes, wishes.consistent));
  return out;
}

}  // namespace sp::dynamodb
