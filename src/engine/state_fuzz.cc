// libFuzzer target: any text as a stored state. What is taken is written to a text that gives the same state and the same
// text again.
#include <cstdint>

#include "base/assert.h"
#include "engine/state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp::engine;
  const auto document = [](std::int64_t event) { return "\"" + std::string(600, static_cast<char>('0' + event % 10)) + "\""; };
  const HeldDocument held = [&](std::int64_t event) { return event > 9 ? std::nullopt : std::optional(document(event)); };
  // Of a state that nobody wrote two places may name different events for one document, and the second be written.
  const HeldDocument held_by_all = [&](std::int64_t event) { return std::optional(document(event)); };
  const auto state = decode(std::string_view(reinterpret_cast<const char*>(data), size), held);
  if (!state) {
    SP_ASSERT(state.error().code == "engine.state");
    return 0;
  }
  const auto text = encode(*state);
  const auto again = decode(text, held_by_all);
  SP_ASSERT(again.has_value());
  SP_ASSERT(encode(*again) == text);
  return 0;
}
