#include "services/dynamodb/legacy.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

namespace sp::dynamodb {
namespace {

using Text = std::expected<std::string, aws::ApiError>;

// What a parameter becomes, and which expression that is.
struct Legacy {
  std::string_view name;
  std::string_view expression;
};
constexpr std::array kLegacy = {Legacy{"AttributesToGet", "ProjectionExpression"}, Legacy{"AttributeUpdates", "UpdateExpression"},
                                Legacy{"Expected", "ConditionExpression"},         Legacy{"KeyConditions", "KeyConditionExpression"},
                                Legacy{"QueryFilter", "FilterExpression"},         Legacy{"ScanFilter", "FilterExpression"}};
constexpr std::string_view kJoiner = "ConditionalOperator";
constexpr std::array<std::string_view, 5> kExpressions = {"ConditionExpression", "FilterExpression", "KeyConditionExpression",
                                                          "ProjectionExpression", "UpdateExpression"};

struct Operator {
  std::string_view name;
  /// {0} is the attribute, {1} and {2} are values; IN has its own.
  std::string_view form;
  std::size_t values;
};
constexpr std::array kOperators = {Operator{"BEGINS_WITH", "begins_with({0}, {1})", 1},
                                   Operator{"BETWEEN", "{0} BETWEEN {1} AND {2}", 2},
                                   Operator{"CONTAINS", "contains({0}, {1})", 1},
                                   Operator{"EQ", "{0} = {1}", 1},
                                   Operator{"GE", "{0} >= {1}", 1},
                                   Operator{"GT", "{0} > {1}", 1},
                                   Operator{"IN", "", 1},
                                   Operator{"LE", "{0} <= {1}", 1},
                                   Operator{"LT", "{0} < {1}", 1},
                                   Operator{"NE", "{0} <> {1}", 1},
                                   Operator{"NOT_CONTAINS", "NOT contains({0}, {1})", 1},
                                   Operator{"NOT_NULL", "attribute_exists({0})", 0},
                                   Operator{"NULL", "attribute_not_exists({0})", 0}};

std::unexpected<aws::ApiError> invalid(std::string message) {
  return std::unexpected(aws::ApiError::validation("One or more parameter values were invalid: " + std::move(message)));
}
std::unexpected<aws::ApiError> wrongType() { return aws::refuse("SerializationException", "Unexpected field type"); }

class Writer {
 public:
  /// Placeholders begin with what no request of one's own can have beside them: the two are never mixed.
  std::string name(std::string_view attribute) {
    const auto placeholder = fmt::format("#l{}", names_.size());
    names_[placeholder] = attribute;
    return placeholder;
  }
  std::string value(const json::Value& given) {
    const auto placeholder = fmt::format(":l{}", values_.size());
    values_[placeholder] = given;
    return placeholder;
  }

  Text projection(const json::Value& given) {
    if (!given.is_array()) return wrongType();
    std::vector<std::string> all;
    for (const auto& one : given.get_array()) {
      if (!one.is_string()) return wrongType();
      all.push_back(name(json::toView(one.get_string())));
    }
    if (all.empty()) return invalid("AttributesToGet must not be empty");
    return fmt::format("{}", fmt::join(all, ", "));
  }

  /// {"a": {"ComparisonOperator": …, "AttributeValueList": […]}}, or of Expected {"Value": …, "Exists": …}.
  Text conditions(const json::Value& given, std::string_view joiner) {
    if (!given.is_object()) return wrongType();
    std::vector<std::string> all;
    for (const auto& member : given.get_object()) {
      if (!member.value().is_object()) return wrongType();
      auto one = condition(member.key(), member.value().get_object());
      if (!one) return one;
      all.push_back("(" + *one + ")");
    }
    return fmt::format("{}", fmt::join(all, fmt::format(" {} ", joiner)));
  }

  Text updates(const json::Value& given) {
    if (!given.is_object()) return wrongType();
    std::array<std::vector<std::string>, 4> clauses;
    for (const auto& member : given.get_object()) {
      if (!member.value().is_object()) return wrongType();
      const auto& update = member.value().get_object();
      const auto action = json::textOr(update, "Action", "PUT");
      const auto* with = json::find(update, "Value");
      if (action != "PUT" && action != "ADD" && action != "DELETE")
        return std::unexpected(aws::ApiError::validation(
            fmt::format("1 validation error detected: Value '{}' at 'attributeUpdates.{}.member.action' failed to satisfy constraint: "
                        "Member must satisfy enum value set: [ADD, PUT, DELETE]",
                        action, std::string_view(member.key()))));
      if (with == nullptr && action != "DELETE") return invalid("Only DELETE action is allowed when no attribute value is specified");
      const auto attribute = name(member.key());
      if (with == nullptr) clauses[1].push_back(attribute);
      else if (action == "PUT") clauses[0].push_back(fmt::format("{} = {}", attribute, value(*with)));
      else clauses[action == "ADD" ? 2 : 3].push_back(fmt::format("{} {}", attribute, value(*with)));
    }
    constexpr std::array<std::string_view, 4> kClauses = {"SET", "REMOVE", "ADD", "DELETE"};
    std::string all;
    for (std::size_t i = 0; i < clauses.size(); ++i)
      if (!clauses[i].empty()) all += fmt::format("{}{} {}", all.empty() ? "" : " ", kClauses[i], fmt::join(clauses[i], ", "));
    return all;
  }

  void addTo(json::Object& out) {
    if (!names_.empty()) out["ExpressionAttributeNames"] = std::move(names_);
    if (!values_.empty()) out["ExpressionAttributeValues"] = std::move(values_);
  }

 private:
  Text condition(std::string_view attribute, const json::Object& given) {
    if (json::find(given, "ComparisonOperator") == nullptr) return expectation(attribute, given);
    const auto word = json::textOr(given, "ComparisonOperator");
    if (json::find(given, "Value") != nullptr || json::find(given, "Exists") != nullptr)
      return invalid(fmt::format("Value or Exists cannot be used with ComparisonOperator for Attribute: {}", attribute));
    const auto* found = std::ranges::find(kOperators, word, &Operator::name);
    if (found == kOperators.end())
      return std::unexpected(aws::ApiError::validation(
          fmt::format("1 validation error detected: Value '{}' at 'comparisonOperator' failed to satisfy constraint: Member must satisfy "
                      "enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
                      word)));
    const auto* list = json::find(given, "AttributeValueList");
    if (list != nullptr && !list->is_array()) return wrongType();
    const json::Array none;
    const auto& values = list == nullptr ? none : list->get_array();
    const bool in = found->name == "IN";
    if (in ? values.empty() : values.size() != found->values)
      return invalid(fmt::format("Invalid number of argument(s) for the {} ComparisonOperator", word));
    const auto named = name(attribute);
    std::vector<std::string> placed;
    for (const auto& one : values) placed.push_back(value(one));
    if (in) return fmt::format("{} IN ({})", named, fmt::join(placed, ", "));
    placed.resize(2);
    return fmt::format(fmt::runtime(found->form), named, placed[0], placed[1]);
  }

  // The oldest form: a value that must be there, or an attribute that must not.
  Text expectation(std::string_view attribute, const json::Object& given) {
    const auto* wanted = json::find(given, "Value");
    const bool exists = json::boolOr(given, "Exists", true);
    if (json::find(given, "AttributeValueList") != nullptr)
      return invalid(fmt::format("AttributeValueList can only be used with a ComparisonOperator for Attribute: {}", attribute));
    if (exists && wanted == nullptr) return invalid(fmt::format("Value must be provided when Exists is true for Attribute: {}", attribute));
    if (!exists && wanted != nullptr) return invalid(fmt::format("Value cannot be used when Exists is false for Attribute: {}", attribute));
    const auto named = name(attribute);
    return exists ? fmt::format("{} = {}", named, value(*wanted)) : fmt::format("attribute_not_exists({})", named);
  }

  json::Object names_;
  json::Object values_;
};

std::expected<void, aws::ApiError> checkMix(const json::Object& input, const std::vector<std::string>& old) {
  std::vector<std::string> expressions;
  for (const auto name : kExpressions)
    if (json::find(input, name) != nullptr) expressions.emplace_back(name);
  if (!expressions.empty())
    return std::unexpected(aws::ApiError::validation(
        fmt::format("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{}}} "
                    "Expression parameters: {{{}}}",
                    fmt::join(old, ", "), fmt::join(expressions, ", "))));
  for (const auto* name : {"ExpressionAttributeNames", "ExpressionAttributeValues"})
    if (json::find(input, name) != nullptr)
      return std::unexpected(aws::ApiError::validation(fmt::format("{} can only be specified when using expressions", name)));
  return {};
}

std::expected<std::optional<json::Object>, aws::ApiError> ofTables(const json::Object& input) {
  const auto* asked = json::find(input, "RequestItems");
  if (asked == nullptr || !asked->is_object()) return std::nullopt;
  std::optional<json::Object> out;
  for (const auto& table : asked->get_object()) {
    if (!table.value().is_object()) continue;
    auto one = modernised("GetItem", table.value().get_object());
    if (!one) return std::unexpected(std::move(one.error()));
    if (!*one) continue;
    if (!out) out = input;
    out->at("RequestItems").get_object()[table.key()] = std::move(**one);
  }
  return out;
}

}  // namespace

std::expected<std::optional<json::Object>, aws::ApiError> modernised(std::string_view operation, const json::Object& input) {
  if (operation == "BatchGetItem") return ofTables(input);
  std::vector<std::string> old;
  for (const auto& one : kLegacy)
    if (json::find(input, one.name) != nullptr) old.emplace_back(one.name);
  const auto* joins = json::find(input, kJoiner);
  if (old.empty() && joins == nullptr) return std::nullopt;
  if (joins != nullptr) old.emplace_back(kJoiner);
  SP_CHECK_OK(checkMix(input, old));
  const auto joiner = joins != nullptr && joins->is_string() ? json::toStd(joins->get_string()) : std::string("AND");
  if (joiner != "AND" && joiner != "OR")
    return std::unexpected(aws::ApiError::validation(fmt::format(
        "1 validation error detected: Value '{}' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum "
        "value set: [OR, AND]",
        joiner)));
  Writer writer;
  auto out = input;
  out.erase(kJoiner);
  bool joined = false;
  for (const auto& one : kLegacy) {
    const auto* given = json::find(input, one.name);
    if (given == nullptr) continue;
    out.erase(one.name);
    joined = joined || one.expression == "FilterExpression" || one.expression == "ConditionExpression";
    auto text = one.name == "AttributesToGet"    ? writer.projection(*given)
                : one.name == "AttributeUpdates" ? writer.updates(*given)
                                                 : writer.conditions(*given, one.name == "KeyConditions" ? "AND" : joiner);
    if (!text) return std::unexpected(std::move(text.error()));
    if (!text->empty()) out[one.expression] = *text;
  }
  if (joins != nullptr && !joined)
    return std::unexpected(
        aws::ApiError::validation("ConditionalOperator can only be used when Filter or Expected has two or more elements"));
  writer.addTo(out);
  return out;
}

}  // namespace sp::dynamodb
