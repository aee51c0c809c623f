// The machines of the crash sweep: each with what its tasks do, what people do to it, and what it must come to.
#pragma once
#include <string>
#include <vector>

#include "world.h"

namespace sp::sim {

struct SweepMachine {
  std::string name;
  std::string definition;
  std::string input = "{}";
  /// Seconds after its start at which it is stopped; 0: never.
  int stopped_after = 0;
  /// How often it is redriven, five seconds after its end.
  int redrives = 0;
  std::int64_t step_events = 5000;
  /// "SUCCEEDED output" or "FAILED error".
  std::string result;
};

/// Things happen seconds apart in them, so that one which comes a second late is still in its place.
std::vector<SweepMachine> sweepMachines();

/// What a task does as its parameters say: {"do": [what, …], "redone": [what, …], "after": seconds}, the try with number N
/// what stands at place N (or last). "ok"; "fail:ERROR"; "silent"; "late" (when its time is over); "twice"; "beats"
/// (heartbeats, then "ok"); "dies" (heartbeats, then nothing). "redone" is for executions that were redriven.
Plan planOf(const Asked& asked);

}  // namespace sp::sim
