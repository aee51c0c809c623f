// Small state machines made from a seed, and an interpreter of them that knows nothing of the engine: no time, no events,
// just the result.
#pragma once
#include <cstdint>
#include <set>
#include <string>

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

/// What a task does, decided by its parameters and which try it is: the same for engine and oracle.
struct TaskOutcome {
  enum class Kind { succeeds, fails, silent };
  Kind kind = Kind::succeeds;
  json::Value output;
  std::string error;
};
TaskOutcome taskOutcome(std::uint64_t seed, const json::Value& parameters, std::int64_t attempt);

/// A definition whose every path ends; its input is {"n":…,"items":[…]}.
json::Object makeMachine(Chance& chance);
json::Object makeInput(Chance& chance);

/// Every result the machine may have: "SUCCEEDED output" or "FAILED error". More than one where branches race.
std::set<std::string> oracle(std::uint64_t seed, const json::Object& machine, const json::Value& input);

}  // namespace sp::sim
