// A naive interpreter of small machines: recursion over the definition, time added up by hand, branches run one after the
// other and then laid side by side. It shares nothing with the engine but JSON.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "world.h"

namespace sp::sim {

/// Microseconds since the execution's start.
using Micros = std::int64_t;

/// What is done with the task of this state for the item with this "v" that is begun at that time; nullopt: it never was.
using PlanAt = std::function<std::optional<Plan>(const std::string& state, std::int64_t v, Micros begun)>;

struct NaiveRun {
  /// "SUCCEEDED output" or "FAILED error: cause".
  std::string result;
  /// Its events: "TIME TYPE NAME INDEX ERROR DOCUMENT" without what an event does not have.
  std::vector<std::string> events;
};

NaiveRun interpret(const json::Object& definition, const json::Value& input, const PlanAt& plan_at);

/// An event of the engine's history in the same words. `start` is the time of the first one.
std::string inWords(const json::Object& event, Micros start);
/// When an event of the engine's history happened.
Micros timeOf(const json::Object& event);

}  // namespace sp::sim
