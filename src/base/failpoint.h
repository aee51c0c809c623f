// Named places at which a test can kill this process, before or after an effect became durable. Compiled into every
// build: a point that is off costs one relaxed load. Points work only after arm() (serve and agent: --failpoints FILE).
//
// FILE holds lines "NAME ACTION [N]": at the N-th hit (default 1) of NAME do ACTION: "kill" (SIGKILL to itself), "fail"
// (hit() returns true and the caller acts as if the step had failed) or "count" (only count). Hits are appended to
// FILE.hits, a line each, so that a sweep can tell that a point was reached.
#pragma once
#include <atomic>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::failpoint {

extern std::atomic<bool> g_armed;

bool hitSlow(std::string_view name);

/// True if the caller shall act as if the step failed here.
inline bool hit(std::string_view name) { return g_armed.load(std::memory_order_relaxed) && hitSlow(name); }

/// Reads the file and arms its points; unknown names (not in kPoints) are errors. Once, at start-up.
Result<void> arm(const std::string& path);

/// Every point there is; a sweep walks this list (`stillpoint serve --list-failpoints`).
struct Point {
  std::string_view name;
  /// "server" or "agent": whose process passes it.
  std::string_view process;
  /// What is (not yet) durable there.
  std::string_view meaning;
};
std::string_view allPointsText();

}  // namespace sp::failpoint
