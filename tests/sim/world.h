// One simulated installation: store, clock, tasks and the process that drives executions, which may die at any commit.
// The seed decides everything.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "machines.h"
#include "runtime/execution_runtime.h"
#include "sim_store.h"

namespace sp::sim {

/// How bad the world is, in percent of commits or answers.
struct Weather {
  std::uint64_t lost = 0;
  std::uint64_t crash_before = 0;
  std::uint64_t crash_after = 0;
  std::uint64_t repeated_answers = 0;
  std::uint64_t stops = 0;
  static Weather of(Chance& chance);
};

struct Report {
  /// "SUCCEEDED output", "FAILED error", "ABORTED", per execution.
  std::map<std::string, std::string> results;
  std::map<std::string, std::set<std::string>> expected;
  std::uint64_t crashes = 0;
  std::uint64_t events = 0;
  /// Of all history: two runs of one seed must agree.
  std::uint64_t trace = 0;
  /// What must never be: empty if all is well.
  std::vector<std::string> broken;
};

Report simulate(std::uint64_t seed);

}  // namespace sp::sim
