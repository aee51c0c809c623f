// Invariants. SP_ASSERT stays on in release and aborts: going on would write wrong state. SP_INVARIANT logs with the
// prefix "INVARIANT" and goes on; a test run in which it appears fails.
#pragma once
#include <string_view>

namespace sp {
[[noreturn]] void assertFailed(std::string_view expression, std::string_view file, int line);
void invariantBroken(std::string_view expression, std::string_view file, int line);
}  // namespace sp

#define SP_ASSERT(expression) ((expression) ? void() : ::sp::assertFailed(#expression, __FILE__, __LINE__))
#define SP_INVARIANT(expression) ((expression) ? void() : ::sp::invariantBroken(#expression, __FILE__, __LINE__))
