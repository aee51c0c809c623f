// libFuzzer target: any text as a stored state. What is taken is written to a text that gives the same state and the same
// text again.
#include <cstdint>

#include "base/assert.h"
#include "engine/state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp::engine;
  const HeldDocument held = [](std::int64_t event) -> std::optional<std::string> {
    if (event > 9) return std::nullopt;
    return "\"" + std::string(600, static_cast<char>('0' + event)) + "\"";
  };
  const auto state = decode(std::string_view(reinterpret_cast<const char*>(data), size), held);
  if (!state) {
    SP_ASSERT(state.error().code == "engine.state");
    return 0;
  }
  const auto text = encode(*state);
  const auto again = decode(text, held);
  SP_ASSERT(again.has_value());
  SP_ASSERT(encode(*again) == text);
  return 0;
}
