// The language counts characters where it limits texts, not bytes.
#pragma once
#include <algorithm>
#include <string_view>

namespace sp::asl {

inline bool beginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

/// Of well-formed UTF-8.
inline std::size_t characterCount(std::string_view text) { return static_cast<std::size_t>(std::ranges::count_if(text, beginsCharacter)); }

/// The first `count` characters of it.
inline std::string_view firstCharacters(std::string_view text, std::size_t count) {
  // No text has more characters than bytes.
  if (text.size() <= count) return text;
  std::size_t end = 0;
  for (; end < text.size(); ++end)
    if (beginsCharacter(text[end]) && count-- == 0) break;
  return text.substr(0, end);
}

}  // namespace sp::asl
