// The whole of a running execution between two events, as plain data.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/payload.h"

namespace sp::engine {

/// What never changes during an execution.
struct Identity {
  std::string arn;
  std::string name;
  std::string machine_arn;
  std::string machine_name;
  std::string role_arn;
  /// Names the definition it was started with, whatever becomes of its state machine.
  std::string definition;
  Instant started;
  /// Built-in machines: no limits of history, payload and concurrency.
  bool unlimited = false;

  friend bool operator==(const Identity&, const Identity&) = default;
};

/// What a frame waits for.
enum class Phase {
  /// Nothing: it goes on with the next step.
  ready,
  /// A task's outcome.
  task,
  /// The end of a Wait state.
  wait,
  /// The delay before the next attempt.
  retry,
  /// Its branches or iterations.
  children,
};

/// A place where the execution stands: the top level, a branch of a Parallel or an iteration of a Map.
struct Frame {
  std::int64_t id = 0;
  /// Frame whose Parallel or Map this belongs to; 0: top level.
  std::int64_t parent = 0;
  /// Which branch or item.
  std::int64_t branch = 0;
  /// Index of Definition::states.
  int state = -1;
  Phase phase = Phase::ready;
  /// Raw input of that state.
  Payload input;
  Instant entered;
  std::int64_t entered_event = 0;
  /// What the next event follows (previousEventId).
  std::int64_t last_event = 0;
  /// The token or timer waited for; 0: none.
  std::int64_t waiting = 0;
  std::int64_t timeout_timer = 0;
  std::int64_t heartbeat_timer = 0;
  /// Seconds a heartbeat may take.
  std::int64_t heartbeat_seconds = 0;
  /// Attempts used up, by retrier.
  std::vector<std::int64_t> attempts;
  std::int64_t retry_count = 0;
  /// Map iterations: their item, for $$.Map.Item.
  Payload item;
  /// A Map's iteration that failed while the Map goes on: it and what is below it stand as they failed and do nothing, unless the Map
  /// does not end and a redrive goes back to it.
  bool borne = false;

  /// Parallel and Map while in phase `children`: effective input, items, results so far (empty: not there yet). `next_item` are those
  /// that were ever begun; those neither running nor finished are borne failures that a redrive goes back to.
  Payload effective;
  Payload items;
  std::vector<Payload> results;
  std::int64_t next_item = 0;
  std::int64_t running = 0;
  std::int64_t finished = 0;
  std::int64_t failed = 0;
  std::int64_t concurrency = 0;
  /// Failed iterations that are borne.
  std::int64_t tolerated = 0;

  /// Forgets branches and iterations.
  void clearChildren() {
    effective = {};
    items = {};
    results.clear();
    next_item = running = finished = failed = concurrency = tolerated = 0;
  }
  /// A branch or an iteration can begin.
  bool launching() const { return running < concurrency && running + finished < static_cast<std::int64_t>(results.size()); }

  friend bool operator==(const Frame&, const Frame&) = default;
};

struct State {
  std::shared_ptr<const Identity> identity;
  /// The execution's input ($$.Execution.Input).
  Payload input;
  std::int64_t next_event = 1;
  std::int64_t next_frame = 1;
  /// Tokens and timers are numbered together.
  std::int64_t next_number = 1;
  /// Timer of the whole execution's TimeoutSeconds; 0: none.
  std::int64_t deadline_timer = 0;
  /// Timer that resumes an execution which used up its share of a step; 0: none.
  std::int64_t resume_timer = 0;
  bool ended = false;
  /// How often it was redriven, and when last.
  std::int64_t redrives = 0;
  Instant redriven;
  std::map<std::int64_t, Frame> frames;

  friend bool operator==(const State& a, const State& b) {
    return (a.identity == b.identity || (a.identity && b.identity && *a.identity == *b.identity)) && a.input == b.input &&
           a.next_event == b.next_event && a.next_frame == b.next_frame && a.next_number == b.next_number &&
           a.deadline_timer == b.deadline_timer && a.resume_timer == b.resume_timer && a.ended == b.ended && a.redrives == b.redrives &&
           a.redriven == b.redriven && a.frames == b.frames;
  }
};

/// Versioned JSON; documents shared by several places are written once, long ones that an event of the history holds not at all: what
/// is written again at each event is small. decode(encode(s)) == s.
std::string encode(const State& state);

/// The text of the document that the event with this id holds; nullopt: there is none.
using HeldDocument = std::function<std::optional<std::string>(std::int64_t event)>;
/// `held` is asked for each document that the state only names, before this returns. Error code "engine.state".
Result<State> decode(std::string_view text, const HeldDocument& held);

}  // namespace sp::engine
