// Whole worlds from seeds: random machines, tasks, people and faults.
#pragma once
#include <cstdint>

#include "world.h"

namespace sp::sim {

/// Simulates the world of a seed, to its end. What it came to is judged too: `broken` tells.
Report simulate(std::uint64_t seed, bool tell_story = false);

}  // namespace sp::sim
