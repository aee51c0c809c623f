// libFuzzer target: whatever bytes come, a definition compiles or is refused with a place and a reason, and what compiled
// names only states that exist.
#include <cstdint>

#include "asl/definition.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  const auto compiled = asl::compile(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!compiled) {
    SP_ASSERT(!compiled.error().empty() && !asl::describe(compiled.error()).empty());
    return 0;
  }
  const auto& definition = **compiled;
  const auto count = static_cast<int>(definition.states.size());
  const auto exists = [&](int state) { return state >= 0 && state < count; };
  SP_ASSERT(exists(definition.start));
  for (const auto& state : definition.states) {
    SP_ASSERT(state.next == -1 || exists(state.next));
    SP_ASSERT(state.otherwise == -1 || exists(state.otherwise));
    for (const auto branch : state.branches) SP_ASSERT(exists(branch));
    for (const auto& rule : state.rules) SP_ASSERT(exists(rule.next));
    for (const auto& catcher : state.catchers) SP_ASSERT(exists(catcher.next));
  }
  return 0;
}
