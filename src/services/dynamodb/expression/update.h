// What an UpdateExpression makes of an item.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
#pragma once
#include <expected>
#include <optional>

#include "aws/api_error.h"
#include "json/json.h"
#include "services/dynamodb/expression/ast.h"

namespace sp::dynamodb {

/// What answers an update that would make the item too large.
std::unexpected<aws::ApiError> itemTooLarge();

/// Whether the update does nothing but take away; such an update makes no item.
bool onlyRemoves(const Update& update);

/// The item after a resolved update: all values are read from `old` (nullopt: there is no item) before anything changes, list
/// positions mean the old list. `fresh` is what a new item begins with: its key. Errors: ValidationException in AWS's words, itemTooLarge()
/// as soon as what is put alone is more than kItemSizeMax.
std::expected<json::Object, aws::ApiError> updated(const Update& update, const std::optional<json::Object>& old, const json::Object& fresh);

}  // namespace sp::dynamodb
