#include "services/dynamodb/request.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "services/dynamodb/expression/parser.h"

namespace sp::dynamodb {
namespace {

bool isTableChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

std::expected<void, aws::ApiError> named(std::expected<void, aws::ApiError> result, std::string_view expression) {
  if (!result) result.error().message = fmt::format("Invalid {}: {}", expression, result.error().message);
  return result;
}

}  // namespace

const json::Value* Request::take(std::string_view key) const {
  const auto* value = json::find(input_, key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

// "TableName" → "tableName", as AWS names members in its messages.
std::string Request::pathOf(std::string_view key) const {
  std::string path(key);
  if (path.front() >= 'A' && path.front() <= 'Z') path.front() = static_cast<char>(path.front() - 'A' + 'a');
  return inside_ + path;
}

bool Request::has(std::string_view key) const { return take(key) != nullptr; }

void Request::wrongType(std::string message) {
  if (!first_error_) first_error_ = aws::ApiError{"SerializationException", std::move(message), 400, true, {}};
}

void Request::missing(std::string_view key) {
  broken_.push_back(fmt::format("Value null at '{}' failed to satisfy constraint: Member must not be null", pathOf(key)));
}

void Request::constraint(std::string_view value, std::string_view key, std::string_view rule) {
  broken_.push_back(fmt::format("Value '{}' at '{}' failed to satisfy constraint: {}", value, pathOf(key), rule));
}

std::optional<std::string> Request::text(std::string_view key) {
  const auto* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return json::toStd(value->get_string());
  if (value->is_object()) wrongType("Start of structure or map found where not expected");
  else if (value->is_array()) wrongType("Start of list found where not expected");
  else
    wrongType(fmt::format("{} cannot be converted to String",
                          value->is_bool() ? (value->get_bool() ? "TRUE_VALUE" : "FALSE_VALUE") : "NUMBER_VALUE"));
  return std::nullopt;
}

std::string Request::tableName() {
  if (!has("TableName")) {
    missing("TableName");
    return {};
  }
  return checkedTableName(text("TableName").value_or(""), "TableName");
}

std::string Request::checkedTableName(std::string name, std::string_view key) {
  if (name.starts_with("arn:")) {
    const auto arn = Arn::parse(name);
    if (arn && arn->service == "dynamodb" && arn->resource.starts_with("table/")) name = arn->resource.substr(6);
  }
  if (!std::ranges::all_of(name, isTableChar)) constraint(name, key, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
  if (name.size() < 3) constraint(name, key, "Member must have length greater than or equal to 3");
  if (name.size() > 255) constraint(name, key, "Member must have length less than or equal to 255");
  return name;
}

std::optional<std::int64_t> Request::integer(std::string_view key, std::int64_t least, std::optional<std::int64_t> most) {
  const auto* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64()) {
    wrongType(value->is_string() ? "STRING_VALUE cannot be converted to Integer" : "Unexpected field type");
    return std::nullopt;
  }
  const auto number = value->get_int64();
  if (number < least) constraint(std::to_string(number), key, fmt::format("Member must have value greater than or equal to {}", least));
  if (most && number > *most)
    constraint(std::to_string(number), key, fmt::format("Member must have value less than or equal to {}", *most));
  return number;
}

bool Request::boolean(std::string_view key, bool otherwise) {
  const auto* value = take(key);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  wrongType(value->is_string() ? "STRING_VALUE cannot be converted to Boolean" : "Unexpected field type");
  return otherwise;
}

std::string Request::choice(std::string_view key, std::initializer_list<std::string_view> allowed) {
  const auto given = text(key);
  if (!given) return {};
  if (std::ranges::find(allowed, *given) == allowed.end())
    constraint(*given, key, fmt::format("Member must satisfy enum value set: [{}]", fmt::join(allowed, ", ")));
  return *given;
}

const json::Object* Request::object(std::string_view key) {
  const auto* value = take(key);
  if (value == nullptr) {
    missing(key);
    return nullptr;
  }
  if (value->is_object()) return &value->get_object();
  wrongType("Unexpected field type");
  return nullptr;
}

const json::Array* Request::array(std::string_view key) {
  const auto* value = take(key);
  if (value == nullptr) {
    missing(key);
    return nullptr;
  }
  if (value->is_array()) return &value->get_array();
  wrongType("Unexpected field type");
  return nullptr;
}

void Request::require(std::string_view key) {
  if (!has(key)) missing(key);
}

void Request::refuse(std::string message) {
  if (!refused_) refused_ = aws::ApiError::validation(std::move(message));
}

std::expected<void, aws::ApiError> Request::finish() const {
  if (first_error_) return std::unexpected(*first_error_);
  if (!broken_.empty())
    return std::unexpected(aws::ApiError::validation(
        fmt::format("{} validation error{} detected: {}", broken_.size(), broken_.size() == 1 ? "" : "s", fmt::join(broken_, "; "))));
  if (refused_) return std::unexpected(*refused_);
  return {};
}

std::expected<Expressions, aws::ApiError> Expressions::read(const Request& request, std::initializer_list<std::string_view> possible) {
  Expressions out;
  std::vector<std::string> given;
  for (const auto name : possible)
    if (request.has(name)) given.emplace_back(name);
  // The commonest request has none at all.
  if (given.empty() && !request.has("ExpressionAttributeNames") && !request.has("ExpressionAttributeValues")) return out;
  SP_TRY(out.placeholders, Placeholders::read(request.input(), given, {possible.begin(), possible.end()}));
  if (given.empty()) return out;
  for (const auto& name : given) {
    const auto* value = json::find(request.input(), name);
    if (!value->is_string()) return aws::refuse("SerializationException", "Unexpected field type");
    const auto parseInto = [&]() -> std::expected<void, aws::ApiError> {
      SP_TRY(auto parser, Parser::make(json::toView(value->get_string())));
      if (name == "ProjectionExpression") {
        SP_TRY(out.projection, parser.projection());
        return out.placeholders.resolve(*out.projection);
      }
      if (name == "UpdateExpression") {
        SP_TRY(out.update, parser.update());
        return out.placeholders.resolve(*out.update);
      }
      SP_TRY(auto parsed, parser.condition());
      SP_CHECK_OK(out.placeholders.resolve(*parsed));
      (name == "ConditionExpression" ? out.condition : name == "FilterExpression" ? out.filter : out.key_condition) = std::move(parsed);
      return {};
    };
    SP_CHECK_OK(named(parseInto(), name));
  }
  SP_CHECK_OK(out.placeholders.allUsed());
  return out;
}

CapacityWish capacityWish(Request& request) {
  const auto wish = request.choice("ReturnConsumedCapacity", {"INDEXES", "TOTAL", "NONE"});
  return wish == "INDEXES" ? CapacityWish::indexes : wish == "TOTAL" ? CapacityWish::total : CapacityWish::none;
}

void addCapacity(json::Object& out, CapacityWish wish, std::string_view table, double units) {
  if (wish == CapacityWish::none) return;
  json::Object consumed{{"TableName", table}, {"CapacityUnits", units}};
  if (wish == CapacityWish::indexes) consumed["Table"] = json::Object{{"CapacityUnits", units}};
  out["ConsumedCapacity"] = std::move(consumed);
}

double readUnits(std::size_t bytes, bool consistent) {
  const auto blocks = static_cast<double>(std::max<std::size_t>(1, (bytes + 4095) / 4096));
  return consistent ? blocks : blocks / 2;
}

double writeUnits(std::size_t bytes) { return static_cast<double>(std::max<std::size_t>(1, (bytes + 1023) / 1024)); }

void CapacityList::add(std::string_view table, double units) {
  if (wish_ == CapacityWish::none) return;
  units_[std::string(table)] += units;
}

void CapacityList::addTo(json::Object& out, std::string_view what) const {
  if (wish_ == CapacityWish::none) return;
  json::Array list;
  for (const auto& [table, units] : units_) {
    json::Object one;
    addCapacity(one, wish_, table, units);
    auto& consumed = one["ConsumedCapacity"].get_object();
    if (!what.empty()) consumed[what] = units;
    if (!what.empty() && wish_ == CapacityWish::indexes) consumed["Table"].get_object()[what] = units;
    list.push_back(std::move(consumed));
  }
  out["ConsumedCapacity"] = std::move(list);
}

}  // namespace sp::dynamodb
