#include "cli/views/event_words.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "base/strings.h"

namespace sp::cli {
namespace {

constexpr std::size_t kLongest = 200;

void add(std::string& words, std::string_view between, const std::string& text) {
  if (text.empty()) return;
  if (!words.empty()) words += between;
  words += text;
}

// The first member of these that is a text.
std::string firstOf(const json::Object& object, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    if (auto text = json::textOr(object, name); !text.empty()) return text;
  return "";
}

}  // namespace

std::string oneLine(std::string text) {
  text = printable(std::move(text));
  if (text.size() <= kLongest) return text;
  auto cut = kLongest;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  return text.substr(0, cut) + "…";
}

std::string shortResource(std::string_view arn) {
  if (!arn.starts_with("arn:")) return std::string(arn);
  std::size_t at = 0;
  for (int colons = 0; colons < 5; ++colons) {
    at = arn.find(':', at);
    if (at == std::string_view::npos) return std::string(arn);
    ++at;
  }
  return std::string(arn.substr(at));
}

std::string eventWords(const json::Object& event) {
  const auto* given = json::find(event, "detail");
  const auto detail = given != nullptr && given->is_object() ? given->get_object() : json::Object();
  std::string words;
  if (const auto* resources = json::find(event, "resources");
      resources != nullptr && resources->is_array() && !resources->get_array().empty())
    if (const auto& first = resources->get_array().front(); first.is_string()) words = shortResource(json::toView(first.get_string()));
  if (words.empty()) words = firstOf(detail, {"backupJobId", "restoreJobId", "command-id", "rule", "event-id"});
  add(words, " ", firstOf(detail, {"status", "state"}));
  add(words, ": ", firstOf(detail, {"error", "error-code"}));
  add(words, ": ", firstOf(detail, {"cause", "statusMessage", "error-message", "last-error"}));
  return oneLine(std::move(words));
}

}  // namespace sp::cli
