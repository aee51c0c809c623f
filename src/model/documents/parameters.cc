#include "model/documents/parameters.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::document {
namespace {

constexpr std::size_t kShownMax = 200;

std::unexpected<Error> bad(std::string message) { return fail("document.parameters", std::move(message)); }

/// A value for messages: not the whole of a long script.
std::string shown(const json::Value& value) {
  auto text = value.is_string() ? json::toStd(value.get_string()) : json::toText(value);
  if (text.size() <= kShownMax) return text;
  auto end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

std::unexpected<Error> wrong(const Parameter& parameter, const json::Value& value, std::string_view must) {
  return bad(fmt::format("Parameter \"{}\" with value \"{}\" {}.", parameter.name, shown(value), must));
}

/// The value in the parameter's type, not yet checked further.
Result<json::Value> converted(const Parameter& parameter, const json::Value& value) {
  const auto text = value.is_string() ? json::toStd(value.get_string()) : std::string();
  switch (parameter.type) {
    case ParameterType::string:
      if (value.is_string()) return value;
      if (value.is_int64() || value.is_uint64() || value.is_double() || value.is_bool()) return json::Value(json::toText(value));
      return wrong(parameter, value, "must be a text");
    case ParameterType::stringList: {
      if (value.is_string()) return json::Value(json::Array{value});
      if (!value.is_array()) return wrong(parameter, value, "must be a list of texts");
      json::Array texts;
      for (const auto& each : value.get_array()) {
        if (each.is_object() || each.is_array() || each.is_null()) return wrong(parameter, value, "must be a list of texts");
        texts.emplace_back(each.is_string() ? each : json::Value(json::toText(each)));
      }
      return json::Value(std::move(texts));
    }
    case ParameterType::boolean:
      if (value.is_bool()) return value;
      if (equalsIgnoreCase(text, "true") || equalsIgnoreCase(text, "false")) return json::Value(equalsIgnoreCase(text, "true"));
      return wrong(parameter, value, "must be true or false");
    case ParameterType::integer:
      if (value.is_int64()) return value;
      if (const auto number = parseInt(text); value.is_string() && number) return json::Value(*number);
      return wrong(parameter, value, "must be a whole number");
    case ParameterType::stringMap: {
      if (value.is_object()) return value;
      if (auto parsed = json::parse(text); value.is_string() && parsed && parsed->is_object()) return std::move(*parsed);
      return wrong(parameter, value, "must be a JSON object like {\"name\":\"value\"}");
    }
    case ParameterType::mapList: {
      auto list = value.is_string() ? json::parse(text).value_or(nullptr) : value;
      if (list.is_object()) list = json::Array{list};
      if (!list.is_array()) return wrong(parameter, value, "must be a list of JSON objects");
      for (auto& each : list.get_array()) {
        if (each.is_string())
          if (auto parsed = json::parse(json::toView(each.get_string()))) each = std::move(*parsed);
        if (!each.is_object()) return wrong(parameter, value, "must be a list of JSON objects");
      }
      return list;
    }
  }
  return wrong(parameter, value, "has no type");
}

/// What holds for a text and for each text of a list.
Result<void> checkText(const Parameter& parameter, const json::Value& value) {
  const auto text = value.is_string() ? json::toStd(value.get_string()) : json::toText(value);
  if (!parameter.allowed.empty()) {
    const auto same = [&](const json::Value& each) {
      return (each.is_string() ? json::toStd(each.get_string()) : json::toText(each)) == text;
    };
    if (std::ranges::none_of(parameter.allowed, same)) {
      std::vector<std::string> list;
      for (const auto& each : parameter.allowed) list.push_back(shown(each));
      return wrong(parameter, value, fmt::format("is not one of the allowed values: [{}]", join(list, ", ")));
    }
  }
  if (!parameter.pattern.empty()) {
    SP_TRY(const auto matches, matchesPattern(text, parameter.pattern));
    if (!matches) return wrong(parameter, value, fmt::format("does not match the allowed pattern {}", parameter.pattern));
  }
  if (!value.is_string()) return {};
  // Characters, not bytes.
  const auto chars = std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
  if (parameter.least_chars && chars < *parameter.least_chars)
    return wrong(parameter, value, fmt::format("has {} characters, at least {} are needed", chars, *parameter.least_chars));
  if (parameter.most_chars && chars > *parameter.most_chars)
    return wrong(parameter, value, fmt::format("has {} characters, at most {} are allowed", chars, *parameter.most_chars));
  return {};
}

Result<Values> complete(const Content& content, std::string_view document, Values values) {
  for (const auto& parameter : content.parameters) {
    if (values.contains(parameter.name)) continue;
    if (!parameter.otherwise)
      return bad(fmt::format("Parameter \"{}\" of document {} is required and has no value.", parameter.name, document));
    values.emplace(parameter.name, *parameter.otherwise);
  }
  return values;
}

Result<const Parameter*> declared(const Content& content, std::string_view document, std::string_view name) {
  if (const auto* parameter = content.find(name)) return parameter;
  return bad(fmt::format("Parameter \"{}\" is not defined in the document content of {}.", name, document));
}

}  // namespace

Result<json::Value> typedValue(const Parameter& parameter, const json::Value& value) {
  SP_TRY(auto typed, converted(parameter, value));
  if (typed.is_array()) {
    const auto items = static_cast<std::int64_t>(typed.get_array().size());
    if (parameter.least_items && items < *parameter.least_items)
      return wrong(parameter, typed, fmt::format("has {} items, at least {} are needed", items, *parameter.least_items));
    if (parameter.most_items && items > *parameter.most_items)
      return wrong(parameter, typed, fmt::format("has {} items, at most {} are allowed", items, *parameter.most_items));
  }
  if (parameter.type == ParameterType::stringList) {
    for (const auto& each : typed.get_array()) SP_CHECK_OK(checkText(parameter, each));
  } else if (parameter.type != ParameterType::stringMap && parameter.type != ParameterType::mapList) {
    SP_CHECK_OK(checkText(parameter, typed));
  }
  return typed;
}

Result<Values> readValues(const Content& content, std::string_view document, const json::Object& given) {
  Values values;
  for (const auto& [key, value] : given) {
    const std::string_view name(key.data(), key.size());
    SP_TRY(const auto* parameter, declared(content, document, name));
    if (!value.is_array()) return bad(fmt::format("Parameter \"{}\" must be a list of strings, not {}.", name, json::kindName(value)));
    for (const auto& each : value.get_array())
      if (!each.is_string())
        return bad(fmt::format("Parameter \"{}\" must be a list of strings; it holds {}.", name, json::kindName(each)));
    const bool list = parameter->type == ParameterType::stringList || parameter->type == ParameterType::mapList;
    const auto& texts = value.get_array();
    // A list of nothing says no more than no parameter.
    if (texts.empty()) continue;
    const bool one = !list || (parameter->type == ParameterType::mapList && texts.size() == 1);
    SP_TRY(auto typed, typedValue(*parameter, one ? texts.front() : value));
    values.emplace(name, std::move(typed));
  }
  return complete(content, document, std::move(values));
}

Result<Values> readInnerValues(const Content& content, std::string_view document, const json::Object& given) {
  Values values;
  for (const auto& [key, value] : given) {
    SP_TRY(const auto* parameter, declared(content, document, key));
    // Many write lists here as the API wants them.
    const bool one = value.is_array() && value.get_array().size() == 1 && parameter->type != ParameterType::stringList &&
                     parameter->type != ParameterType::mapList;
    SP_TRY(auto typed, typedValue(*parameter, one ? value.get_array().front() : value));
    values.emplace(std::string_view(key), std::move(typed));
  }
  return complete(content, document, std::move(values));
}

std::string substituteText(std::string_view text, const Values& values) {
  std::string out;
  while (true) {
    const auto open = text.find("{{");
    const auto close = open == std::string_view::npos ? open : text.find("}}", open + 2);
    if (close == std::string_view::npos) return out += text;
    // Of "{{ {{ a }}" only the inner one can be a name.
    const auto inner = text.rfind("{{", close - 1);
    const auto begin = inner == std::string_view::npos || inner < open ? open : inner;
    const auto found = values.find(trim(text.substr(begin + 2, close - begin - 2)));
    out += text.substr(0, begin);
    if (found == values.end()) out += text.substr(begin, close + 2 - begin);
    else out += found->second.is_string() ? json::toStd(found->second.get_string()) : json::toText(found->second);
    text.remove_prefix(close + 2);
  }
}

json::Value substitute(const json::Value& tree, const Values& values) {
  if (tree.is_object()) {
    json::Object out;
    for (const auto& [key, value] : tree.get_object()) out.emplace(key, substitute(value, values));
    return out;
  }
  if (tree.is_array()) {
    json::Array out;
    for (const auto& each : tree.get_array()) out.push_back(substitute(each, values));
    return out;
  }
  if (!tree.is_string()) return tree;
  const auto text = json::toView(tree.get_string());
  if (text.starts_with("{{") && text.ends_with("}}") && text.size() >= 4)
    if (const auto found = values.find(trim(text.substr(2, text.size() - 4))); found != values.end()) return found->second;
  return json::Value(substituteText(text, values));
}

bool isFinally(const json::Object& inputs) {
  const auto* value = json::find(inputs, "finallyStep");
  if (value == nullptr) return false;
  return value->is_bool() ? value->get_bool() : value->is_string() && json::toView(value->get_string()) == "true";
}

}  // namespace sp::document
