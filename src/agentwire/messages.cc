#include "agentwire/messages.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace sp::agentwire {

Result<std::string> frame(const json::Object& message) {
  const auto text = json::toText(message);
  if (text.size() > kFrameMax)
    return fail("wire.too_large", fmt::format("a message of {} bytes exceeds the frame limit of {}", text.size(), kFrameMax));
  return bigEndian32(static_cast<std::uint32_t>(text.size())) + text;
}

}  // namespace sp::agentwire
