// Parameters from before expressions (Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, AttributesToGet,
// ConditionalOperator), written as the expressions they mean.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html
#pragma once
#include <expected>
#include <optional>
#include <string_view>

#include "aws/api_error.h"
#include "json/json.h"

namespace sp::dynamodb {

/// The input of an operation with expressions instead; nullopt: there is nothing old in it. ValidationException for what is
/// mixed with expressions or written wrong.
std::expected<std::optional<json::Object>, aws::ApiError> modernised(std::string_view operation, const json::Object& input);

}  // namespace sp::dynamodb
