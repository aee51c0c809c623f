// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
#include <fmt/format.h>

#include "base/hash.h"
#include "services/dynamodb/page.h"

namespace sp::dynamodb {
namespace {

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

struct Segments {
  std::int64_t mine = 0;
  std::int64_t total = 1;
};

std::expected<Segments, aws::ApiError> checkSegments(std::optional<std::int64_t> mine, std::optional<std::int64_t> total) {
  if (mine && !total)
    return invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present");
  if (total && !mine)
    return invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present");
  if (!mine) return Segments{};
  if (*mine >= *total)
    return invalid(fmt::format(
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {} is not less than TotalSegments: {}",
        *mine, *total));
  return Segments{*mine, *total};
}

}  // namespace

aws::Outcome scan(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto wishes = PageWishes::read(request);
  const auto segment = request.integer("Segment", 0, 999999);
  const auto total = request.integer("TotalSegments", 1, 1000000);
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto segments, checkSegments(segment, total));
  SP_TRY(const auto expressions, Expressions::read(request, {"FilterExpression", "ProjectionExpression"}));
  SP_TRY(const auto table, service.tables->find(*call.txn, name));
  SP_CHECK_OK(wishes.check(request, expressions));
  SP_TRY(auto start, wishes.startKey(*table));
  const auto fetch = [&](const std::optional<StoreKey>& after, std::size_t limit) {
    std::optional<std::pair<std::string, std::string>> position;
    if (after) position.emplace(after->partition, after->sort);
    return call.txn->items().scan(table->items, position, limit);
  };
  SkipItem skip;
  if (segments.total > 1) {
    skip = [&](const store::Item& item) {
      return crc32(item.partition) % static_cast<std::uint64_t>(segments.total) != static_cast<std::uint64_t>(segments.mine);
    };
  }
  return readPage(*table, wishes, expressions, std::move(start), fetch, skip);
}

}  // namespace sp::dynamodb
