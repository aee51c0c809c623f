#include "runtime/execution_runtime.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/history.h"
#include "runtime/definitions.h"
#include "runtime/description.h"

namespace sp::runtime {
namespace {

constexpr std::string_view kTimerKind = "execution";
// Payload of a timer that waits for a while: it is moved when the clock is set. One for a time of the calendar has none, nor has any that
// an earlier version set.
constexpr std::string_view kRelative = "relative";
// Where failed executions go on from when they are redriven, by ARN.
constexpr std::string_view kResumeKind = "redrivable";
constexpr Duration kRedrivable = std::chrono::hours(24 * 14);
constexpr std::int64_t kMaxRedrives = 1000;
// States of running executions kept decoded; what does not fit is decoded again when it moves.
constexpr std::size_t kCacheBytes = 32U << 20U;
constexpr std::size_t kDefinitionsKept = 4096;

// Index of the first Task with this Resource that is reached without entering a Parallel or Map; -1: none.
int topLevelTask(const asl::Definition& definition, std::string_view resource) {
  std::vector<int> ahead = {definition.start};
  std::set<int> seen;
  while (!ahead.empty()) {
    const auto at = ahead.back();
    ahead.pop_back();
    if (at < 0 || !seen.insert(at).second) continue;
    const auto& state = definition.states[static_cast<std::size_t>(at)];
    if (state.type == asl::StateType::task && state.resource == resource) return at;
    ahead.push_back(state.next);
    ahead.push_back(state.otherwise);
    for (const auto& rule : state.rules) ahead.push_back(rule.next);
    for (const auto& catcher : state.catchers) ahead.push_back(catcher.next);
  }
  return -1;
}

engine::HeldDocument heldIn(store::Txn& txn, std::string_view arn) {
  return [&txn, arn](std::int64_t event) { return heldDocument(txn, arn, event); };
}

// The id of the last event of its history; 0: it has none.
std::int64_t lastEvent(store::Txn& txn, std::string_view arn) {
  const auto last = txn.executions().history(arn, std::numeric_limits<std::int64_t>::max(), true, 1);
  const auto event = last.empty() ? Result<json::Value>(json::Value()) : json::parse(last.front());
  return event && event->is_object() ? json::intOr(event->get_object(), "id", 0) : 0;
}

// What the state with this name had as input when it was entered first, as its history tells; nullopt: it never was.
std::optional<engine::Payload> inputOf(store::Txn& txn, std::string_view arn, std::string_view state) {
  constexpr std::size_t kPage = 200;
  for (std::int64_t from = 1;; from += static_cast<std::int64_t>(kPage)) {
    const auto page = txn.executions().history(arn, from, false, kPage);
    for (const auto& text : page) {
      auto event = json::parse(text);
      if (!event || !event->is_object()) continue;
      const auto* details = json::find(event->get_object(), "stateEnteredEventDetails");
      if (details == nullptr || !details->is_object() || json::textOr(details->get_object(), "name") != state) continue;
      auto holder = engine::namedEvent(event->get_object());
      if (holder != 0) {
        const auto held = txn.executions().history(arn, holder, false, 1);
        const auto named = held.empty() ? Result<json::Value>(json::Value()) : json::parse(held.front());
        if (named && named->is_object()) engine::resolveDocument(event->get_object(), named->get_object());
      } else {
        holder = json::intOr(event->get_object(), "id", 0);
      }
      auto input = engine::Payload::fromText(json::textOr(details->get_object(), "input"));
      input.event = holder;
      return input;
    }
    if (page.size() < kPage) return std::nullopt;
  }
}

}  // namespace

/// A decoded state and the very text it was decoded from or written as. The text is compared with the stored one at every
/// use: whatever was rolled back since then shows as a difference, so nothing has to follow savepoints and failed commits.
struct ExecutionRuntime::Cached {
  std::string text;
  engine::State state;
  std::shared_ptr<const asl::Definition> definition;
};

ExecutionRuntime::ExecutionRuntime(Core& core) : core_(core) {
  core_.onTimer(std::string(kTimerKind), [this](store::Txn& txn, const store::Timer& timer) {
    const auto [arn, number] = engine::splitGlobalName(timer.id);
    post(txn, std::string(arn), engine::TimerFired{number});
  });
  // All at once, in one commit with what else follows from it and before any timer fires: a hundred thousand take half a second.
  core_.onClockSet([](store::Txn& txn, Duration by) { txn.timers().shift(kTimerKind, kRelative, by); });
}

ExecutionRuntime::~ExecutionRuntime() = default;

Result<std::shared_ptr<const asl::Definition>> ExecutionRuntime::definitionFor(store::Txn& txn, const std::string& name) {
  if (const auto found = definitions_.find(name); found != definitions_.end()) return found->second;
  const auto text = definitions::textOf(txn, name);
  if (!text) return fail("runtime.definition", "Its definition is not in the store");
  auto compiled = asl::compile(*text);
  if (!compiled)
    return fail("runtime.definition", "Its definition is refused by this version of the server: " + asl::describe(compiled.error()));
  // Named by their content, so they never go stale.
  if (definitions_.size() >= kDefinitionsKept) definitions_.clear();
  definitions_.emplace(name, *compiled);
  return *compiled;
}

engine::Limits ExecutionRuntime::limitsOf(const engine::Identity& identity) const {
  auto limits = limits_;
  if (identity.unlimited) {
    limits.history_events = std::numeric_limits<std::int64_t>::max() - 1;
    limits.payload_bytes = std::numeric_limits<std::size_t>::max();
    limits.map_concurrency = std::numeric_limits<std::int64_t>::max();
    limits.state_work = std::numeric_limits<std::int64_t>::max();
  }
  return limits;
}

engine::Inputs ExecutionRuntime::inputs(store::Txn& txn) {
  // One draw from the kernel, then a sequence: a system call a step would be a large part of it.
  if (seed_ == 0) {
    std::array<std::uint8_t, 8> bytes{};
    core_.random().fill(bytes);
    for (const auto byte : bytes) seed_ = (seed_ << 8U) | byte;
  }
  engine::Inputs made{txn.now(), asl::Dice(seed_ += 0x9e3779b97f4a7c15ULL).next(), {}};
  if (tasks_ != nullptr) made.activity_exists = [this, &txn](std::string_view arn) { return tasks_->activityExists(txn, arn); };
  return made;
}

Result<void> ExecutionRuntime::usable(store::Txn& txn, const std::string& definition) {
  SP_CHECK_OK(definitionFor(txn, definition));
  return {};
}

bool ExecutionRuntime::start(store::Txn& txn, const StartSpec& spec) {
  forgetUndone();
  auto definition = definitionFor(txn, spec.definition);
  SP_ASSERT(definition.has_value());
  engine::Identity identity{spec.arn,      spec.name,       spec.machine_arn, spec.machine_name,
                            spec.role_arn, spec.definition, txn.now(),        spec.unlimited};
  const auto limits = limitsOf(identity);
  const auto input = engine::Payload::fromText(spec.input);
  auto transition = engine::step(**definition, engine::initialState(std::move(identity), input), engine::Start{}, inputs(txn), limits);

  // One that ends within its first step is written once, as ended.
  store::ExecutionRow row{spec.arn, spec.machine_arn, spec.name, "RUNNING", txn.now(), {}, describeStart(*transition.state.identity, input),
                          ""};
  auto cached = std::make_shared<Cached>();
  cached->definition = std::move(*definition);
  const bool ended = transition.state.ended;
  if (ended) {
    const auto end = std::ranges::find_if(transition.effects, [](const auto& one) { return std::holds_alternative<engine::Finish>(one); });
    SP_ASSERT(end != transition.effects.end());
    describeEnd(row, std::get<engine::Finish>(*end), txn.now());
  }
  if (!ended) row.state = engine::encode(transition.state);
  SP_ASSERT(transition.first_event == 1);
  if (!txn.executions().insert(row, std::exchange(transition.history, {}))) return false;
  for (const auto& handler : begin_handlers_) handler(txn, row);
  cached->text = std::move(row.state);
  write(txn, spec.arn, *cached, std::move(transition), ended ? &row : nullptr);
  if (!cached->state.ended) {
    open_.opened();
    keep(spec.arn, std::move(cached));
  }
  drive(txn);
  return true;
}

ExecutionRuntime::Redrivable ExecutionRuntime::redrivable(store::Txn& txn, const store::ExecutionRow& row) {
  if (row.status == "RUNNING" || row.status == "SUCCEEDED") return {false, "Execution is " + row.status + " and cannot be redriven"};
  if (row.stopped && txn.now() - *row.stopped > kRedrivable) return {false, "Execution redrivable period exceeded"};
  const auto description = json::parse(row.description);
  if (description && description->is_object()) {
    if (json::intOr(description->get_object(), "redriveCount", 0) >= kMaxRedrives) return {false, "Execution redrive limit exceeded"};
    if (json::boolOr(description->get_object(), "builtin", false))
      return {false, "Executions of built-in state machines cannot be redriven: start a new one"};
    // A redrive writes one event at least beside the end that it comes to.
    if (!txn.records().get(kResumeKind, row.arn) || lastEvent(txn, row.arn) >= limits_.history_events - 1)
      return {false, "Execution history event limit exceeded"};
    const auto definition = definitionFor(txn, json::textOr(description->get_object(), "definition"));
    if (!definition) return {false, definition.error().message};
    auto plan = planOf(txn, row, definition->get());
    if (!plan.refused.empty()) return {false, std::move(plan.refused)};
    return {true, ""};
  }
  return {false, "What describes the execution cannot be read"};
}

RedrivePlan ExecutionRuntime::planOf(store::Txn& txn, const store::ExecutionRow& row, const asl::Definition* definition) {
  if (tasks_ == nullptr || definition == nullptr) return {};
  auto plan = tasks_->redrivePlan(txn, row.arn);
  if (plan.refused.empty() && !plan.restart_at.empty() && topLevelTask(*definition, plan.restart_at) < 0)
    plan.refused = "Its state machine has no Task with the Resource " + plan.restart_at + " at its top level to begin again with";
  return plan;
}

bool ExecutionRuntime::redrive(store::Txn& txn, std::string_view arn, const std::string& token) {
  forgetUndone();
  auto row = txn.executions().get(arn);
  if (!row || !redrivable(txn, *row).possible) return false;
  auto state = engine::decode(txn.records().get(kResumeKind, arn).value_or(""), heldIn(txn, arn));
  if (!state) {
    log::error("cannot read where an execution goes on", {{"execution", arn}, {"error", state.error().text()}});
    return false;
  }
  auto cached = std::make_shared<Cached>();
  auto definition = definitionFor(txn, state->identity->definition);
  if (!definition) return false;
  cached->definition = std::move(*definition);
  txn.records().erase(kResumeKind, arn);
  const auto limits = limitsOf(*state->identity);
  engine::Redrive how;
  if (const auto plan = planOf(txn, *row, cached->definition.get()); !plan.restart_at.empty()) {
    how.state = topLevelTask(*cached->definition, plan.restart_at);
    how.input = inputOf(txn, arn, cached->definition->states[static_cast<std::size_t>(how.state)].name).value_or(state->input);
  }
  if (tasks_ != nullptr) tasks_->redriven(txn, arn);
  auto transition = engine::step(*cached->definition, std::move(*state), how, inputs(txn), limits);
  SP_ASSERT(!transition.stale);
  auto description = json::parse(row->description);
  SP_ASSERT(description && description->is_object());
  auto& members = description->get_object();
  for (const auto* gone : {"output", "error", "cause", "redriveToken"}) members.erase(gone);
  if (!token.empty()) members["redriveToken"] = token;
  members["redriveCount"] = transition.state.redrives;
  members["redriven"] = toMicros(txn.now());
  row->description = json::toText(members);
  row->status = "RUNNING";
  row->stopped.reset();
  if (!transition.state.ended) row->state = engine::encode(transition.state);
  txn.executions().update(*row);
  for (const auto& handler : begin_handlers_) handler(txn, *row);
  open_.opened();
  cached->text = std::move(row->state);
  write(txn, row->arn, *cached, std::move(transition));
  if (!cached->state.ended) keep(row->arn, std::move(cached));
  drive(txn);
  return true;
}

void ExecutionRuntime::gone(store::Txn& txn, std::string_view arn) { txn.records().erase(kResumeKind, arn); }

bool ExecutionRuntime::stop(store::Txn& txn, std::string_view arn, std::string error, std::string cause) {
  const auto row = txn.executions().get(arn);
  if (!row || row->status != "RUNNING") return false;
  post(txn, std::string(arn), engine::Abort{std::move(error), std::move(cause)});
  return true;
}

void ExecutionRuntime::overdue(store::Txn& txn, std::string_view arn) { post(txn, std::string(arn), engine::Overdue{}); }

void ExecutionRuntime::taskSucceeded(store::Txn& txn, std::string_view token, json::Value output) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskSucceeded{number, engine::Payload::fromValue(std::move(output))});
}

void ExecutionRuntime::taskSucceeded(store::Txn& txn, std::string_view token, engine::Payload output) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskSucceeded{number, std::move(output)});
}

void ExecutionRuntime::taskFailed(store::Txn& txn, std::string_view token, std::string error, std::string cause) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskFailed{number, std::move(error), std::move(cause)});
}

void ExecutionRuntime::taskForbidden(store::Txn& txn, std::string_view token, std::string cause) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskFailed{number, "States.TaskFailed", std::move(cause), true});
}

void ExecutionRuntime::taskSubmitted(store::Txn& txn, std::string_view token, json::Value output) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskSubmitted{number, engine::Payload::fromValue(std::move(output))});
}

void ExecutionRuntime::taskStarted(store::Txn& txn, std::string_view token, std::string worker) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskStarted{number, std::move(worker)});
}

void ExecutionRuntime::taskHeartbeat(store::Txn& txn, std::string_view token) {
  const auto [arn, number] = engine::splitGlobalName(token);
  post(txn, std::string(arn), engine::TaskHeartbeat{number});
}

ExecutionRuntime::Waiting ExecutionRuntime::waitingFor(store::Txn& txn, std::string_view token) {
  const auto [arn, number] = engine::splitGlobalName(token);
  const auto cached = load(txn, std::string(arn));
  if (cached == nullptr) return {txn.executions().get(arn) ? Waiting::Kind::settled : Waiting::Kind::unknown, ""};
  for (const auto& [id, frame] : cached->state.frames)
    if (frame.phase == engine::Phase::task && frame.waiting == number)
      return {Waiting::Kind::open, cached->definition->states[static_cast<std::size_t>(frame.state)].resource};
  return {number < cached->state.next_number ? Waiting::Kind::settled : Waiting::Kind::unknown, ""};
}

// When the store fails between a step and drive(), what the step asked for is still in `work_`, while the step is undone.
void ExecutionRuntime::forgetUndone() {
  if (!driving_) work_.clear();
}

void ExecutionRuntime::post(store::Txn& txn, std::string arn, engine::Event event) {
  forgetUndone();
  work_.push_back({std::move(arn), std::move(event), nullptr, nullptr});
  drive(txn);
}

// Outcomes that come from within TaskPort::start, and starts from within listeners, wait in `work_` for the outermost call:
// no execution is stepped while it is being stepped.
void ExecutionRuntime::drive(store::Txn& txn) {
  if (driving_) return;
  driving_ = true;
  struct Guard {
    ExecutionRuntime& self;
    ~Guard() {
      // Only when something threw is there work left: its job is rolled back, and what it asked for with it.
      self.work_.clear();
      self.driving_ = false;
    }
  } guard{*this};
  while (!work_.empty()) {
    const auto work = std::move(work_.front());
    work_.pop_front();
    if (const auto* event = std::get_if<engine::Event>(&work.what)) handle(txn, work.arn, *event);
    else perform(txn, work, std::get<engine::Effect>(work.what));
  }
}

std::shared_ptr<ExecutionRuntime::Cached> ExecutionRuntime::load(store::Txn& txn, const std::string& arn) {
  auto text = txn.executions().state(arn);
  const auto found = cache_.find(arn);
  if (text.empty()) {
    forget(arn);
    return nullptr;
  }
  if (found != cache_.end() && found->second->text == text) return found->second;
  auto state = engine::decode(text, heldIn(txn, arn));
  if (!state) {
    log::error("cannot read the state of an execution", {{"execution", arn}, {"error", state.error().text()}});
    return nullptr;
  }
  auto cached = std::make_shared<Cached>();
  auto definition = definitionFor(txn, state->identity->definition);
  if (!definition) {
    log::error("an execution cannot go on", {{"execution", arn}, {"why", definition.error().message}});
    cached->state = std::move(*state);
    write(txn, arn, *cached, engine::giveUp(std::move(cached->state), inputs(txn), definition.error().message));
    drive(txn);
    return nullptr;
  }
  cached->definition = std::move(*definition);
  cached->text = std::move(text);
  cached->state = std::move(*state);
  keep(arn, cached);
  return cached;
}

void ExecutionRuntime::forget(const std::string& arn) {
  const auto found = cache_.find(arn);
  if (found == cache_.end()) return;
  cache_bytes_ -= found->second->text.size();
  cache_.erase(found);
}

void ExecutionRuntime::keep(const std::string& arn, std::shared_ptr<Cached> cached) {
  auto& place = cache_[arn];
  if (place != nullptr) cache_bytes_ -= place->text.size();
  cache_bytes_ += cached->text.size();
  place = std::move(cached);
  // Any other will do: what is needed again is decoded again.
  while (cache_bytes_ > kCacheBytes && cache_.size() > 1) {
    auto victim = cache_.begin();
    if (victim->first == arn) ++victim;
    cache_bytes_ -= victim->second->text.size();
    cache_.erase(victim);
  }
}

void ExecutionRuntime::handle(store::Txn& txn, const std::string& arn, const engine::Event& event) {
  auto cached = load(txn, arn);
  if (cached == nullptr) return;
  // Out of the cache while it is being changed: should anything throw, it is read again.
  forget(arn);
  const auto limits = limitsOf(*cached->state.identity);
  auto transition = engine::step(*cached->definition, std::move(cached->state), event, inputs(txn), limits);
  if (transition.stale) {
    cached->state = std::move(transition.state);
    return keep(arn, std::move(cached));
  }
  const bool ended = transition.state.ended;
  if (!ended) {
    cached->text = engine::encode(transition.state);
    txn.executions().updateState(arn, cached->text);
  }
  write(txn, arn, *cached, std::move(transition));
  if (!ended) keep(arn, std::move(cached));
}

// History and effects of a step whose state is written. The end is written by finish().
void ExecutionRuntime::write(store::Txn& txn, const std::string& arn, Cached& cached, engine::Transition transition,
                             const store::ExecutionRow* ended_row) {
  if (!transition.history.empty()) txn.executions().appendHistory(arn, transition.first_event, transition.history);
  cached.state = std::move(transition.state);
  for (auto& effect : transition.effects) {
    if (const auto* timer = std::get_if<engine::SetTimer>(&effect)) {
      txn.timers().set(
          {std::string(kTimerKind), engine::globalName(arn, timer->timer), timer->due, std::string(timer->relative ? kRelative : "")});
    } else if (const auto* dropped = std::get_if<engine::DropTimer>(&effect)) {
      txn.timers().drop(kTimerKind, engine::globalName(arn, dropped->timer));
    } else {
      work_.push_back({arn, std::move(effect), cached.state.identity, cached.definition});
    }
  }
  if (!cached.state.ended) return;
  // Rows are told to be ended in the step's own order, before anything else happens.
  const auto effect = std::move(work_.back());
  work_.pop_back();
  finish(txn, arn, std::get<engine::Finish>(std::get<engine::Effect>(effect.what)), ended_row);
}

void ExecutionRuntime::finish(store::Txn& txn, const std::string& arn, const engine::Finish& end, const store::ExecutionRow* ended_row) {
  if (end.resume != nullptr) txn.records().put(kResumeKind, arn, engine::encode(*end.resume));
  if (ended_row == nullptr) {
    auto row = txn.executions().get(arn);
    SP_ASSERT(row.has_value());
    describeEnd(*row, end, txn.now());
    txn.executions().update(*row);
    open_.ended(txn);
    for (const auto& handler : end_handlers_) handler(txn, *row);
    return;
  }
  for (const auto& handler : end_handlers_) handler(txn, *ended_row);
}

void ExecutionRuntime::perform(store::Txn& txn, const Work& work, const engine::Effect& effect) {
  if (const auto* cancel = std::get_if<engine::CancelTask>(&effect)) {
    if (tasks_ != nullptr) tasks_->cancel(txn, engine::globalName(work.arn, cancel->token));
    return;
  }
  const auto& task = std::get<engine::StartTask>(effect);
  const auto token = engine::globalName(work.arn, task.token);
  const auto& def = work.definition->states[static_cast<std::size_t>(task.state)];
  if (tasks_ == nullptr || !tasks_->knows(def.resource)) {
    taskFailed(txn, token, "States.Runtime", "The resource " + def.resource + " is not available on this server.");
    return;
  }
  TaskRequest request;
  request.token = token;
  request.execution_arn = work.arn;
  request.machine_arn = work.identity->machine_arn;
  request.role_arn = work.identity->role_arn;
  request.task_role = task.role;
  request.state_name = def.name;
  request.resource = def.resource;
  request.parameters = task.parameters.value();
  request.written = def.parameters ? &*def.parameters : nullptr;
  request.attempt = static_cast<int>(task.attempt);
  request.entered = task.entered;
  tasks_->start(txn, request);
}

}  // namespace sp::runtime
