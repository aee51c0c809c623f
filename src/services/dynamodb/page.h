// One page of Query or Scan: up to 1 MB of items evaluated, then filtered and projected.
#pragma once
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "services/dynamodb/service.h"

namespace sp::dynamodb {

/// A page ends with the item that brings the evaluated ones to this size, bytes.
inline constexpr std::size_t kPageBytes = 1024UL * 1024;

/// What Query and Scan are asked alike.
struct PageWishes {
  std::optional<std::int64_t> limit;
  std::string select;
  bool consistent = false;
  CapacityWish capacity = CapacityWish::none;
  const json::Object* start = nullptr;

  static PageWishes read(Request& request);
  /// Select against ProjectionExpression, and index names, of which there are none.
  std::expected<void, aws::ApiError> check(const Request& request, const Expressions& expressions) const;
  /// The position of ExclusiveStartKey.
  std::expected<std::optional<StoreKey>, aws::ApiError> startKey(const Table& table) const;
};

/// Where the items come from: at most `limit` after the position (nullopt: from the start), in order.
using FetchItems = std::function<std::vector<store::Item>(const std::optional<StoreKey>& after, std::size_t limit)>;
/// Items that do not belong to the page at all (another scan segment); may be empty.
using SkipItem = std::function<bool(const store::Item&)>;

json::Object readPage(const Table& table, const PageWishes& wishes, const Expressions& expressions, std::optional<StoreKey> after,
                      const FetchItems& fetch, const SkipItem& skip);

}  // namespace sp::dynamodb
