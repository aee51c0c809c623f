// What a KeyConditionExpression asks for: one partition, and perhaps a range of its sort keys.
#pragma once
#include <expected>
#include <string>

#include "services/dynamodb/expression/ast.h"
#include "services/dynamodb/table.h"

namespace sp::dynamodb {

/// In the store's bytes: sort keys from `from` (inclusive) to `before` (exclusive; empty: no end).
struct KeyRange {
  std::string partition;
  std::string from;
  std::string before;
};

/// `condition` must be resolved. Errors as AWS words them, some with "Invalid KeyConditionExpression: " in front.
std::expected<KeyRange, aws::ApiError> keyRange(const Condition& condition, const Table& table);

}  // namespace sp::dynamodb
