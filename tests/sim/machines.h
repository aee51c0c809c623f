// Small state machines made from a seed, whose every path ends.
#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "json/json.h"

namespace sp::sim {

/// splitmix64.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// Uniform in [0, bound).
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool percent(std::uint64_t p) { return below(100) < p; }

 private:
  std::uint64_t state_;
};

/// Its states go only to later ones, and where they go depends on the input alone. The input is {"n":…,"items":[…]}. What a
/// task is given tells its state, "n", and in "beat" the HeartbeatSeconds it has, if it has any.
json::Object makeMachine(Chance& chance);
json::Object makeInput(Chance& chance);

/// How long an execution of the machine can take at most: all tasks time out, all is tried as often as may be.
Duration longest(const json::Object& machine, const json::Object& input);

}  // namespace sp::sim
