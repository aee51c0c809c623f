// libFuzzer target: whatever bytes come, a definition compiles or is refused with a place and a reason, and what compiled
// names only states that exist. A new one that is accepted is accepted once it is stored too.
#include <cstdint>

#include "asl/definition.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto compiled = asl::compile(text);
  const auto fresh = asl::compileNew(text);
  SP_ASSERT(compiled || !fresh);
  if (!fresh) SP_ASSERT(!fresh.error().empty() && !asl::describe(fresh.error()).empty());
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
