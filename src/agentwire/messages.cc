#include "agentwire/messages.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace sp::agentwire {

Result<std::string> frame(const json::Object& message) {
  const auto text = json::toText(message);
  SP_CHECK_OK(checkSize(text));
  return frameOf(text);
}

Result<void> checkSize(std::string_view text) {
  if (text.size() > kFrameMax)
    return fail("wire.too_large", fmt::format("a message of {} bytes exceeds the frame limit of {}", text.size(), kFrameMax));
  return {};
}

std::string frameOf(std::string_view text) {
  auto out = bigEndian32(static_cast<std::uint32_t>(text.size()));
  out.reserve(out.size() + text.size());
  return out.append(text);
}

}  // namespace sp::agentwire
