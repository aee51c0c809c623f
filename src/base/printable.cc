#include "base/printable.h"

namespace sp {

std::string printable(std::string text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const auto next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0U;
    // U+0080 to U+009F: some terminals take U+009B for the beginning of a sequence.
    const bool high = c == 0xc2 && next >= 0x80 && next < 0xa0;
    out += c < 0x20 || c == 0x7f || high ? ' ' : text[at];
    if (high) ++at;
  }
  return out;
}

}  // namespace sp
