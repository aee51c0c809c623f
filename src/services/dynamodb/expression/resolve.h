// Puts names and values in the place of their placeholders, and refuses what parses but cannot mean anything.
#pragma once
#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "services/dynamodb/expression/ast.h"

namespace sp::dynamodb {

/// ExpressionAttributeNames and ExpressionAttributeValues of one request. Owns the values that resolved operands point to.
class Placeholders {
 public:
  /// `expressions`: the parameters in which they may be used, those that are given (for AWS's message when none is).
  /// Errors: SerializationException, ValidationException in AWS's words; also if names and values, with their placeholders, add up to
  /// more than 2 MB, or a name to more than 65,535 bytes.
  static std::expected<Placeholders, aws::ApiError> read(const json::Object& input, const std::vector<std::string>& expressions,
                                                         const std::vector<std::string>& possible);

  std::expected<void, aws::ApiError> resolve(Condition& condition);
  /// Also refuses paths that overlap or conflict.
  std::expected<void, aws::ApiError> resolve(std::vector<Path>& projection);
  /// Also refuses actions whose paths overlap or conflict.
  std::expected<void, aws::ApiError> resolve(Update& update);

  /// After all expressions: every name and value given was used.
  std::expected<void, aws::ApiError> allUsed() const;

 private:
  friend class Resolver;
  std::map<std::string, std::string, std::less<>> names_;
  // Pointers to values stay valid when the map is moved.
  std::map<std::string, json::Value, std::less<>> values_;
  std::set<std::string, std::less<>> used_names_;
  std::set<std::string, std::less<>> used_values_;
};

}  // namespace sp::dynamodb
