// The execution machine, pure: a state and an event give the next state, what has to be done, and the history it made.
// No clock, no input or output, no threads, no chance: time and seed come with the event, so that the same events give
// the same bytes. Pure transitions run on to the next wait within one step.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "asl/definition.h"
#include "engine/payload.h"
#include "engine/state.h"

namespace sp::engine {

// Events. Each names what it answers; one that answers nothing waited for changes nothing.
struct Start {};
/// A worker has taken an activity's task.
struct TaskStarted {
  std::int64_t token = 0;
  /// May be empty.
  std::string worker;
};
struct TaskSubmitted {
  std::int64_t token = 0;
  Payload output;
};
struct TaskSucceeded {
  std::int64_t token = 0;
  Payload output;
};
struct TaskFailed {
  std::int64_t token = 0;
  std::string error;
  std::string cause;
  /// The role it was to be done under may not be taken: caught as States.Permissions too.
  bool forbidden = false;
};
struct TaskHeartbeat {
  std::int64_t token = 0;
};
struct TimerFired {
  std::int64_t timer = 0;
};
struct Abort {
  std::string error;
  std::string cause;
};
/// The execution has been open for as long as any may be: it ends as TIMED_OUT.
struct Overdue {};
/// To a state that Finish::resume gave: it goes on where it failed, or enters the top-level state `state` (an index of
/// Definition::states) anew, with `input`.
struct Redrive {
  int state = -1;
  Payload input = {};
};
using Event =
    std::variant<Start, TaskStarted, TaskSubmitted, TaskSucceeded, TaskFailed, TaskHeartbeat, TimerFired, Abort, Overdue, Redrive>;

// Effects, in the order in which they are to be done.
struct StartTask {
  std::int64_t token = 0;
  /// Index of Definition::states.
  int state = -1;
  Payload parameters;
  /// 1 for the first try.
  std::int64_t attempt = 1;
  /// Of Credentials; empty: the state machine's own role.
  std::string role = {};
  /// The event that entered its state: the same for each of its tries, redriven ones too, and no other's.
  std::int64_t entered = 0;
};
struct CancelTask {
  std::int64_t token = 0;
};
struct SetTimer {
  std::int64_t timer = 0;
  Instant due;
  /// It waits for a while, which stays as long as it is when the clock is set meanwhile; false: for that very time.
  bool relative = true;
};
struct DropTimer {
  std::int64_t timer = 0;
};
/// The execution has ended: SUCCEEDED with output; FAILED, TIMED_OUT or ABORTED with error and cause (may be empty).
struct Finish {
  std::string status;
  Payload output;
  std::string error;
  std::string cause;
  /// From where it can be redriven; null after success and once the history is full.
  std::shared_ptr<const State> resume = nullptr;
};
using Effect = std::variant<StartTask, CancelTask, SetTimer, DropTimer, Finish>;

struct Inputs {
  Instant now;
  /// For MathRandom, UUID and jitter.
  std::uint64_t seed = 0;
  /// Whether the activity with this ARN is there; none: every one is.
  std::function<bool(std::string_view)> activity_exists = {};
};

struct Limits {
  /// The last event an execution may have.
  std::int64_t history_events = 25'000;
  std::size_t payload_bytes = 262'144;
  std::int64_t map_concurrency = 40;
  /// Events one step may make before it lets other executions go on.
  std::int64_t step_events = 5'000;
  /// Places of documents that evaluating one state may look at or copy, fifteen times the densest document.
  std::int64_t state_work = 2'000'000;
  /// As many make one step let other executions go on.
  std::int64_t step_work = 500'000;
};

struct Transition {
  State state;
  std::vector<Effect> effects;
  /// Texts of the new history events, in the form GetExecutionHistory shows.
  std::vector<std::string> history;
  /// Id of the first of them.
  std::int64_t first_event = 0;
  /// The event answered nothing: state as before, nothing to write.
  bool stale = false;
};

Transition step(const asl::Definition& definition, State state, const Event& event, const Inputs& inputs, const Limits& limits);

/// The end of an execution whose definition cannot be used: FAILED with States.Runtime; what it waits for is let go, and it cannot be
/// redriven.
Transition giveUp(State state, const Inputs& inputs, std::string cause);

/// The state of an execution before its Start event.
State initialState(Identity identity, Payload input);

/// How the cause of a States.Runtime is told: "An error occurred while executing the state 'A' (entered at the event id #2). CAUSE".
std::string causeAt(std::string_view state, std::int64_t entered, std::string_view cause);

/// "EXECUTION_ARN#7": the name of a task token or timer outside of its execution.
std::string globalName(std::string_view execution_arn, std::int64_t number);
/// The same as workers and callbacks are given it ("$$.Task.Token"): opaque text that cannot be mistyped.
std::string taskToken(std::string_view execution_arn, std::int64_t number);
/// The globalName() in it; nullopt if nothing here made that text.
std::optional<std::string> readTaskToken(std::string_view token);

/// The reverse; number 0 if it is not such a name.
std::pair<std::string_view, std::int64_t> splitGlobalName(std::string_view name);

}  // namespace sp::engine
