#include "services/states/input.h"

#include <fmt/format.h>

#include "asl/characters.h"
#include "json/explain.h"

namespace sp::services::states {

constexpr std::int64_t kMostResults = 1000;
constexpr std::size_t kUsualResults = 100;
constexpr std::size_t kArnCharacters = 256;

aws::ApiError wrongType(std::string_view path, std::string_view wanted) {
  return {"SerializationException", fmt::format("Member '{}' must be a {}", path, wanted), 400, true, {}};
}

const json::Value* Input::take(std::string_view key) {
  const auto* value = json::find(object_, key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void Input::constraint(std::string_view key, std::string_view value, std::string_view rule) {
  if (!error_)
    error_ = aws::ApiError::validation(fmt::format(
        "1 validation error detected: Value {} at '{}' failed to satisfy constraint: Member must {}", value, pathOf(key), rule));
}

void Input::otherType(std::string_view key, std::string_view wanted) {
  if (!error_) error_ = wrongType(pathOf(key), wanted);
}

std::string Input::pathOf(std::string_view key) const { return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key); }

std::string Input::text(std::string_view key, std::size_t longest) { return filled(key, &Input::textIf, longest); }

std::string Input::arn(std::string_view key) { return filled(key, &Input::charactersIf, kArnCharacters); }

std::string Input::filled(std::string_view key, std::optional<std::string> (Input::*take_it)(std::string_view, std::size_t),
                          std::size_t most) {
  if (take(key) == nullptr) {
    constraint(key, "null", "not be null");
    return {};
  }
  auto value = (this->*take_it)(key, most).value_or("");
  if (value.empty()) constraint(key, "''", "have length greater than or equal to 1");
  return value;
}

std::optional<std::string> Input::textIf(std::string_view key, std::size_t longest) {
  return takeText(key, longest, [](std::string_view text) { return text.size(); });
}

std::optional<std::string> Input::filledIf(std::string_view key, std::size_t longest) {
  auto value = textIf(key, longest);
  if (value && value->empty()) constraint(key, "''", "have length greater than or equal to 1");
  return value;
}

std::optional<std::string> Input::charactersIf(std::string_view key, std::size_t most) { return takeText(key, most, asl::characterCount); }

std::optional<std::string> Input::takeText(std::string_view key, std::size_t longest, std::size_t (*length)(std::string_view)) {
  const auto* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    otherType(key, "string");
    return std::nullopt;
  }
  if (const auto given = json::toView(value->get_string()); length(given) > longest) {
    constraint(key, fmt::format("'{}…'", asl::firstCharacters(given, 32)), fmt::format("have length less than or equal to {}", longest));
    return std::nullopt;
  }
  return json::toStd(value->get_string());
}

std::optional<std::string> Input::asciiIf(std::string_view key, std::size_t longest) {
  auto value = textIf(key, longest);
  if (value && std::ranges::any_of(*value, [](char c) { return static_cast<unsigned char>(c) > 0x7F; }))
    constraint(key, fmt::format("'{}'", *value), "satisfy regular expression pattern: \\p{ASCII}*");
  return value;
}

bool Input::flag(std::string_view key, bool otherwise) {
  const auto* value = take(key);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) otherType(key, "boolean");
  return value->is_bool() ? value->get_bool() : otherwise;
}

const json::Object* Input::objectIf(std::string_view key) {
  const auto* value = take(key);
  if (value != nullptr && !value->is_object()) otherType(key, "structure");
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

const json::Array* Input::arrayIf(std::string_view key) {
  const auto* value = take(key);
  if (value != nullptr && !value->is_array()) otherType(key, "list");
  return value != nullptr && value->is_array() ? &value->get_array() : nullptr;
}

std::optional<std::size_t> Input::countIf(std::string_view key, std::int64_t most, std::int64_t least) {
  const auto* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64()) {
    otherType(key, "number");
    return std::nullopt;
  }
  const auto given = value->get_int64();
  if (given < least) constraint(key, fmt::format("'{}'", given), fmt::format("have value greater than or equal to {}", least));
  if (given > most) constraint(key, fmt::format("'{}'", given), fmt::format("have value less than or equal to {}", most));
  return error_ ? std::nullopt : std::optional(static_cast<std::size_t>(given));
}

std::size_t Input::pageSize() {
  const auto given = countIf("maxResults", kMostResults).value_or(0);
  return given == 0 ? kUsualResults : given;
}

std::optional<std::string> Input::choiceIf(std::string_view key, std::initializer_list<std::string_view> values) {
  auto value = textIf(key, 256);
  if (value && std::ranges::find(values, *value) == values.end())
    constraint(key, fmt::format("'{}'", *value), fmt::format("satisfy enum value set: [{}]", fmt::join(values, ", ")));
  return value;
}

void Input::refuseMembers(std::initializer_list<std::string_view> keys, std::string_view why) {
  for (const auto key : keys)
    if (take(key) != nullptr && !error_) error_ = aws::ApiError::validation(fmt::format("The member '{}' is not supported: {}", key, why));
}

Answer<void> Input::finish() const {
  if (error_) return std::unexpected(*error_);
  return {};
}

std::string syntaxProblem(std::string_view text, const Error& fallback) {
  const auto explained = json::explainSyntax(text);
  return explained.empty() ? fallback.message : "com.fasterxml.jackson.core.JsonParseException: " + explained;
}

bool includesData(Input& input) { return input.choiceIf("includedData", {"ALL_DATA", "METADATA_ONLY"}).value_or("ALL_DATA") == "ALL_DATA"; }

Answer<std::string> positionOf(const std::optional<std::string>& token, std::string_view bound_to) {
  if (!token) return std::string();
  auto position = aws::readPageToken(bound_to, *token);
  if (!position) return aws::refuse("InvalidToken", "Invalid Token: 'Invalid token'");
  return std::move(*position);
}

}  // namespace sp::services::states
