#include "base/assert.h"

#include <cstdlib>
#include <string>

#include "base/log.h"

namespace sp {

void assertFailed(std::string_view expression, std::string_view file, int line) {
  log::error("ASSERTION FAILED", {{"expression", expression}, {"file", file}, {"line", line}});
  std::abort();
}

void invariantBroken(std::string_view expression, std::string_view file, int line) {
  log::error("INVARIANT broken", {{"expression", expression}, {"file", file}, {"line", line}});
}

}  // namespace sp
