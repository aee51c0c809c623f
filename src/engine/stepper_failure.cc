// What happens when a state does not succeed: the next attempt, a catcher, or the end of its scope.
#include <cmath>

#include <fmt/format.h>

#include "asl/characters.h"
#include "engine/stepper.h"

namespace sp::engine {
namespace {

constexpr std::int64_t kMaxDelaySeconds = 31'622'400;
constexpr std::size_t kMaxError = 256;
constexpr std::size_t kMaxCause = 32'768;

bool matches(const std::vector<std::string>& names, const Failure& failure, asl::StateType type) {
  const auto& error = failure.error;
  // These end an execution unless somebody names them.
  const bool terminal = error == "States.Runtime" || error == "States.DataLimitExceeded";
  return std::ranges::any_of(names, [&](const std::string& name) {
    if (name == error || (!failure.also.empty() && name == failure.also)) return true;
    if (name == "States.ALL") return !terminal;
    if (name == "States.TaskFailed") return !terminal && error != "States.Timeout";
    if (name == "States.BranchFailed") return type == asl::StateType::parallel && !terminal;
    return false;
  });
}

// Waits for nothing; attempts begin anew.
void rest(Frame& frame) {
  frame.waiting = frame.timeout_timer = frame.heartbeat_timer = frame.heartbeat_seconds = 0;
  frame.attempts.clear();
  frame.retry_count = 0;
  if (frame.phase != Phase::children) frame.phase = Phase::ready;
}

void shorten(std::string& text, std::size_t limit) { text.resize(asl::firstCharacters(text, limit).size()); }

}  // namespace

Failure Stepper::evaluationFailure(const Frame& frame, const asl::EvalError& error) const {
  return {error.error, causeAt(def(frame).name, frame.entered_event, error.cause), true, error.also};
}

void Stepper::failEvaluation(Frame& frame, const asl::EvalError& error) { fail(frame, evaluationFailure(frame, error)); }

void Stepper::fail(Frame& frame, Failure failure) {
  shorten(failure.error, kMaxError);
  shorten(failure.cause, kMaxCause);
  if (full_) return;
  if (frame.phase == Phase::children) {
    abortChildren(frame, 0);
    frame.clearChildren();
    frame.phase = Phase::ready;
  }
  if (retry(frame, failure) || handOver(frame, failure)) {
    // Somebody above took it.
    fallen_.reset();
    return;
  }
  failScope(frame, std::move(failure));
}

bool Stepper::retry(Frame& frame, const Failure& failure) {
  const auto& retriers = def(frame).retriers;
  for (std::size_t i = 0; i < retriers.size(); ++i) {
    const auto& one = retriers[i];
    if (!matches(one.errors, failure, def(frame).type)) continue;
    frame.attempts.resize(retriers.size());
    if (frame.attempts[i] >= one.max_attempts) return false;
    auto seconds = static_cast<double>(one.interval_seconds) * std::pow(one.backoff_rate, static_cast<double>(frame.attempts[i]));
    seconds = std::min(seconds, static_cast<double>(one.max_delay_seconds.value_or(kMaxDelaySeconds)));
    if (one.jitter) seconds *= dice_.fraction();
    ++frame.attempts[i];
    ++frame.retry_count;
    frame.phase = Phase::retry;
    frame.waiting = setTimer(inputs_.now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
    return true;
  }
  return false;
}

bool Stepper::handOver(Frame& frame, const Failure& failure) {
  for (const auto& one : def(frame).catchers) {
    if (!matches(one.errors, failure, def(frame).type)) continue;
    const auto told = Payload::fromValue(json::Object{{"Error", failure.error}, {"Cause", failure.cause}});
    auto output = merge(one.result_path, frame.input, told);
    if (!output) {
      // The frame stays where it failed.
      failScope(frame, evaluationFailure(frame, output.error()));
      return true;
    }
    // What its catcher makes is too large: no catcher of this state takes that, or it would go round for ever.
    if (auto over = limitBroken(frame, *output)) failScope(frame, std::move(*over));
    else leave(frame, std::move(*output), one.next);
    return true;
  }
  return false;
}

void Stepper::failScope(Frame& frame, Failure failure) {
  if (frame.parent == 0) {
    const auto previous = failure.evaluation ? 0 : frame.last_event;
    return finish({"FAILED", {}, std::move(failure.error), std::move(failure.cause)}, "ExecutionFailed", "executionFailed", previous);
  }
  auto& parent = state_.frames.at(frame.parent);
  const bool is_map = def(parent).type == asl::StateType::map;
  parent.last_event = frame.last_event;
  if (is_map) {
    Details details;
    details.text("name", def(parent).name).number("index", frame.branch);
    event(frame, "MapIterationFailed", "mapIterationFailed", details);
    if (bear(parent, frame, failure)) return;
    if (def(parent).tolerated_count.given() || def(parent).tolerated_percentage.given())
      failure = {"States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded"};
  }
  if (!fallen_) fallen_ = state_.frames;
  const auto child = frame.id;
  abortChildren(parent, child);
  remove(child);
  parent.clearChildren();
  parent.phase = Phase::ready;
  event(parent, is_map ? "MapStateFailed" : "ParallelStateFailed");
  fail(parent, std::move(failure));
}

// Whether the Map goes on without this iteration; its result is then the error.
bool Stepper::bear(Frame& parent, Frame& child, const Failure& failure) {
  if (++parent.failed > parent.tolerated) return false;
  parent.results[static_cast<std::size_t>(child.branch)] =
      Payload::fromValue(json::Object{{"Error", failure.error}, {"Cause", failure.cause}});
  ++parent.finished;
  --parent.running;
  setAside(child.id);
  if (parent.finished == static_cast<std::int64_t>(parent.results.size())) completeChildren(parent);
  else ready_.push_back(parent.id);
  return true;
}

bool Stepper::isWithin(const std::map<std::int64_t, Frame>& frames, const Frame& frame, std::int64_t ancestor) {
  for (const auto* at = &frame;; at = &frames.at(at->parent)) {
    if (at->id == ancestor) return true;
    if (at->parent == 0) return false;
  }
}

// The iteration stands still as it failed.
void Stepper::setAside(std::int64_t child) {
  if (fallen_) {
    for (auto& [id, frame] : *fallen_)
      if (isWithin(*fallen_, frame, child)) rest(state_.frames[id] = std::move(frame));
    // It climbs no further: a later failure of this step has frames of its own.
    fallen_.reset();
  }
  auto& frame = state_.frames.at(child);
  rest(frame);
  frame.borne = true;
}

// The state a redrive starts from: frames that waited wait for nothing, attempts begin anew.
std::shared_ptr<State> Stepper::resumeState() const {
  auto made = std::make_shared<State>();
  made->identity = state_.identity;
  made->input = state_.input;
  made->next_frame = state_.next_frame;
  made->next_number = state_.next_number;
  made->redrives = state_.redrives;
  made->redriven = state_.redriven;
  made->ended = true;
  made->frames = fallen_ ? *fallen_ : state_.frames;
  for (auto& [id, frame] : made->frames) {
    rest(frame);
    // A failed iteration that broke the limit is tried again.
    if (frame.phase == Phase::children) frame.failed = std::min(frame.failed, frame.tolerated);
  }
  // So are those before it: this Map has not ended.
  for (const auto& [id, frame] : made->frames) {
    if (!frame.borne) continue;
    auto& map = made->frames.at(frame.parent);
    auto& result = map.results[static_cast<std::size_t>(frame.branch)];
    // It has not gone on yet since the redrive before.
    if (!result) continue;
    result = {};
    --map.failed;
    --map.finished;
  }
  return made;
}

// A child's number is above its parent's, so that one pass finds all that is below.
void Stepper::removeBelow(std::set<std::int64_t> gone) {
  if (gone.empty()) return;
  for (auto at = state_.frames.upper_bound(*gone.begin()); at != state_.frames.end();) {
    if (gone.contains(at->second.parent)) {
      gone.insert(at->first);
      at = state_.frames.erase(at);
    } else {
      ++at;
    }
  }
}

void Stepper::remove(std::int64_t id) {
  removeBelow({id});
  state_.frames.erase(id);
}

void Stepper::abortChildren(Frame& parent, std::int64_t except) {
  std::vector<std::int64_t> children;
  std::set<std::int64_t> borne;
  for (const auto& [id, frame] : state_.frames) {
    if (frame.parent != parent.id || id == except) continue;
    if (frame.borne) borne.insert(id);
    else children.push_back(id);
  }
  for (const auto id : borne) state_.frames.erase(id);
  removeBelow(std::move(borne));
  for (const auto id : children) {
    auto& child = state_.frames.at(id);
    abortChildren(child, 0);
    abortFrame(child);
    if (def(parent).type == asl::StateType::map) {
      Details details;
      details.text("name", def(parent).name).number("index", child.branch);
      event(child, "MapIterationAborted", "mapIterationAborted", details);
    }
    state_.frames.erase(id);
  }
}

void Stepper::abortFrame(Frame& frame) {
  const bool waits = frame.waiting != 0;
  const bool has_children = frame.phase == Phase::children;
  release(frame);
  if (waits || has_children) event(frame, fmt::format("{}StateAborted", asl::typeName(def(frame).type)));
}

// Nothing answers this frame any more.
void Stepper::release(Frame& frame) {
  dropTimer(frame.timeout_timer);
  dropTimer(frame.heartbeat_timer);
  frame.heartbeat_seconds = 0;
  if (frame.waiting == 0) return;
  if (frame.phase == Phase::wait || frame.phase == Phase::retry) {
    dropTimer(frame.waiting);
  } else {
    effects_.emplace_back(CancelTask{frame.waiting});
    frame.waiting = 0;
  }
}

void Stepper::timedOut(Frame& frame, bool heartbeat) {
  release(frame);
  const auto resource = resourceName(def(frame).resource);
  Details details;
  if (resource.kind == ResourceName::Kind::task) details.text("resourceType", resource.type).text("resource", resource.name);
  details.text("error", "States.Timeout");
  switch (resource.kind) {
    case ResourceName::Kind::task: event(frame, "TaskTimedOut", "taskTimedOut", details); break;
    case ResourceName::Kind::lambda: event(frame, "LambdaFunctionTimedOut", "lambdaFunctionTimedOut", details); break;
    case ResourceName::Kind::activity: event(frame, "ActivityTimedOut", "activityTimedOut", details); break;
  }
  fail(frame, {"States.Timeout", "", false, heartbeat ? "States.HeartbeatTimeout" : ""});
}

}  // namespace sp::engine
