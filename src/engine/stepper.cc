#include "engine/stepper.h"

#include <charconv>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/time_format.h"

namespace sp::engine {

namespace {

/// "LambdaFunctionSucceeded" and its details' name for one kind of resource.
struct TaskEvent {
  std::string type;
  std::string details;
};

TaskEvent taskEvent(ResourceName::Kind kind, std::string_view what) {
  if (kind == ResourceName::Kind::lambda) return {fmt::format("LambdaFunction{}", what), fmt::format("lambdaFunction{}", what)};
  if (kind == ResourceName::Kind::activity) return {fmt::format("Activity{}", what), fmt::format("activity{}", what)};
  return {fmt::format("Task{}", what), fmt::format("task{}", what)};
}

Details resourceDetails(const ResourceName& resource) {
  Details details;
  if (resource.kind == ResourceName::Kind::task) details.text("resourceType", resource.type).text("resource", resource.name);
  return details;
}

}  // namespace

ResourceName resourceName(std::string_view arn) {
  if (arn.starts_with("arn:aws:lambda:")) return {ResourceName::Kind::lambda, "lambda", arn};
  if (arn.find(":activity:") != std::string_view::npos) return {ResourceName::Kind::activity, "activity", arn};
  constexpr std::string_view kIntegration = "arn:aws:states:::";
  auto rest = arn.starts_with(kIntegration) ? arn.substr(kIntegration.size()) : arn;
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos) return {ResourceName::Kind::task, "", rest};
  // ".sync:2" belongs to the name.
  if (rest.substr(colon) == ":2") {
    const auto before = rest.rfind(':', colon - 1);
    if (before != std::string_view::npos) return {ResourceName::Kind::task, rest.substr(0, before), rest.substr(before + 1)};
  }
  return {ResourceName::Kind::task, rest.substr(0, colon), rest.substr(colon + 1)};
}

std::string causeAt(std::string_view state, std::int64_t entered, std::string_view cause) {
  return fmt::format("An error occurred while executing the state '{}' (entered at the event id #{}). {}", state, entered, cause);
}

std::string globalName(std::string_view execution_arn, std::int64_t number) { return fmt::format("{}#{}", execution_arn, number); }

std::pair<std::string_view, std::int64_t> splitGlobalName(std::string_view name) {
  const auto hash = name.rfind('#');
  std::int64_t number = 0;
  if (hash == std::string_view::npos) return {name, 0};
  const auto digits = name.substr(hash + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return {name, 0};
  return {name.substr(0, hash), number};
}

std::string taskToken(std::string_view execution_arn, std::int64_t number) {
  auto name = globalName(execution_arn, number);
  name.insert(0, bigEndian32(crc32c(name)));
  return toBase64(name);
}

std::optional<std::string> readTaskToken(std::string_view token) {
  auto bytes = fromBase64(token);
  if (!bytes || bytes->size() <= 4) return std::nullopt;
  auto name = bytes->substr(4);
  if (bytes->substr(0, 4) != bigEndian32(crc32c(name)) || splitGlobalName(name).second <= 0) return std::nullopt;
  return name;
}

State initialState(Identity identity, Payload input) {
  State state;
  state.identity = std::make_shared<const Identity>(std::move(identity));
  state.input = std::move(input);
  return state;
}

Transition step(const asl::Definition& definition, State state, const Event& event, const Inputs& inputs, const Limits& limits) {
  return Stepper(definition, std::move(state), inputs, limits).run(event);
}

const json::Value& FrameContext::context(bool with_input) {
  if (made_ && (with_input_ || !with_input)) return value_;
  const auto& state = stepper_.state_;
  const auto& identity = *state.identity;
  const auto time = [](Instant t) { return json::Value(json::String(toIso8601Millis(t))); };
  json::Object execution{{"Id", identity.arn},
                         {"Name", identity.name},
                         {"RoleArn", identity.role_arn},
                         {"StartTime", time(identity.started)},
                         {"RedriveCount", state.redrives}};
  if (state.redrives > 0) execution["RedriveTime"] = time(state.redriven);
  if (with_input) execution["Input"] = state.input.value();
  json::Object place{{"EnteredTime", time(frame_.entered)}, {"Name", stepper_.def(frame_).name}, {"RetryCount", frame_.retry_count}};
  json::Object all{{"Execution", std::move(execution)},
                   {"State", std::move(place)},
                   {"StateMachine", json::Object{{"Id", identity.machine_arn}, {"Name", identity.machine_name}}}};
  auto index = index_;
  const auto* item = item_;
  for (const auto* at = &frame_; item == nullptr && at->parent != 0; at = &state.frames.at(at->parent)) {
    if (!at->item) continue;
    index = at->branch;
    item = &at->item.value();
  }
  if (item != nullptr) all["Map"] = json::Object{{"Item", json::Object{{"Index", index}, {"Value", *item}}}};
  if (token_ != 0) all["Task"] = json::Object{{"Token", taskToken(identity.arn, token_)}};
  value_ = std::move(all);
  made_ = true;
  with_input_ = with_input;
  return value_;
}

Stepper::Stepper(const asl::Definition& definition, State state, const Inputs& inputs, const Limits& limits)
    : definition_(definition),
      inputs_(inputs),
      limits_(limits),
      dice_(inputs.seed),
      work_(limits.state_work),
      state_(std::move(state)),
      log_(state_.next_event, inputs.now) {}

Transition giveUp(State state, const Inputs& inputs, std::string cause) {
  return Stepper(asl::Definition(), std::move(state), inputs, {}).giveUp(std::move(cause));
}

Transition Stepper::giveUp(std::string cause) {
  Transition out;
  out.first_event = state_.next_event;
  // Nothing could go on from here.
  full_ = true;
  finish({"FAILED", {}, "States.Runtime", std::move(cause)}, "ExecutionFailed", "executionFailed", 0);
  state_.next_event = log_.nextEvent();
  out.state = std::move(state_);
  out.effects = std::move(effects_);
  out.history = log_.take();
  return out;
}

Transition Stepper::run(const Event& event) {
  Transition out;
  out.first_event = state_.next_event;
  out.stale = state_.ended != std::holds_alternative<Redrive>(event) || !accept(event);
  if (!out.stale) {
    work();
    if (full_ && !state_.ended) {
      Finish end{"FAILED",
                 {},
                 "States.Runtime",
                 fmt::format("The execution reached the maximum number of history events ({}).", limits_.history_events)};
      finish(std::move(end), "ExecutionFailed", "executionFailed", 0);
    }
    state_.next_event = log_.nextEvent();
    if (resume_ != nullptr) resume_->next_event = state_.next_event;
  }
  out.state = std::move(state_);
  out.effects = std::move(effects_);
  out.history = log_.take();
  return out;
}

bool Stepper::accept(const Event& event) {
  return std::visit([this](const auto& one) { return on(one); }, event);
}

bool Stepper::on(const Start&) {
  if (state_.next_event != 1) return false;
  Details details;
  details.document("input", state_.input).text("roleArn", state_.identity->role_arn);
  state_.input.event = log_.add("ExecutionStarted", 0, "executionStarted", details);
  if (definition_.timeout_seconds) state_.deadline_timer = setTimer(inputs_.now + std::chrono::seconds(*definition_.timeout_seconds));
  auto& top = state_.frames[state_.next_frame];
  top.id = state_.next_frame++;
  enter(top, definition_.start, state_.input);
  return true;
}

// An activity's time counts from here: nobody works on it before.
bool Stepper::on(const TaskStarted& started) {
  auto* frame = frameWaitingFor(started.token);
  if (frame == nullptr || frame->phase != Phase::task) return false;
  if (resourceName(def(*frame).resource).kind != ResourceName::Kind::activity) return false;
  Details details;
  event(*frame, "ActivityStarted", "activityStarted", details.textIf("workerName", started.worker));
  if (full_) return true;
  auto input = select(*frame, def(*frame).input_path, frame->input, "InputPath");
  if (input) static_cast<void>(startTaskTimers(*frame, *input));
  return true;
}

bool Stepper::on(const TaskSubmitted& submitted) {
  auto* frame = frameWaitingFor(submitted.token);
  if (frame == nullptr || frame->phase != Phase::task) return false;
  const auto resource = resourceName(def(*frame).resource);
  if (resource.kind != ResourceName::Kind::task) return false;
  auto details = resourceDetails(resource);
  details.document("output", submitted.output);
  event(*frame, "TaskSubmitted", "taskSubmitted", details);
  return true;
}

bool Stepper::on(const TaskSucceeded& succeeded) {
  auto* frame = frameWaitingFor(succeeded.token);
  if (frame == nullptr || frame->phase != Phase::task) return false;
  // It has answered: its timers go, there is nothing to cancel.
  frame->waiting = 0;
  release(*frame);
  const auto resource = resourceName(def(*frame).resource);
  if (succeeded.output.text().size() > limits_.payload_bytes) {
    fail(*frame, {"States.DataLimitExceeded",
                  fmt::format("The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                              def(*frame).resource)});
    return true;
  }
  const auto [type, name] = taskEvent(resource.kind, "Succeeded");
  auto details = resourceDetails(resource);
  details.document("output", succeeded.output);
  auto output = succeeded.output;
  output.event = event(*frame, type, name, details);
  succeed(*frame, std::move(output));
  return true;
}

bool Stepper::on(const TaskFailed& failed) {
  auto* frame = frameWaitingFor(failed.token);
  if (frame == nullptr || frame->phase != Phase::task) return false;
  // It has answered: its timers go, there is nothing to cancel.
  frame->waiting = 0;
  release(*frame);
  const auto resource = resourceName(def(*frame).resource);
  const auto [type, name] = taskEvent(resource.kind, "Failed");
  auto details = resourceDetails(resource);
  details.textIf("error", failed.error).textIf("cause", failed.cause);
  event(*frame, type, name, details);
  fail(*frame, {failed.error, failed.cause, false, failed.forbidden ? "States.Permissions" : ""});
  return true;
}

bool Stepper::on(const TaskHeartbeat& beat) {
  auto* frame = frameWaitingFor(beat.token);
  if (frame == nullptr || frame->phase != Phase::task) return false;
  if (frame->heartbeat_timer == 0) return true;
  dropTimer(frame->heartbeat_timer);
  frame->heartbeat_timer = setTimer(inputs_.now + std::chrono::seconds(frame->heartbeat_seconds));
  return true;
}

bool Stepper::on(const TimerFired& fired) {
  if (fired.timer == 0) return false;
  if (fired.timer == state_.deadline_timer) {
    state_.deadline_timer = 0;
    finish({"TIMED_OUT", {}, "States.Timeout", ""}, "ExecutionTimedOut", "executionTimedOut", 0);
    return true;
  }
  if (fired.timer == state_.resume_timer) {
    state_.resume_timer = 0;
    wake();
    return true;
  }
  for (auto& [id, frame] : state_.frames) {
    if (frame.timeout_timer == fired.timer || frame.heartbeat_timer == fired.timer) {
      const bool heartbeat = frame.heartbeat_timer == fired.timer;
      (heartbeat ? frame.heartbeat_timer : frame.timeout_timer) = 0;
      timedOut(frame, heartbeat);
      return true;
    }
    if (frame.waiting != fired.timer || (frame.phase != Phase::wait && frame.phase != Phase::retry)) continue;
    frame.waiting = 0;
    if (frame.phase == Phase::retry) {
      frame.phase = Phase::ready;
      ready_.push_back(id);
    } else {
      auto input = select(frame, def(frame).input_path, frame.input, "InputPath");
      if (input) succeed(frame, std::move(*input));
      else failEvaluation(frame, input.error());
    }
    return true;
  }
  return false;
}

bool Stepper::on(const Abort& abort) {
  if (state_.next_event == 1) return false;
  finish({"ABORTED", {}, abort.error, abort.cause}, "ExecutionAborted", "executionAborted", 0);
  return true;
}

bool Stepper::on(const Overdue&) {
  if (state_.next_event == 1) return false;
  finish({"TIMED_OUT", {}, "States.Timeout", ""}, "ExecutionTimedOut", "executionTimedOut", 0);
  return true;
}

// A borne iteration and all below it.
bool Stepper::standsStill(const Frame& frame) const {
  for (const auto* at = &frame; at != nullptr; at = at->parent == 0 ? nullptr : &state_.frames.at(at->parent))
    if (at->borne) return true;
  return false;
}

// Everything that waits for nothing goes on; the first one first.
void Stepper::wake() {
  for (const auto& [id, frame] : state_.frames)
    if (canGoOn(frame) && !standsStill(frame)) ready_.push_back(id);
  std::ranges::reverse(ready_);
}

// What failed or was aborted is done again from the start of its state; what had succeeded stays.
bool Stepper::on(const Redrive& redrive) {
  if (redrive.state < 0 && state_.frames.empty()) return false;
  state_.ended = false;
  ++state_.redrives;
  state_.redriven = inputs_.now;
  Details details;
  const auto redriven =
      log_.add("ExecutionRedriven", log_.nextEvent() - 1, "executionRedriven", details.number("redriveCount", state_.redrives));
  if (definition_.timeout_seconds) state_.deadline_timer = setTimer(inputs_.now + std::chrono::seconds(*definition_.timeout_seconds));
  if (redrive.state >= 0) {
    state_.frames.clear();
    auto& top = state_.frames[state_.next_frame];
    top.id = state_.next_frame++;
    top.last_event = redriven;
    enter(top, redrive.state, redrive.input);
    return true;
  }
  for (auto& [id, frame] : state_.frames) frame.last_event = redriven;
  wake();
  return true;
}

// Depth first: a branch runs to its wait before the next one begins, so a Map of pure states never holds more than one
// iteration in memory.
void Stepper::work() {
  while (!ready_.empty() && !state_.ended && !full_) {
    beginWork();
    if (static_cast<std::int64_t>(log_.size()) >= limits_.step_events || worked_ > limits_.step_work) return yieldRest();
    const auto id = ready_.back();
    ready_.pop_back();
    auto* frame = find(id);
    if (frame == nullptr || standsStill(*frame)) continue;
    if (frame->phase == Phase::ready) execute(*frame);
    else if (frame->phase == Phase::children && def(*frame).type == asl::StateType::map) launch(*frame);
  }
}

void Stepper::beginWork() {
  worked_ += work_.used();
  work_ = asl::Work(limits_.state_work);
}

asl::Scope Stepper::scope(const json::Value& input, FrameContext& context) { return {input, context, dice_, &work_}; }

void Stepper::yieldRest() {
  ready_.clear();
  if (state_.resume_timer == 0) state_.resume_timer = setTimer(inputs_.now);
}

std::int64_t Stepper::event(Frame& frame, std::string_view type, std::string_view details_name, const Details& details) {
  // The last event is kept for the end.
  if (log_.nextEvent() >= limits_.history_events) {
    full_ = true;
    return frame.last_event;
  }
  frame.last_event = log_.add(type, frame.last_event, details_name, details);
  return frame.last_event;
}

void Stepper::enter(Frame& frame, int state, Payload input) {
  frame.state = state;
  frame.phase = Phase::ready;
  frame.input = std::move(input);
  frame.entered = inputs_.now;
  frame.attempts.clear();
  frame.retry_count = 0;
  frame.clearChildren();
  Details details;
  details.text("name", def(frame).name).document("input", frame.input);
  frame.entered_event = event(frame, fmt::format("{}StateEntered", asl::typeName(def(frame).type)), "stateEntered", details);
  if (frame.input.event == 0) frame.input.event = frame.entered_event;
  ready_.push_back(frame.id);
}

// ResultSelector, ResultPath, OutputPath, then on.
void Stepper::succeed(Frame& frame, Payload result) {
  const auto& d = def(frame);
  auto shaped = fill(frame, d.result_selector, result);
  if (!shaped) return failEvaluation(frame, shaped.error());
  auto merged = merge(d.result_path, frame.input, *shaped);
  if (!merged) return failEvaluation(frame, merged.error());
  auto output = select(frame, d.output_path, *merged, "OutputPath");
  if (!output) return failEvaluation(frame, output.error());
  leave(frame, std::move(*output), d.next);
}

void Stepper::leave(Frame& frame, Payload output, int next) {
  if (overLimit(frame, output)) return;
  Details details;
  details.text("name", def(frame).name).document("output", output);
  const auto exited = event(frame, fmt::format("{}StateExited", asl::typeName(def(frame).type)), "stateExited", details);
  if (full_) return;
  if (output.event == 0) output.event = exited;
  if (next >= 0) enter(frame, next, std::move(output));
  else endScope(frame, std::move(output));
}

std::optional<Failure> Stepper::limitBroken(const Frame& frame, const Payload& payload) const {
  if (payload.tooDeep()) return evaluationFailure(frame, {"States.Runtime", fmt::format("A document is nested deeper than {}", kDepthMax)});
  if (payload.text().size() <= limits_.payload_bytes) return std::nullopt;
  return Failure{"States.DataLimitExceeded",
                 fmt::format("The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                             def(frame).name)};
}

bool Stepper::overLimit(Frame& frame, const Payload& payload) {
  auto broken = limitBroken(frame, payload);
  if (broken) fail(frame, std::move(*broken));
  return broken.has_value();
}

void Stepper::endScope(Frame& frame, Payload output) {
  if (frame.parent == 0) {
    const auto previous = frame.last_event;
    return finish({"SUCCEEDED", std::move(output), "", ""}, "ExecutionSucceeded", "executionSucceeded", previous);
  }
  auto& parent = state_.frames.at(frame.parent);
  const bool is_map = def(parent).type == asl::StateType::map;
  parent.last_event = frame.last_event;
  if (is_map) {
    Details details;
    details.text("name", def(parent).name).number("index", frame.branch);
    event(frame, "MapIterationSucceeded", "mapIterationSucceeded", details);
  }
  parent.results[static_cast<std::size_t>(frame.branch)] = std::move(output);
  ++parent.finished;
  --parent.running;
  state_.frames.erase(frame.id);
  if (full_) return;
  if (parent.finished == static_cast<std::int64_t>(parent.results.size())) completeChildren(parent);
  else if (is_map) ready_.push_back(parent.id);
}

void Stepper::finish(Finish end, std::string_view type, std::string_view details_name, std::int64_t previous) {
  if (end.status != "SUCCEEDED" && !full_) end.resume = resume_ = resumeState();
  const bool aborts = end.status == "ABORTED" || end.status == "TIMED_OUT";
  if (auto* top = aborts ? topFrame() : nullptr) {
    abortChildren(*top, 0);
    abortFrame(*top);
  }
  for (auto& [id, frame] : state_.frames) release(frame);
  dropTimer(state_.deadline_timer);
  dropTimer(state_.resume_timer);
  state_.frames.clear();
  ready_.clear();
  Details details;
  if (end.output) details.document("output", end.output);
  details.textIf("error", end.error).textIf("cause", end.cause);
  const auto last = log_.add(type, previous, details_name, details);
  if (end.output && end.output.event == 0) end.output.event = last;
  state_.ended = true;
  effects_.emplace_back(std::move(end));
}

Frame* Stepper::topFrame() {
  const auto found = std::ranges::find(state_.frames, 0, [](const auto& one) { return one.second.parent; });
  return found == state_.frames.end() ? nullptr : &found->second;
}

Frame* Stepper::frameWaitingFor(std::int64_t number) {
  if (number == 0) return nullptr;
  for (auto& [id, frame] : state_.frames)
    if (frame.waiting == number) return &frame;
  return nullptr;
}

Frame* Stepper::find(std::int64_t id) {
  const auto found = state_.frames.find(id);
  return found == state_.frames.end() ? nullptr : &found->second;
}

std::int64_t Stepper::setTimer(Instant due, bool relative) {
  const auto timer = state_.next_number++;
  effects_.emplace_back(SetTimer{timer, due, relative});
  return timer;
}

void Stepper::dropTimer(std::int64_t& timer) {
  if (timer == 0) return;
  effects_.emplace_back(DropTimer{timer});
  timer = 0;
}

}  // namespace sp::engine
