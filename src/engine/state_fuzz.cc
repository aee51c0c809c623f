// libFuzzer target: any text as a stored state. What is taken is written to a text that gives the same state and the same
// text again.
#include <cstdint>

#include "base/assert.h"
#include "engine/state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp::engine;
  const auto state = decode(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!state) {
    SP_ASSERT(state.error().code == "engine.state");
    return 0;
  }
  const auto text = encode(*state);
  const auto again = decode(text);
  SP_ASSERT(again.has_value());
  SP_ASSERT(encode(*again) == text);
  return 0;
}
