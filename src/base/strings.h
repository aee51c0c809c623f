// Small tools for text that the standard library of this compiler lacks.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sp {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string toLower(std::string_view text);
bool equalsIgnoreCase(std::string_view a, std::string_view b);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// Whole text as a decimal integer, with sign; nullopt for anything else or out of range.
std::optional<std::int64_t> parseInt(std::string_view text);

/// RFC 3986 percent encoding of everything but A-Z a-z 0-9 - . _ ~ (and '/' if kept).
std::string percentEncode(std::string_view text, bool keep_slash = false);
/// nullopt if a '%' is not followed by two hex digits. `plus_is_space`: form encoding.
std::optional<std::string> percentDecode(std::string_view text, bool plus_is_space = false);

/// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
bool isUtf8(std::string_view text);
/// Its first `most` bytes, or up to three fewer: no character of well-formed UTF-8 is cut in two.
std::string_view cutText(std::string_view text, std::size_t most);

/// AWS's wildcards: '*' any run, '?' any one character, '\' takes the next literally. Linear in practice, never recursive.
bool matchesWildcard(std::string_view pattern, std::string_view text);

}  // namespace sp
