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
