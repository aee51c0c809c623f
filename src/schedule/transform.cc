#include "schedule/transform.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sp::schedule {
namespace {

constexpr std::array<std::string_view, 5> kOwn = {"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event",
                                                  "aws.events.event.json", "aws.events.event.ingestion-time"};

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '$';
}

// As the inside of a JSON string.
std::string asText(const json::Value& value) {
  if (value.is_string()) {
    auto quoted = json::quote(json::toView(value.get_string()));
    return quoted.substr(1, quoted.size() - 2);
  }
  auto text = json::toText(value);
  std::erase(text, '"');
  std::string out;
  for (const char c : text) {
    if (c == '\\') continue;
    out += c;
  }
  return out;
}

// A member's name anywhere below that holds one of these texts.
bool namedBy(const json::Value& value, const std::vector<std::string>& texts) {
  if (value.is_array()) return std::ranges::any_of(value.get_array(), [&](const auto& one) { return namedBy(one, texts); });
  if (!value.is_object()) return false;
  return std::ranges::any_of(value.get_object(), [&](const auto& member) {
    const std::string_view name(member.key().data(), member.key().size());
    return std::ranges::any_of(texts, [&](const auto& text) { return name.contains(text); }) || namedBy(member.value(), texts);
  });
}

}  // namespace

Result<Template> Template::parse(std::string_view text, const std::vector<std::string>& names) {
  Template out;
  std::string plain;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      plain += c;
      plain += text[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (c == '<') {
      const auto end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(i) + 1, text.end(), isNameCharacter);
      const auto name = std::string(text.begin() + static_cast<std::ptrdiff_t>(i) + 1, end);
      if (!name.empty() && end != text.end() && *end == '>') {
        if (std::ranges::find(names, name) == names.end() && std::ranges::find(kOwn, name) == kOwn.end())
          return fail("schedule.template", fmt::format("the placeholder <{}> is not defined", name));
        out.parts_.push_back({std::exchange(plain, {}), false, false});
        out.parts_.push_back({name, true, quoted});
        i += name.size() + 1;
        continue;
      }
    }
    plain += c;
  }
  out.parts_.push_back({std::move(plain), false, false});
  return out;
}

Result<void> Template::checkJson() const {
  // Each variable as its own placeholder, which is nowhere else in the text.
  std::map<std::string, json::Value, std::less<>> values;
  std::vector<std::string> placeholders;
  for (const auto& part : parts_) {
    if (!part.variable) continue;
    placeholders.push_back(fmt::format("<{}>", part.text));
    values[part.text] = placeholders.back();
  }
  SP_TRY(const auto text, fill(values, std::string::npos));
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos || (text[begin] != '{' && text[begin] != '[')) return {};
  const auto parsed = json::parse(text);
  if (!parsed) return fail("schedule.template", fmt::format("with its placeholders filled in it is no JSON: {}", parsed.error().message));
  if (namedBy(*parsed, placeholders)) return fail("schedule.template", "The placeholder cannot be used as an object key");
  return {};
}

Result<std::string> Template::fill(const std::map<std::string, json::Value, std::less<>>& values, std::size_t most) const {
  std::string out;
  for (const auto& part : parts_) {
    if (out.size() > most) break;
    if (!part.variable) {
      out += part.text;
      continue;
    }
    const auto value = values.find(part.text);
    if (value == values.end()) out += part.quoted ? "" : "\"\"";
    else out += part.quoted ? asText(value->second) : json::toText(value->second);
  }
  if (out.size() > most) return fail("schedule.too_large", fmt::format("the template makes an input of more than {} bytes", most));
  return out;
}

}  // namespace sp::schedule
