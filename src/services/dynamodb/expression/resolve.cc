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

// Where a function may stand: as a condition, as a side of a comparison, as the value of an update.
enum class Use { condition, comparison, update };

// What a function takes: how many arguments, and whether the first must be a path.
struct Signature {
  std::string_view name;
  std::size_t arguments;
  bool path_first;
  Use use;
};
constexpr std::array<Signature, 8> kFunctions = {{{"attribute_exists", 1, true, Use::condition},
                                                  {"attribute_not_exists", 1, true, Use::condition},
                                                  {"attribute_type", 2, true, Use::condition},
                                                  {"begins_with", 2, false, Use::condition},
                                                  {"contains", 2, false, Use::condition},
                                                  {"size", 1, true, Use::comparison},
                                                  {"if_not_exists", 2, true, Use::update},
                                                  {"list_append", 2, false, Use::update}}};
constexpr std::size_t kPathMax = 32;
/// Bytes of all names and values that stand for placeholders, with the placeholders; and of one name.
constexpr std::size_t kSubstitutedMax = 2UL * 1024 * 1024;
constexpr std::size_t kNameMax = 65535;
constexpr std::array<std::string_view, 10> kTypeNames = {"B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"};

bool isOrdered(std::string_view type) { return type == "S" || type == "N" || type == "B"; }

bool isPlaceholder(std::string_view key, char first) {
  return key.size() > 1 && key.front() == first && std::ranges::all_of(key.substr(1), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

// Types as AWS names them for ADD and DELETE.
std::string_view longName(std::string_view type) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kNames = {{{"S", "STRING"},
                                                                                     {"N", "NUMBER"},
                                                                                     {"B", "BINARY"},
                                                                                     {"SS", "STRING_SET"},
                                                                                     {"NS", "NUMBER_SET"},
                                                                                     {"BS", "BINARY_SET"},
                                                                                     {"BOOL", "BOOLEAN"},
                                                                                     {"NULL", "NULL"},
                                                                                     {"L", "LIST"},
                                                                                     {"M", "MAP"}}};
  const auto* found = std::ranges::find(kNames, type, &std::pair<std::string_view, std::string_view>::first);
  return found == kNames.end() ? type : found->second;
}

// Two paths of which one holds the other, or that take one value as a map and as a list.
std::expected<void, aws::ApiError> distinctPaths(const std::vector<const Path*>& paths) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    for (std::size_t j = i + 1; j < paths.size(); ++j) {
      const auto& a = paths[i]->steps;
      const auto& b = paths[j]->steps;
      const auto [x, y] = std::ranges::mismatch(a, b);
      const bool contained = x == a.end() || y == b.end();
      const bool conflict = !contained && x->index() != y->index();
      if (!contained && !conflict) continue;
      return invalid(
          fmt::format("Two document paths {} with each other; must remove or rewrite one of these paths; path one: {}, path two: {}",
                      conflict ? "conflict" : "overlap", paths[i]->text(), paths[j]->text()));
    }
  }
  return {};
}

std::string describeValue(const json::Value& value) {
  const auto found = typed(value);
  return fmt::format("AttributeValue: {{{}:{}}}", found.type,
                     found.content->is_string() ? json::toStd(found.content->get_string()) : json::toText(*found.content));
}

std::expected<void, aws::ApiError> checkSubstituted(std::string_view parameter, std::size_t bytes) {
  if (bytes <= kSubstitutedMax) return {};
  return invalid(fmt::format(
      "{} is too large: the names and values of an expression add up to {} bytes at least, the maximum is {}: use several requests",
      parameter, bytes, kSubstitutedMax));
}

}  // namespace

// Walks one expression. AWS tells the gravest kind of error first, wherever it stands; hence the ranks.
class Resolver {
 public:
  enum Rank { kReserved, kFunction, kName, kDepth, kValue, kMisuse, kCount, kPathWanted, kDistinct, kType, kNone };

  explicit Resolver(Placeholders& placeholders) : p_(placeholders) {}

  std::expected<void, aws::ApiError> outcome() const {
    if (rank_ != kNone) return invalid(message_);
    return {};
  }

  /// Whether a name is wrong or unknown: AWS looks no further then.
  bool namesAreWrong() const { return rank_ <= kDepth; }

  void path(Path& path) {
    if (path.steps.size() > kPathMax)
      found(kDepth, fmt::format("The document path has too many nesting elements; nesting levels: {}", path.steps.size()));
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
      call(node.operands.front(), Use::condition);
      return;
    }
    for (auto& one : node.operands) operand(one, Use::comparison);
    if (node.operands.empty()) return;
    const bool ordered = node.op != "=" && node.op != "<>" && node.op != "IN";
    if (ordered) types(node.op, node.operands, isOrdered);
    distinct(node.op, node.operands);
    if (node.op == "BETWEEN") bounds(node.operands[1], node.operands[2]);
  }

  void update(UpdateAction& action) {
    path(action.path);
    for (auto& one : action.operands) operand(one, Use::update);
    if (action.arithmetic != '\0')
      types(std::string_view(&action.arithmetic, 1), action.operands, [](std::string_view type) { return type == "N"; });
    const bool add = action.kind == UpdateAction::Kind::add;
    if ((!add && action.kind != UpdateAction::Kind::erase) || action.operands.front().value == nullptr) return;
    const auto type = typed(*action.operands.front().value).type;
    const bool is_set = type == "SS" || type == "NS" || type == "BS";
    if (is_set || (add && type == "N")) return;
    const auto* word = add ? "ADD" : "DELETE";
    found(kType,
          fmt::format("Incorrect operand type for operator or function; operator: {}, operand type: {}, typeSet: ALLOWED_FOR_{}_OPERAND",
                      word, longName(type), word));
  }

 private:
  void found(Rank rank, std::string message) {
    if (rank >= rank_) return;
    rank_ = rank;
    message_ = std::move(message);
  }

  void operand(Operand& one, Use use) {
    if (auto* where = std::get_if<Path>(&one.what)) return path(*where);
    if (one.function() != nullptr) return call(one, use);
    const auto& name = *one.placeholder();
    const auto known = p_.values_.find(name);
    if (known == p_.values_.end())
      return found(kValue, fmt::format("An expression attribute value used in expression is not defined; attribute value: {}", name));
    p_.used_values_.insert(name);
    one.value = &known->second;
  }

  void call(Operand& one, Use use) {
    auto& function = *std::get<std::unique_ptr<Function>>(one.what);
    for (auto& argument : function.arguments) operand(argument, use == Use::update ? Use::update : Use::comparison);
    const auto* known = std::ranges::find(kFunctions, function.name, &Signature::name);
    if (known == kFunctions.end() || (known->use == Use::update && use != Use::update))
      return found(kFunction, fmt::format("Invalid function name; function: {}", function.name));
    if (use == Use::update && known->use != Use::update)
      return found(kMisuse, fmt::format("The function is not allowed in an update expression; function: {}", function.name));
    const auto is_append = [](const Operand& argument) {
      return argument.function() != nullptr && argument.function()->name == "list_append";
    };
    if (known->use != use || (function.name == "list_append" && std::ranges::any_of(function.arguments, is_append)))
      return found(kMisuse, fmt::format("The function is not allowed to be used this way in an expression; function: {}", function.name));
    if (function.arguments.size() != known->arguments)
      return found(kCount,
                   fmt::format("Incorrect number of operands for operator or function; operator or function: {}, number of operands: {}",
                               function.name, function.arguments.size()));
    if (known->path_first && function.arguments.front().path() == nullptr)
      return found(kPathWanted, fmt::format("Operator or function requires a document path; operator or function: {}", function.name));
    if (use != Use::update) distinct(function.name, function.arguments);
    if (function.name == "list_append") types(function.name, function.arguments, [](std::string_view type) { return type == "L"; });
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
  std::size_t bytes = 0;
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
      if (name.size() > kNameMax)
        return invalid(
            fmt::format("ExpressionAttributeNames contains invalid value: Attribute name is too large, must be less than {} "
                        "bytes; key: {}",
                        kNameMax + 1, key));
      bytes += key.size() + name.size();
      SP_CHECK_OK(checkSubstituted("ExpressionAttributeNames", bytes));
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
    auto checked = checkValue(member.value());
    if (!checked) {
      if (checked.error().code == "ValidationException")
        checked.error().message =
            fmt::format("ExpressionAttributeValues contains invalid value: {} for key {}", checked.error().message, key);
      return std::unexpected(checked.error());
    }
    bytes += key.size() + checked->size;
    SP_CHECK_OK(checkSubstituted("ExpressionAttributeValues", bytes));
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
  std::vector<const Path*> paths;
  for (const auto& path : projection) paths.push_back(&path);
  return distinctPaths(paths);
}

std::expected<void, aws::ApiError> Placeholders::resolve(Update& update) {
  Resolver resolver(*this);
  std::vector<const Path*> paths;
  for (auto& action : update.actions) {
    resolver.update(action);
    paths.push_back(&action.path);
  }
  if (!resolver.namesAreWrong()) SP_CHECK_OK(distinctPaths(paths));
  return resolver.outcome();
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
