// What the machines of machines.h may come to, found by an interpreter of them that knows nothing of the engine: no events,
// no order of things, only what each task might have answered.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "json/json.h"

namespace sp::sim {

/// What a task, a state or a scope may come to.
struct Outcome {
  bool failed = false;
  /// Output, or {"Error","Cause"}.
  json::Value value;
  /// By what other name the error is caught.
  std::string also = {};
};
using Outcomes = std::vector<Outcome>;

/// All that one try of a task may come to: its state, what it is given (without a token), which try it is.
using TaskOutcomes = std::function<Outcomes(const json::Object& state, const json::Object& parameters, std::int64_t attempt)>;

/// Whether the machine may come to that: "SUCCEEDED output" or "FAILED error".
bool mayComeTo(const std::string& result, const json::Object& machine, const json::Value& input, const TaskOutcomes& tasks);
/// In words, for who has to find out why not: all errors, and outputs without those of branches.
std::string allThatMayBe(const json::Object& machine, const json::Value& input, const TaskOutcomes& tasks);

}  // namespace sp::sim
