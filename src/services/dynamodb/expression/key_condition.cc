#include "services/dynamodb/expression/key_condition.h"

#include <fmt/format.h>

#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }
std::unexpected<aws::ApiError> badExpression(std::string_view message) {
  return invalid(fmt::format("Invalid KeyConditionExpression: {}", message));
}

// One condition on one key attribute: `op` and the values it compares with.
struct KeyTest {
  std::string attribute;
  std::string op;
  std::vector<const json::Value*> values;
};

std::string_view flipped(std::string_view op) {
  if (op == "<") return ">";
  if (op == "<=") return ">=";
  if (op == ">") return "<";
  return op == ">=" ? "<=" : op;
}

// Attribute op value, whichever way round it is written.
std::expected<KeyTest, aws::ApiError> readTest(const Condition& node) {
  const auto* function = node.op == "call" ? node.operands.front().function() : nullptr;
  if (node.op == "OR" || node.op == "NOT" || node.op == "<>" || node.op == "IN")
    return badExpression(fmt::format("Invalid operator used in KeyConditionExpression: {}", node.op));
  if (function != nullptr && function->name != "begins_with")
    return badExpression(fmt::format("Invalid operator used in KeyConditionExpression: {}", function->name));
  KeyTest test;
  test.op = function != nullptr ? function->name : node.op;
  const Path* path = nullptr;
  const auto& operands = function != nullptr ? function->arguments : node.operands;
  for (const auto& operand : operands) {
    if (operand.function() != nullptr) return badExpression("KeyConditionExpressions cannot contain nested operations");
    if (operand.value != nullptr) test.values.push_back(operand.value);
    if (operand.path() == nullptr) continue;
    if (path != nullptr) return badExpression("KeyConditionExpressions cannot compare one attribute with another");
    path = operand.path();
  }
  if (path == nullptr) return badExpression("No key attribute is compared with a value");
  if (path->steps.size() != 1) return badExpression("KeyConditionExpressions cannot have conditions on nested attributes");
  if (operands.front().path() == nullptr) {
    if (function != nullptr || node.op == "BETWEEN")
      return badExpression(fmt::format("Operator or function requires a document path; operator or function: {}", test.op));
    test.op = flipped(test.op);
  }
  test.attribute = path->root();
  return test;
}

std::expected<void, aws::ApiError> collect(const Condition& node, std::vector<KeyTest>& tests) {
  if (node.op == "AND") {
    SP_CHECK_OK(collect(*node.children[0], tests));
    return collect(*node.children[1], tests);
  }
  SP_TRY(auto test, readTest(node));
  tests.push_back(std::move(test));
  return {};
}

std::expected<void, aws::ApiError> checkTypes(const KeyTest& test, const KeyAttribute& key) {
  for (const auto* value : test.values)
    if (typed(*value).type != key.type)
      return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type");
  if (test.op == "begins_with" && key.type == "N")
    return badExpression("Incorrect operand type for operator or function; operator or function: begins_with, operand type: N");
  for (const auto* value : test.values)
    if (keyBytes(*value).empty() && test.op != "begins_with")
      return invalid(fmt::format(
          "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {} value. Key: {}",
          key.type == "B" ? "binary" : "string", key.name));
  return {};
}

// The smallest bytes greater than all that begin with `prefix`; empty if there are none.
std::string afterPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xffU) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1U);
  return prefix;
}

// The smallest bytes greater than `key`.
std::string justAfter(std::string key) { return key + '\0'; }

void narrow(KeyRange& range, const KeyTest& test) {
  const auto first = keyBytes(*test.values.front());
  if (test.op == "=" || test.op == ">=" || test.op == "begins_with" || test.op == "BETWEEN") range.from = first;
  if (test.op == ">") range.from = justAfter(first);
  if (test.op == "=" || test.op == "<=") range.before = justAfter(first);
  if (test.op == "<") range.before = first;
  if (test.op == "begins_with") range.before = afterPrefix(first);
  if (test.op == "BETWEEN") range.before = justAfter(keyBytes(*test.values.back()));
}

}  // namespace

std::expected<KeyRange, aws::ApiError> keyRange(const Condition& condition, const Table& table) {
  std::vector<KeyTest> tests;
  SP_CHECK_OK(collect(condition, tests));
  const KeyTest* hash = nullptr;
  const KeyTest* range = nullptr;
  for (const auto& test : tests) {
    const KeyTest** which = test.attribute == table.hash.name                    ? &hash
                            : table.range && test.attribute == table.range->name ? &range
                                                                                 : nullptr;
    if (which != nullptr && *which != nullptr) return badExpression("KeyConditionExpressions must only contain one condition per key");
    if (which != nullptr) *which = &test;
  }
  if (hash == nullptr) return invalid(fmt::format("Query condition missed key schema element: {}", table.hash.name));
  if (tests.size() > (table.range ? 2U : 1U)) return badExpression("Invalid number of conditions: at most one for each key attribute");
  if (tests.size() == 2 && range == nullptr)
    return invalid(fmt::format("Query condition missed key schema element: {}", table.range->name));
  if (hash->op != "=") return invalid("Query key condition not supported");
  SP_CHECK_OK(checkTypes(*hash, table.hash));
  KeyRange out;
  out.partition = keyBytes(*hash->values.front());
  if (range == nullptr) return out;
  SP_CHECK_OK(checkTypes(*range, *table.range));
  narrow(out, *range);
  return out;
}

}  // namespace sp::dynamodb
