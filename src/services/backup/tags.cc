#include "services/backup/tags.h"

#include <algorithm>

#include <fmt/format.h>

#include "asl/characters.h"
#include "base/strings.h"

namespace sp::services::backup {
namespace {

constexpr std::size_t kMostTags = 50;
constexpr std::size_t kLongestKey = 128;
constexpr std::size_t kLongestValue = 256;
constexpr std::string_view kReserved = "aws:";

// What is not ASCII counts as a letter.
bool isAllowed(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x80U) return true;
  constexpr std::string_view kMarks = " _.:/=+-@";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kMarks.find(c) != std::string_view::npos;
}

std::optional<std::string> badText(std::string_view what, std::string_view text, std::size_t most) {
  if (const auto length = asl::characterCount(text); length > most)
    return fmt::format("{} has {} characters; at most {} are allowed.", what, length, most);
  if (!std::ranges::all_of(text, isAllowed)) return fmt::format("{} may hold letters, digits, blanks and _ . : / = + - @ only.", what);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> badTags(std::string_view member, const TextMap& tags) {
  if (tags.size() > kMostTags) return fmt::format("{}: {} tags are given; at most {} are allowed.", member, tags.size(), kMostTags);
  for (const auto& [key, value] : tags) {
    if (key.empty()) return fmt::format("{}: a tag's key must not be empty.", member);
    const auto shown = cutText(key, kLongestKey);
    if (equalsIgnoreCase(std::string_view(key).substr(0, kReserved.size()), kReserved))
      return fmt::format("{}: the key '{}' begins with '{}', which is reserved: give it another name.", member, shown, kReserved);
    if (auto bad = badText(fmt::format("{}: the key '{}'", member, shown), key, kLongestKey)) return bad;
    if (auto bad = badText(fmt::format("{}: the value of '{}'", member, shown), value, kLongestValue)) return bad;
  }
  return std::nullopt;
}

}  // namespace sp::services::backup
