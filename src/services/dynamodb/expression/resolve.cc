#include "services/dynamodb/expression/resolve.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "services/dynamodb/expression/reserved_words.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

// What a function takes: how many arguments, and whether the first must be a path.
struct Signature {
  std::string_view name;
  std::size_t arguments;
  bool path_first;
  bool is_condition;
};
constexpr std::array<Signature, 6> kFunctions = {{{"attribute_exists", 1, true, true},
                                                  {"attribute_not_exists", 1, true, true},
                                                  {"attribute_type", 2, true, true},
                                                  {"begins_with", 2, false, true},
                                                  {"contains", 2, false, true},
                                                  {"size", 1, true, false}}};
constexpr std::array<std::string_view, 10> kTypeNames = {"B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"};

bool isOrdered(std::string_view type) { return type == "S" || type == "N" || type == "B"; }

bool isPlaceholder(std::string_view key, char first) {
  return key.size() > 1 && key.front() == first && std::ranges::all_of(key.substr(1), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

std::string describeValue(const json::Value& value) {
  const auto found = typed(value);
  return fmt::format("AttributeValue: {{{}:{}}}", found.type,
                     found.content->is_string() ? json::toStd(found.content->get_string()) : json::toText(*found.content));
}

}  // namespace

// Walks one expression. AWS tells the gravest kind of error first, wherever it stands; hence the ranks.
class Resolver {
 public:
  enum Rank { kReserved, kFunction, kName, kValue, kMisuse, kCount, kPathWanted, kDistinct, kType, kNone };

  explicit Resolver(Placeholders& placeholders) : p_(placeholders) {}

  std::expected<void, aws::ApiError> outcome() const {
    if (rank_ != kNone) return invalid(message_);
    return {};
  }

  void path(Path& path) {
    for (auto& step : path.steps) {
      auto* name = std::get_if<std::string>(&step);
      if (name == nullptr) continue;
      if (name->front() != '#') {
        if (isReservedWord(*name)) found(kReserved, fmt::format("Attribute name is a reserved keyword; reserved keyword: {}", *name));
        continue;
      }
      const auto known = p_.names_.find(*name);
      if (known == p_.names_.end()) {
        found(kName, fmt::format("An expression attribute name used in the document path is not defined; attribute name: {}", *name));
        continue;
      }
      p_.used_names_.insert(*name);
      *name = known->second;
    }
  }

  void condition(Condition& node) {
    for (auto& child : node.children) condition(*child);
    if (node.op == "call") {
      call(node.operands.front(), true);
      return;
    }
    for (auto& one : node.operands) operand(one);
    if (node.operands.empty()) return;
    const bool ordered = node.op != "=" && node.op != "<>" && node.op != "IN";
    if (ordered) types(node.op, node.operands, isOrdered);
    distinct(node.op, node.operands);
    if (node.op == "BETWEEN") bounds(node.operands[1], node.operands[2]);
  }

 private:
  void found(Rank rank, std::string message) {
    if (rank >= rank_) return;
    rank_ = rank;
    message_ = std::move(message);
  }

  void operand(Operand& one) {
    if (auto* where = std::get_if<Path>(&one.what)) return path(*where);
    if (one.function() != nullptr) return call(one, false);
    const auto& name = *one.placeholder();
    const auto known = p_.values_.find(name);
    if (known == p_.values_.end())
      return found(kValue, fmt::format("An expression attribute value used in expression is not defined; attribute value: {}", name));
    p_.used_values_.insert(name);
    one.value = &known->second;
  }

  void call(Operand& one, bool as_condition) {
    auto& function = *std::get<std::unique_ptr<Function>>(one.what);
    for (auto& argument : function.arguments) operand(argument);
    const auto* known = std::ranges::find(kFunctions, function.name, &Signature::name);
    if (known == kFunctions.end()) return found(kFunction, fmt::format("Invalid function name; function: {}", function.name));
    if (known->is_condition != as_condition)
      return found(kMisuse, fmt::format("The function is not allowed to be used this way in an expression; function: {}", function.name));
    if (function.arguments.size() != known->arguments)
      return found(kCount,
                   fmt::format("Incorrect number of operands for operator or function; operator or function: {}, number of operands: {}",
                               function.name, function.arguments.size()));
    if (known->path_first && function.arguments.front().path() == nullptr)
      return found(kPathWanted, fmt::format("Operator or function requires a document path; operator or function: {}", function.name));
    distinct(function.name, function.arguments);
    if (function.name == "begins_with")
      types(function.name, function.arguments, [](std::string_view type) { return type == "S" || type == "B"; });
    if (function.name == "attribute_type") typeArgument(function.arguments[1]);
  }

  void typeArgument(const Operand& argument) {
    if (argument.value == nullptr) {
      if (argument.placeholder() == nullptr)
        found(kType, "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: document path");
      return;
    }
    const auto named = typed(*argument.value);
    if (named.type != "S")
      return found(kType,
                   fmt::format("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {}",
                               named.type));
    const auto name = json::toView(named.content->get_string());
    if (std::ranges::find(kTypeNames, name) == kTypeNames.end())
      found(kType, fmt::format("Invalid attribute type name found; type: {}, valid types: {{{}}}", name, fmt::join(kTypeNames, ",")));
  }

  void types(std::string_view op, const std::vector<Operand>& operands, bool (*accepts)(std::string_view)) {
    for (const auto& one : operands) {
      if (one.value == nullptr) continue;
      const auto type = typed(*one.value).type;
      if (!accepts(type))
        found(kType, fmt::format("Incorrect operand type for operator or function; operator or function: {}, operand type: {}", op, type));
    }
  }

  void distinct(std::string_view op, const std::vector<Operand>& operands) {
    const auto* first = operands.front().path();
    if (first == nullptr) return;
    for (std::size_t i = 1; i < operands.size(); ++i) {
      const auto* other = operands[i].path();
      if (other != nullptr && *other == *first)
        found(kDistinct, fmt::format("The first operand must be distinct from the remaining operands for this operator or function; "
                                     "operator: {}, first operand: {}",
                                     op, first->text()));
    }
  }

  void bounds(const Operand& low, const Operand& high) {
    if (low.value == nullptr || high.value == nullptr) return;
    const auto tell = [&] {
      return fmt::format("lower bound operand: {}, upper bound operand: {}", describeValue(*low.value), describeValue(*high.value));
    };
    if (typed(*low.value).type != typed(*high.value).type)
      return found(kType, "The BETWEEN operator requires same data type for lower and upper bounds; " + tell());
    const auto order = orderOfValues(*low.value, *high.value);
    if (order && *order > 0)
      found(kType, "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " + tell());
  }

  Placeholders& p_;
  Rank rank_ = kNone;
  std::string message_;
};

std::expected<Placeholders, aws::ApiError> Placeholders::read(const json::Object& input, const std::vector<std::string>& expressions,
                                                              const std::vector<std::string>& possible) {
  Placeholders out;
  const auto* names = json::find(input, "ExpressionAttributeNames");
  const auto* values = json::find(input, "ExpressionAttributeValues");
  if (names != nullptr && !names->is_null()) {
    if (expressions.empty()) return invalid("ExpressionAttributeNames can only be specified when using expressions");
    if (!names->is_object()) return aws::refuse("SerializationException", "Unexpected field type");
    if (names->get_object().empty()) return invalid("ExpressionAttributeNames must not be empty");
    for (const auto& member : names->get_object()) {
      const std::string key(member.key());
      if (!isPlaceholder(key, '#'))
        return invalid(fmt::format("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{}\"", key));
      if (!member.value().is_string()) return aws::refuse("SerializationException", "Unexpected field type");
      const auto name = json::toStd(member.value().get_string());
      if (name.empty())
        return invalid(
            fmt::format("ExpressionAttributeNames contains invalid value: The expression attribute name must not be empty; key: {}", key));
      out.names_[key] = name;
    }
  }
  if (values == nullptr || values->is_null()) return out;
  if (expressions.empty())
    return invalid(fmt::format("ExpressionAttributeValues can only be specified when using expressions: {} {} null",
                               fmt::join(possible, " and "), possible.size() == 1 ? "is" : "are"));
  if (!values->is_object()) return aws::refuse("SerializationException", "Unexpected field type");
  if (values->get_object().empty()) return invalid("ExpressionAttributeValues must not be empty");
  for (const auto& member : values->get_object()) {
    const std::string key(member.key());
    if (!isPlaceholder(key, ':'))
      return invalid(fmt::format("ExpressionAttributeValues contains invalid key: Syntax error; key: \"{}\"", key));
    if (auto checked = checkValue(member.value()); !checked) {
      if (checked.error().code == "ValidationException")
        checked.error().message =
            fmt::format("ExpressionAttributeValues contains invalid value: {} for key {}", checked.error().message, key);
      return std::unexpected(checked.error());
    }
    out.values_.emplace(key, canonicalValue(member.value()));
  }
  return out;
}

std::expected<void, aws::ApiError> Placeholders::resolve(Condition& condition) {
  Resolver resolver(*this);
  resolver.condition(condition);
  return resolver.outcome();
}

std::expected<void, aws::ApiError> Placeholders::resolve(std::vector<Path>& projection) {
  Resolver resolver(*this);
  for (auto& path : projection) resolver.path(path);
  SP_CHECK_OK(resolver.outcome());
  for (std::size_t i = 0; i < projection.size(); ++i) {
    for (std::size_t j = i + 1; j < projection.size(); ++j) {
      const auto& a = projection[i].steps;
      const auto& b = projection[j].steps;
      const auto [x, y] = std::ranges::mismatch(a, b);
      const bool contained = x == a.end() || y == b.end();
      const bool conflict = !contained && x->index() != y->index();
      if (!contained && !conflict) continue;
      return invalid(
          fmt::format("Two document paths {} with each other; must remove or rewrite one of these paths; path one: {}, path two: {}",
                      conflict ? "conflict" : "overlap", projection[i].text(), projection[j].text()));
    }
  }
  return {};
}

std::expected<void, aws::ApiError> Placeholders::allUsed() const {
  std::vector<std::string> left;
  for (const auto& [name, what] : names_)
    if (!used_names_.contains(name)) left.push_back(name);
  if (!left.empty())
    return invalid(fmt::format("Value provided in ExpressionAttributeNames unused in expressions: keys: {{{}}}", fmt::join(left, ", ")));
  for (const auto& [name, what] : values_)
    if (!used_values_.contains(name)) left.push_back(name);
  if (!left.empty())
    return invalid(fmt::format("Value provided in ExpressionAttributeValues unused in expressions: keys: {{{}}}", fmt::join(left, ", ")));
  return {};
}

}  // namespace sp::dynamodb
