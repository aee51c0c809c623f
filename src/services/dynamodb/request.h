// Reads the members of a request and collects what AWS's model forbids of them.
#pragma once
#include <expected>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "json/json.h"
#include "services/dynamodb/expression/ast.h"
#include "services/dynamodb/expression/resolve.h"
#include "services/dynamodb/table.h"

namespace sp::dynamodb {

/// Members are asked for one by one; finish() then tells the first wrong type (SerializationException), else all broken
/// constraints ("2 validation errors detected: …").
class Request {
 public:
  /// `inside`: where `input` stands in the whole request, as AWS writes it ("transactItems.1.member.put.").
  explicit Request(const json::Object& input, std::string inside = "") : input_(input), inside_(std::move(inside)) {}

  const json::Object& input() const { return input_; }
  bool has(std::string_view key) const;

  /// TableName: 3 to 255 of a-z A-Z 0-9 _ . - , or the table's ARN (of any region and account: there is one).
  std::string tableName();
  /// The same of a name that stands elsewhere; `key` is what messages call it.
  std::string checkedTableName(std::string name, std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::optional<std::int64_t> most = std::nullopt);
  bool boolean(std::string_view key, bool otherwise);
  /// One of `allowed`; "" if absent.
  std::string choice(std::string_view key, std::initializer_list<std::string_view> allowed);
  /// Never null if finish() succeeds.
  const json::Object* object(std::string_view key);
  const json::Array* array(std::string_view key);

  /// Null is refused, whatever its type is.
  void require(std::string_view key);
  /// Refused after all constraints, with a ValidationException of its own.
  void refuse(std::string message);
  void constraint(std::string_view value, std::string_view key, std::string_view rule);

  std::expected<void, aws::ApiError> finish() const;

 private:
  const json::Value* take(std::string_view key) const;
  void wrongType(std::string message);
  void missing(std::string_view key);

  std::string pathOf(std::string_view key) const;

  const json::Object& input_;
  std::string inside_;
  std::optional<aws::ApiError> first_error_;
  std::optional<aws::ApiError> refused_;
  std::vector<std::string> broken_;
};

/// The expressions of one request, parsed and resolved together.
struct Expressions {
  Placeholders placeholders;
  std::unique_ptr<Condition> condition;
  std::unique_ptr<Condition> filter;
  std::unique_ptr<Condition> key_condition;
  std::optional<std::vector<Path>> projection;
  std::optional<Update> update;

  /// `possible`: those of UpdateExpression, ConditionExpression, KeyConditionExpression, FilterExpression, ProjectionExpression
  /// that the operation has.
  static std::expected<Expressions, aws::ApiError> read(const Request& request, std::initializer_list<std::string_view> possible);
};

/// ReturnConsumedCapacity.
enum class CapacityWish { none, total, indexes };
CapacityWish capacityWish(Request& request);
/// Adds ConsumedCapacity to `out` if it was asked for.
void addCapacity(json::Object& out, CapacityWish wish, std::string_view table, double units);
double readUnits(std::size_t bytes, bool consistent);
double writeUnits(std::size_t bytes);
/// What one request for several tables used: one entry of ConsumedCapacity each, in the order of their names.
class CapacityList {
 public:
  explicit CapacityList(CapacityWish wish) : wish_(wish) {}
  void add(std::string_view table, double units);
  /// `what`: "ReadCapacityUnits" or "WriteCapacityUnits", told beside the sum by transactions; "" for none.
  void addTo(json::Object& out, std::string_view what = "") const;

 private:
  CapacityWish wish_;
  std::map<std::string, double, std::less<>> units_;
};

}  // namespace sp::dynamodb
