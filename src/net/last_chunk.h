// Around Beast's parser of chunked bodies: once it has seen the line of the last chunk it asserts, and so ends the program,
// when it is asked again with fewer than five bytes.
#pragma once
#include <string_view>

namespace sp::net {

/// Whether `input`, at the beginning of a chunk's line, is the last chunk cut before its end: not for the parser before more
/// has come. Nothing is held up by it: what is left of a chunked body here is five bytes or more ("0", two line ends), and
/// the same bytes inside of a chunk are followed by others, too.
inline bool isLastChunkCut(std::string_view input) {
  constexpr std::size_t kShortest = 5;
  return input.size() < kShortest && input.starts_with('0') && input.find("\r\n") != std::string_view::npos;
}

}  // namespace sp::net
