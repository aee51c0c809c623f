// What each type of state does when it is entered, and how inputs and outputs are shaped.
#include <cmath>

#include <fmt/format.h>

#include "asl/intrinsics/expression.h"
#include "engine/stepper.h"
#include "json/big_integer.h"

namespace sp::engine {
namespace {

constexpr std::int64_t kMaxDelaySeconds = 2'147'483'647;
constexpr std::int64_t kMaxTaskSeconds = 99'999'999;

Payload emptyObject() { return Payload::fromText("{}"); }

}  // namespace

void Stepper::execute(Frame& frame) {
  const auto run = [&]() -> asl::Eval<void> {
    switch (def(frame).type) {
      case asl::StateType::pass: return executePass(frame);
      case asl::StateType::task: return executeTask(frame);
      case asl::StateType::choice: return executeChoice(frame);
      case asl::StateType::wait: return executeWait(frame);
      case asl::StateType::fail: return executeFail(frame);
      case asl::StateType::parallel: return executeParallel(frame);
      case asl::StateType::map: return executeMap(frame);
      case asl::StateType::succeed: break;
    }
    auto input = select(frame, def(frame).input_path, frame.input, "InputPath");
    if (!input) return std::unexpected(input.error());
    succeed(frame, std::move(*input));
    return {};
  };
  if (const auto done = run(); !done) failEvaluation(frame, done.error());
}

asl::Eval<void> Stepper::executePass(Frame& frame) {
  const auto& d = def(frame);
  auto input = select(frame, d.input_path, frame.input, "InputPath");
  if (!input) return std::unexpected(input.error());
  auto result = fill(frame, d.parameters, *input);
  if (!result) return std::unexpected(result.error());
  if (d.result) *result = Payload::fromValue(*d.result);
  succeed(frame, std::move(*result));
  return {};
}

asl::Eval<void> Stepper::executeTask(Frame& frame) {
  const auto& d = def(frame);
  auto input = select(frame, d.input_path, frame.input, "InputPath");
  if (!input) return std::unexpected(input.error());
  const auto token = state_.next_number++;
  Payload parameters = *input;
  if (d.parameters) {
    FrameContext context(*this, frame);
    context.token(token);
    auto made = d.parameters->evaluate(scope(input->value(), context));
    if (!made) return std::unexpected(made.error());
    parameters = Payload::fromValue(std::move(*made));
  }
  if (overLimit(frame, parameters)) return {};
  auto timeout = secondsAt(frame, d.timeout, *input, "TimeoutSecondsPath");
  if (!timeout) return std::unexpected(timeout.error());
  auto heartbeat = secondsAt(frame, d.heartbeat, *input, "HeartbeatSecondsPath");
  if (!heartbeat) return std::unexpected(heartbeat.error());

  auto role = roleOf(frame, *input);
  if (!role) return std::unexpected(role.error());

  const auto resource = resourceName(d.resource);
  const bool is_activity = resource.kind == ResourceName::Kind::activity;
  if (is_activity && inputs_.activity_exists && !inputs_.activity_exists(d.resource)) {
    fail(frame, {"States.Runtime", causeAt(d.name, frame.entered_event, fmt::format("The activity {} does not exist.", d.resource))});
    return {};
  }
  scheduled(frame, resource, parameters, d.timeout.given() ? std::optional(*timeout) : std::nullopt,
            d.heartbeat.given() ? std::optional(*heartbeat) : std::nullopt, *role);
  if (full_) return {};
  frame.phase = Phase::task;
  frame.waiting = token;
  // Of an activity they count once a worker has taken it.
  if (!is_activity) SP_CHECK_OK(startTaskTimers(frame, *input));
  effects_.emplace_back(StartTask{token, frame.state, std::move(parameters), frame.retry_count + 1, std::move(*role), frame.entered_event});
  return {};
}

// The role that Credentials name; empty without them.
asl::Eval<std::string> Stepper::roleOf(Frame& frame, const Payload& input) {
  const auto& credentials = def(frame).credentials;
  if (!credentials) return std::string();
  FrameContext context(*this, frame);
  const auto made = credentials->evaluate(scope(input.value(), context));
  if (!made) return std::unexpected(made.error());
  const auto& role = made->get_object().at("RoleArn");
  if (json::isText(role) && asl::isRoleArn(json::toView(role.get_string()))) return json::toStd(role.get_string());
  return asl::runtimeError(fmt::format("The field 'RoleArn' of 'Credentials' must be the ARN of a role, but is {}", json::toText(role)));
}

// TaskScheduled and TaskStarted, or what they are called for this kind of resource.
void Stepper::scheduled(Frame& frame, const ResourceName& resource, const Payload& parameters, std::optional<std::int64_t> timeout,
                        std::optional<std::int64_t> heartbeat, std::string_view role) {
  Details details;
  if (resource.kind == ResourceName::Kind::task) {
    // "arn:aws:states:REGION:…" of the execution.
    std::string_view region = state_.identity->arn;
    for (int i = 0; i < 3; ++i) region.remove_prefix(std::min(region.find(':') + 1, region.size()));
    region = region.substr(0, region.find(':'));
    details.text("resourceType", resource.type)
        .text("resource", resource.name)
        .text("region", region)
        .plainDocument("parameters", parameters);
  } else {
    details.text("resource", resource.name).document("input", parameters);
  }
  if (timeout) details.number("timeoutInSeconds", *timeout);
  if (heartbeat && resource.kind != ResourceName::Kind::lambda) details.number("heartbeatInSeconds", *heartbeat);
  if (!role.empty() && resource.kind != ResourceName::Kind::activity) details.member("taskCredentials", "roleArn", role);
  switch (resource.kind) {
    case ResourceName::Kind::task: {
      event(frame, "TaskScheduled", "taskScheduled", details);
      Details started;
      event(frame, "TaskStarted", "taskStarted", started.text("resourceType", resource.type).text("resource", resource.name));
      break;
    }
    case ResourceName::Kind::lambda:
      event(frame, "LambdaFunctionScheduled", "lambdaFunctionScheduled", details);
      event(frame, "LambdaFunctionStarted");
      break;
    case ResourceName::Kind::activity: event(frame, "ActivityScheduled", "activityScheduled", details); break;
  }
}

asl::Eval<void> Stepper::startTaskTimers(Frame& frame, const Payload& input) {
  const auto& d = def(frame);
  if (d.timeout.given()) {
    const auto timeout = secondsAt(frame, d.timeout, input, "TimeoutSecondsPath");
    if (!timeout) return std::unexpected(timeout.error());
    frame.timeout_timer = setTimer(inputs_.now + std::chrono::seconds(*timeout));
  }
  if (d.heartbeat.given()) {
    const auto heartbeat = secondsAt(frame, d.heartbeat, input, "HeartbeatSecondsPath");
    if (!heartbeat) return std::unexpected(heartbeat.error());
    frame.heartbeat_seconds = *heartbeat;
    frame.heartbeat_timer = setTimer(inputs_.now + std::chrono::seconds(frame.heartbeat_seconds));
  }
  return {};
}

asl::Eval<void> Stepper::executeChoice(Frame& frame) {
  const auto& d = def(frame);
  auto input = select(frame, d.input_path, frame.input, "InputPath");
  if (!input) return std::unexpected(input.error());
  FrameContext context(*this, frame);
  int next = d.otherwise;
  for (const auto& rule : d.rules) {
    const auto holds = rule.holds(scope(input->value(), context));
    if (!holds) return std::unexpected(holds.error());
    if (!*holds) continue;
    next = rule.next;
    break;
  }
  if (next < 0)
    return std::unexpected(asl::EvalError{"States.NoChoiceMatched", "No Choice rule matched the input and there is no Default."});
  auto output = select(frame, d.output_path, *input, "OutputPath");
  if (!output) return std::unexpected(output.error());
  leave(frame, std::move(*output), next);
  return {};
}

asl::Eval<void> Stepper::executeWait(Frame& frame) {
  auto input = select(frame, def(frame).input_path, frame.input, "InputPath");
  if (!input) return std::unexpected(input.error());
  const auto end = waitEnd(frame, *input);
  if (!end) return std::unexpected(end.error());
  if (*end <= inputs_.now) {
    succeed(frame, std::move(*input));
    return {};
  }
  frame.phase = Phase::wait;
  const auto& d = def(frame);
  frame.waiting = setTimer(*end, !d.timestamp && !d.timestamp_path);
  return {};
}

asl::Eval<Instant> Stepper::waitEnd(Frame& frame, const Payload& input) {
  const auto& d = def(frame);
  if (d.timestamp) return *d.timestamp;
  if (d.seconds.fixed) return inputs_.now + std::chrono::seconds(*d.seconds.fixed);
  FrameContext context(*this, frame);
  const auto& path = d.timestamp_path ? *d.timestamp_path : *d.seconds.path;
  const auto value = path.read(path.context() ? context.context(asl::needsExecutionInput(path)) : input.value(), &work_);
  if (d.timestamp_path) {
    const auto text = !value ? std::string() : json::isText(*value) ? json::toStd(value->get_string()) : json::toText(*value);
    const auto moment = value && json::isText(*value) ? asl::parseTimestamp(text) : std::nullopt;
    if (!value) return asl::runtimeError(fmt::format("The TimestampPath parameter does not reference an input value: {}", path.text()));
    if (!moment)
      return asl::runtimeError(
          fmt::format("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: {} == {}",
                      path.text(), text));
    return *moment;
  }
  if (!value) return asl::runtimeError(fmt::format("The SecondsPath parameter does not reference an input value: {}", path.text()));
  if (!value->is_int64())
    return asl::runtimeError(fmt::format("The SecondsPath parameter cannot be parsed as a long value: {} == {}", path.text(),
                                         json::isText(*value) ? json::toStd(value->get_string()) : json::toText(*value)));
  const auto seconds = value->get_int64();
  if (seconds < 0)
    return asl::runtimeError(fmt::format("The SecondsPath parameter references a negative value: {} == {}", path.text(), seconds));
  if (seconds > kMaxDelaySeconds) return asl::runtimeError("Wait state delay is too long.");
  return inputs_.now + std::chrono::seconds(seconds);
}

asl::Eval<std::string> Stepper::textOf(Frame& frame, const asl::TextField& field, const Payload& input, std::string_view name) {
  if (field.fixed) return *field.fixed;
  if (!field.computed) return std::string();
  FrameContext context(*this, frame);
  const auto value = field.computed->evaluate(scope(input.value(), context), name);
  if (!value) return std::unexpected(value.error());
  if (!json::isText(*value))
    return asl::runtimeError(
        fmt::format("The {} field must refer to a string, but {} is {}", name, field.computed->text(), json::toText(*value)));
  return json::toStd(value->get_string());
}

asl::Eval<void> Stepper::executeFail(Frame& frame) {
  const auto& d = def(frame);
  auto error = textOf(frame, d.error, frame.input, "ErrorPath");
  if (!error) return std::unexpected(error.error());
  auto cause = textOf(frame, d.cause, frame.input, "CausePath");
  if (!cause) return std::unexpected(cause.error());
  fail(frame, {std::move(*error), std::move(*cause)});
  return {};
}

asl::Eval<void> Stepper::executeParallel(Frame& frame) {
  const auto& d = def(frame);
  auto input = select(frame, d.input_path, frame.input, "InputPath");
  if (!input) return std::unexpected(input.error());
  auto effective = fill(frame, d.parameters, *input);
  if (!effective) return std::unexpected(effective.error());
  if (overLimit(frame, *effective)) return {};
  event(frame, "ParallelStateStarted");
  const auto count = static_cast<std::int64_t>(d.branches.size());
  frame.phase = Phase::children;
  frame.results.assign(d.branches.size(), {});
  frame.running = frame.concurrency = frame.next_item = count;
  const auto started = frame.last_event;
  const auto already = ready_.size();
  for (std::int64_t i = 0; i < count && !full_; ++i) {
    auto& child = state_.frames[state_.next_frame];
    child.id = state_.next_frame++;
    child.parent = frame.id;
    child.branch = i;
    child.last_event = started;
    enter(child, d.branches[static_cast<std::size_t>(i)], *effective);
  }
  // The first branch goes first.
  std::reverse(ready_.begin() + static_cast<std::ptrdiff_t>(already), ready_.end());
  return {};
}

asl::Eval<void> Stepper::executeMap(Frame& frame) {
  const auto& d = def(frame);
  auto input = select(frame, d.input_path, frame.input, "InputPath");
  if (!input) return std::unexpected(input.error());
  Payload items = *input;
  if (d.items_path) {
    auto chosen = select(frame, {asl::Selection::Kind::path, *d.items_path}, *input, "ItemsPath");
    if (!chosen) return std::unexpected(chosen.error());
    items = std::move(*chosen);
  }
  if (!items.value().is_array()) return asl::runtimeError(fmt::format("Map state input must be an array but was: {}", items.text()));
  auto concurrency = numberAt(frame, d.max_concurrency, *input, "MaxConcurrencyPath");
  if (!concurrency) return std::unexpected(concurrency.error());
  if (*concurrency < 0) return asl::runtimeError("MaxConcurrency cannot be negative.");
  auto tolerated = numberAt(frame, d.tolerated_count, *input, "ToleratedFailureCountPath");
  if (!tolerated) return std::unexpected(tolerated.error());
  if (*tolerated < 0) return asl::runtimeError("ToleratedFailureCount cannot be negative.");
  auto percentage = decimalAt(frame, d.tolerated_percentage, *input, "ToleratedFailurePercentagePath");
  if (!percentage) return std::unexpected(percentage.error());
  if (*percentage < 0 || *percentage > 100) return asl::runtimeError("ToleratedFailurePercentage must be between 0 and 100.");

  const auto count = static_cast<std::int64_t>(items.value().get_array().size());
  Details details;
  event(frame, "MapStateStarted", "mapStateStarted", details.number("length", count));
  frame.phase = Phase::children;
  frame.effective = std::move(*input);
  frame.items = std::move(items);
  frame.results.assign(static_cast<std::size_t>(count), {});
  frame.concurrency = *concurrency == 0 ? limits_.map_concurrency : std::min(*concurrency, limits_.map_concurrency);
  frame.tolerated = *tolerated;
  if (d.tolerated_percentage.given()) {
    const auto share = static_cast<std::int64_t>(std::floor(static_cast<double>(count) * *percentage / 100));
    // The Map fails above either.
    frame.tolerated = d.tolerated_count.given() ? std::min(*tolerated, share) : share;
  }
  if (full_) return {};
  if (count == 0) completeChildren(frame);
  else ready_.push_back(frame.id);
  return {};
}

// Starts one iteration and comes back for the next one once that has reached its first wait.
void Stepper::launch(Frame& map) {
  const auto count = static_cast<std::int64_t>(map.results.size());
  if (!map.launching() || launchBorne(map) || map.next_item >= count) return;
  const auto index = map.next_item;
  auto input = itemInput(map, index);
  if (!input) return failEvaluation(map, input.error());
  if (*input && overLimit(map, *input)) return;
  ++map.next_item;
  ++map.running;
  if (map.launching()) ready_.push_back(map.id);
  auto& child = state_.frames[state_.next_frame];
  child.id = state_.next_frame++;
  child.parent = map.id;
  child.branch = index;
  child.last_event = map.last_event;
  child.item = Payload::fromValue(map.items.value().get_array()[static_cast<std::size_t>(index)]);
  Details details;
  details.text("name", def(map).name).number("index", index);
  event(child, "MapIterationStarted", "mapIterationStarted", details);
  // What follows the iteration's start points past it.
  child.last_event = map.last_event;
  enter(child, def(map).branches.front(), input->identity() == nullptr ? child.item : *input);
}

// After a redrive: an iteration whose failure was borne goes on where it failed.
bool Stepper::launchBorne(Frame& map) {
  // All that were begun run or are through.
  if (map.next_item == map.running + map.finished) return false;
  const auto found = std::find_if(state_.frames.upper_bound(map.id), state_.frames.end(), [&](const auto& one) {
    const auto& child = one.second;
    return child.parent == map.id && child.borne && !map.results[static_cast<std::size_t>(child.branch)];
  });
  if (found == state_.frames.end()) return false;
  found->second.borne = false;
  ++map.running;
  if (map.launching()) ready_.push_back(map.id);
  const auto already = ready_.size();
  for (auto at = found; at != state_.frames.end(); ++at)
    if (isWithin(state_.frames, at->second, found->first) && canGoOn(at->second) && !standsStill(at->second)) ready_.push_back(at->first);
  std::reverse(ready_.begin() + static_cast<std::ptrdiff_t>(already), ready_.end());
  return true;
}

// An empty payload: the item itself.
asl::Eval<Payload> Stepper::itemInput(Frame& map, std::int64_t index) {
  const auto& d = def(map);
  if (!d.item_selector) return Payload();
  FrameContext context(*this, map);
  context.mapItem(index, map.items.value().get_array()[static_cast<std::size_t>(index)]);
  auto value = d.item_selector->evaluate(scope(map.effective.value(), context));
  if (!value) return std::unexpected(value.error());
  return shallow(Payload::fromValue(std::move(*value)), "ItemSelector");
}

// All branches or iterations are through: their outputs, each as it was written, make the result.
void Stepper::completeChildren(Frame& frame) {
  const bool is_map = def(frame).type == asl::StateType::map;
  std::size_t size = 2;
  for (const auto& result : frame.results) size += result.text().size() + 1;
  std::string text = "[";
  text.reserve(size);
  for (const auto& result : frame.results) {
    if (text.size() > 1) text += ',';
    text += result.text();
  }
  text += ']';
  // Failures that were borne.
  removeBelow({frame.id});
  frame.clearChildren();
  frame.phase = Phase::ready;
  const auto inner = frame.last_event;
  event(frame, is_map ? "MapStateSucceeded" : "ParallelStateSucceeded");
  if (full_) return;
  frame.last_event = inner;
  succeed(frame, Payload::fromText(std::move(text)));
}

asl::Eval<Payload> Stepper::select(Frame& frame, const asl::Selection& selection, const Payload& from, std::string_view field) {
  if (selection.kind == asl::Selection::Kind::whole) return from;
  if (selection.kind == asl::Selection::Kind::nothing) return emptyObject();
  const auto& path = selection.path;
  if (path.whole() && !path.context()) return from;
  FrameContext context(*this, frame);
  auto value = path.read(path.context() ? context.context(asl::needsExecutionInput(path)) : from.value(), &work_);
  if (!value) {
    if (field == "ItemsPath") return asl::runtimeError(fmt::format("Reference path \"{}\" must point to array.", path.text()));
    return asl::runtimeError(fmt::format("Invalid path '{}' : {}", path.text(), value.error()));
  }
  return Payload::fromValue(std::move(*value));
}

asl::Eval<Payload> Stepper::fill(Frame& frame, const std::optional<asl::Template>& pattern, const Payload& input) {
  if (!pattern) return input;
  FrameContext context(*this, frame);
  auto value = pattern->evaluate(scope(input.value(), context));
  if (!value) return std::unexpected(value.error());
  return shallow(Payload::fromValue(std::move(*value)), "Parameters");
}

asl::Eval<Payload> Stepper::shallow(Payload made, std::string_view field) {
  if (!made.tooDeep()) return made;
  return asl::runtimeError(fmt::format("The document that '{}' makes is nested deeper than {}", field, kDepthMax));
}

asl::Eval<Payload> Stepper::merge(const asl::ResultTarget& target, const Payload& input, const Payload& result) {
  if (target.kind == asl::ResultTarget::Kind::replace) return result;
  if (target.kind == asl::ResultTarget::Kind::discard) return input;
  auto merged = input.value();
  if (target.path.write(merged, result.value())) return Payload::fromValue(std::move(merged));
  return std::unexpected(asl::EvalError{
      "States.ResultPathMatchFailure", fmt::format("Unable to apply Reference Path '{}' to input '{}'", target.path.text(), input.text())});
}

asl::Eval<json::Value> Stepper::readNumber(Frame& frame, const asl::Path& path, const Payload& input) {
  FrameContext context(*this, frame);
  auto value = path.read(path.context() ? context.context(asl::needsExecutionInput(path)) : input.value(), &work_);
  if (!value) return asl::runtimeError(fmt::format("Invalid path '{}' : {}", path.text(), value.error()));
  return std::move(*value);
}

namespace {

std::unexpected<asl::EvalError> notANumber(std::string_view name, const json::Value& value, std::string_view wanted,
                                           const asl::Path& path) {
  return asl::runtimeError(fmt::format("The {} field refers to value \"{}\" which is not {}: {}", name,
                                       json::isText(value) ? json::toStd(value.get_string()) : json::toText(value), wanted, path.text()));
}

}  // namespace

asl::Eval<std::int64_t> Stepper::numberAt(Frame& frame, const asl::NumberField& field, const Payload& input, std::string_view name) {
  if (field.fixed || !field.path) return field.fixed.value_or(0);
  const auto value = readNumber(frame, *field.path, input);
  if (!value) return std::unexpected(value.error());
  if (!value->is_int64()) return notANumber(name, *value, "a valid integer", *field.path);
  return value->get_int64();
}

asl::Eval<std::int64_t> Stepper::secondsAt(Frame& frame, const asl::NumberField& field, const Payload& input, std::string_view name) {
  const auto seconds = numberAt(frame, field, input, name);
  if (!seconds || !field.path || (*seconds >= 1 && *seconds <= kMaxTaskSeconds)) return seconds;
  return notANumber(name, *seconds, fmt::format("between 1 and {}", kMaxTaskSeconds), *field.path);
}

asl::Eval<double> Stepper::decimalAt(Frame& frame, const asl::DecimalField& field, const Payload& input, std::string_view name) {
  if (field.fixed || !field.path) return field.fixed.value_or(0);
  const auto value = readNumber(frame, *field.path, input);
  if (!value) return std::unexpected(value.error());
  const auto number = json::numberOf(*value);
  if (!number) return notANumber(name, *value, "a valid float", *field.path);
  return *number;
}

}  // namespace sp::engine
