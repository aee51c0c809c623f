// What the operations on activations read alike.
#pragma once
#include <expected>
#include <map>
#include <string>

#include "aws/operation.h"

namespace sp::services::ssm {

/// Tags [{Key, Value}]: at most 50, keys of 1 to 128 characters that do not begin with "aws:", values of at most 256, none twice.
/// `code`: of the error.
std::expected<std::map<std::string, std::string>, aws::ApiError> readTagList(const json::Object& input, std::string_view code);

}  // namespace sp::services::ssm
