#include "history_check.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sp::sim {
namespace {

using Types = std::vector<std::string_view>;
Types operator+(Types one, const Types& more) {
  one.insert(one.end(), more.begin(), more.end());
  return one;
}
/// What may stand before an event, by what its type begins and ends with; "" alone: nothing, previousEventId is 0.
struct Rule {
  std::string_view type;
  Types before;
};

const Types kExited = {"*StateExited"};
// What ends a branch or an iteration that fails.
const Types kFailed = {"TaskFailed",       "TaskTimedOut",        "ActivityFailed", "ActivityTimedOut",
                       "FailStateEntered", "ParallelStateFailed", "MapStateFailed", "ExecutionRedriven"};

// A redrive goes on within states that were entered long before.
const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = {
      {"ExecutionStarted", {""}},
      {"ExecutionSucceeded", kExited},
      {"ExecutionFailed", kFailed},
      {"ExecutionAborted", {""}},
      {"ExecutionTimedOut", {""}},
      {"ExecutionRedriven", {"ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}},
      {"TaskScheduled", {"TaskStateEntered", "TaskFailed", "TaskTimedOut", "ExecutionRedriven"}},
      {"TaskStarted", {"TaskScheduled"}},
      {"TaskSubmitted", {"TaskStarted"}},
      {"TaskSucceeded", {"TaskStarted", "TaskSubmitted"}},
      {"TaskFailed", {"TaskStarted", "TaskSubmitted"}},
      {"TaskTimedOut", {"TaskStarted", "TaskSubmitted"}},
      {"ActivityScheduled", {"TaskStateEntered", "ActivityFailed", "ActivityTimedOut", "ExecutionRedriven"}},
      {"ActivityStarted", {"ActivityScheduled"}},
      {"ActivitySucceeded", {"ActivityStarted"}},
      {"ActivityFailed", {"ActivityStarted"}},
      {"ActivityTimedOut", {"ActivityStarted"}},
      {"ParallelStateStarted", {"ParallelStateEntered", "ParallelStateFailed", "ExecutionRedriven"}},
      {"MapStateStarted", {"MapStateEntered", "MapStateFailed", "ExecutionRedriven"}},
      {"ParallelStateSucceeded", kExited},
      {"MapStateSucceeded", kExited + kFailed + Types{"MapStateStarted"}},
      {"ParallelStateFailed", kFailed},
      {"MapStateFailed", kFailed},
      {"MapIterationStarted", kExited + kFailed + Types{"MapStateStarted"}},
      {"MapIterationSucceeded", kExited},
      {"MapIterationFailed", kFailed},
      {"MapIterationAborted", {"*"}},
      {"TaskStateExited", {"TaskSucceeded", "TaskFailed", "TaskTimedOut", "ActivitySucceeded", "ActivityFailed", "ActivityTimedOut"}},
      {"PassStateExited", {"PassStateEntered", "ExecutionRedriven"}},
      {"ChoiceStateExited", {"ChoiceStateEntered", "ExecutionRedriven"}},
      {"SucceedStateExited", {"SucceedStateEntered", "ExecutionRedriven"}},
      {"WaitStateExited", {"WaitStateEntered", "ExecutionRedriven"}},
      {"ParallelStateExited", kExited + Types{"ParallelStateFailed"}},
      {"MapStateExited", kExited + kFailed + Types{"MapStateStarted"}},
      {"*StateAborted", {"*"}},
      // Looked at more closely below.
      {"*StateEntered", {"*"}},
  };
  return all;
}

bool fits(std::string_view pattern, std::string_view type) {
  if (!pattern.starts_with('*')) return pattern == type;
  return !type.empty() && type.ends_with(pattern.substr(1));
}

bool hasEnded(std::string_view type) {
  return type == "ExecutionSucceeded" || type == "ExecutionFailed" || type == "ExecutionAborted" || type == "ExecutionTimedOut";
}

bool isAnswer(std::string_view type) {
  return type == "TaskSucceeded" || type == "TaskFailed" || type == "ActivitySucceeded" || type == "ActivityFailed";
}

const json::Object& detailsOf(const json::Object& event) {
  static const json::Object none;
  for (const auto& member : event)
    if (member.key().ends_with("EventDetails")) return member.value().get_object();
  return none;
}

}  // namespace

std::string HistoryCheck::take(const std::string& text) {
  const auto parsed = json::parse(text);
  if (!parsed || !parsed->is_object()) return "an event is no JSON object: " + text;
  const auto& object = parsed->get_object();
  Event event;
  event.type = json::textOr(object, "type");
  event.previous = json::intOr(object, "previousEventId", -1);
  const auto id = static_cast<std::int64_t>(events_.size()) + 1;
  if (json::intOr(object, "id", 0) != id) return fmt::format("event {} stands where {} should: {}", json::intOr(object, "id", 0), id, text);
  if (event.previous < 0 || event.previous >= id) return "it follows a later event: " + text;
  const auto* time = json::find(object, "timestamp");
  if (time == nullptr || time->to_number<double>() < last_time_) return "it is older than the one before: " + text;
  last_time_ = time->to_number<double>();
  auto wrong = judge(event, detailsOf(object));
  events_.push_back(std::move(event));
  return wrong.empty() ? "" : fmt::format("{}: {}", wrong, text);
}

// Long documents that an earlier event holds are stored as that event's number.
std::optional<std::string> HistoryCheck::documentOf(const json::Object& details) const {
  const auto* found = json::find(details, "input");
  if (found == nullptr) found = json::find(details, "output");
  if (found == nullptr) return "";
  if (found->is_string()) return json::toStd(found->get_string());
  const auto holder = json::intOr(found->get_object(), "event", 0);
  if (holder < 1 || holder > static_cast<std::int64_t>(events_.size()) || at(holder).document.empty()) return std::nullopt;
  return at(holder).document;
}

std::string HistoryCheck::judge(Event& event, const json::Object& details) {
  auto document = documentOf(details);
  if (!document) return "the event it names holds no document";
  event.document = std::move(*document);
  if (status_ != "RUNNING" && event.type != "ExecutionRedriven") return "it stands behind the end";
  if ((event.type == "ExecutionStarted") != events_.empty()) return "the first event, and no other, is ExecutionStarted";
  if (auto wrong = order(event); !wrong.empty()) return wrong;
  auto wrong = event.type.ends_with("StateEntered") ? enter(event, details) : within(event, details);
  if (!wrong.empty()) return wrong;
  if (isAnswer(event.type)) ++answers_;
  if (event.type == "ExecutionRedriven") {
    ++redrives_;
    if (status_ == "RUNNING" || status_ == "SUCCEEDED") return "nothing was to be redriven";
    if (json::intOr(details, "redriveCount", 0) != static_cast<std::int64_t>(redrives_)) return "its redriveCount is wrong";
    status_ = "RUNNING";
  }
  if (event.type == "ExecutionSucceeded") {
    status_ = "SUCCEEDED";
    if (event.document != at(event.previous).document) return "its output is not the last state's";
  }
  if (event.type == "ExecutionFailed") status_ = "FAILED";
  if (event.type == "ExecutionAborted") status_ = "ABORTED";
  if (event.type == "ExecutionTimedOut") status_ = "TIMED_OUT";
  return "";
}

std::string HistoryCheck::order(const Event& event) const {
  const auto rule = std::ranges::find_if(rules(), [&](const Rule& one) { return fits(one.type, event.type); });
  if (rule == rules().end()) return "nothing is known of its type";
  const auto before = event.previous == 0 ? std::string() : at(event.previous).type;
  const auto& last = events_.empty() ? event : events_.back();
  const auto last_id = static_cast<std::int64_t>(events_.size());
  if (last.type == "ParallelStateSucceeded" || last.type == "MapStateSucceeded") {
    const auto exit = last.type.substr(0, last.type.find("Succeeded")) + "Exited";
    if (event.type != exit || event.previous != last.previous) return "the exit of a state that has succeeded should stand here";
  }
  if (event.type == "ExecutionRedriven" && (!hasEnded(last.type) || event.previous != last_id)) return "it does not follow the end";
  if (event.type.ends_with("StateEntered")) {
    // The first one follows nothing. An iteration's first state stands behind its start and points past it.
    if (last.type == "MapIterationStarted") return event.previous == last.previous ? "" : "it does not point past its iteration's start";
    if (event.previous == 0) return last_id == 1 ? "" : "only the first state follows nothing";
    const bool good = before.ends_with("StateExited") || before == "ParallelStateStarted";
    return good ? "" : fmt::format("it may not follow {}", before);
  }
  if (std::ranges::none_of(rule->before, [&](std::string_view one) { return fits(one, before); }))
    return fmt::format("it may not follow {}", before.empty() ? "nothing" : before.c_str());
  // These two make one step with the event before them.
  if (event.type == "TaskStarted" && event.previous != last_id) return "it does not stand behind its TaskScheduled";
  if (event.type == "MapStateExited" || event.type == "ParallelStateExited") {
    const auto kind = event.type.substr(0, event.type.find("State"));
    const bool failed = before == kind + "StateFailed";
    const bool succeeded = last.type == kind + "StateSucceeded" && last.previous == event.previous;
    // An empty Map has no inner event: its own start is the last one.
    if (!failed && !succeeded) return "it follows neither its state's success nor its failure";
  }
  return "";
}

std::string HistoryCheck::enter(Event& event, const json::Object& details) {
  event.entered = nextId();
  event.name = json::textOr(details, "name");
  event.parent = event.previous == 0 ? 0 : kUnknown;
  if (event.previous == 0) return "";
  auto& before = at(event.previous);
  const bool begins_iteration = events_.back().type == "MapIterationStarted";
  if (before.type == "ParallelStateStarted" || before.type == "MapStateStarted") {
    event.parent = before.entered;
  } else if (before.entered != kUnknown) {
    // The next state of its branch; or what follows the last one that ended in an iteration, perhaps one further down.
    event.parent = at(before.entered).parent;
  }
  if (event.parent > 0) at(event.parent).children.push_back(event.entered);
  if (begins_iteration || before.type == "ParallelStateStarted") return "";
  if (std::exchange(before.followed, true)) return "two events follow one";
  return event.document == before.document ? "" : "its input is not the output before it";
}

// Each event goes on from one that nothing went on from, but for those that begin something: branches, another run.
std::string HistoryCheck::within(Event& event, const json::Object& details) {
  if (event.previous == 0) return "";
  auto& before = at(event.previous);
  event.entered = event.type == "ExecutionRedriven" ? kUnknown : before.entered;
  const bool beside = event.type.starts_with("MapIteration") || event.type == "MapStateSucceeded" || event.type == "ParallelStateSucceeded";
  const bool begins = before.type == "ExecutionRedriven" || before.type.ends_with("StateStarted");
  if (!beside && !begins && std::exchange(before.followed, true)) return "two events follow one";
  if (event.type.ends_with("StateExited")) return leave(event, details);
  const auto ends = event.type.ends_with("StateSucceeded") || event.type == "ParallelStateFailed" || event.type == "MapStateFailed";
  if (ends) return endBranches(event);
  if (event.type.ends_with("StateStarted") && event.entered != kUnknown) at(event.entered).children.clear();
  const bool at_the_top = event.entered == kUnknown || at(event.entered).parent <= 0;
  if (event.type.starts_with("Execution") && !at_the_top) return "it follows what happened in a branch";
  return "";
}

// The state around the last event of a branch.
std::string HistoryCheck::endBranches(Event& event) const {
  if (event.entered == kUnknown) return "";
  const auto kind = event.type.substr(0, event.type.find("State"));
  // Without items the start is the last event.
  if (!at(event.previous).type.ends_with("StateStarted")) event.entered = at(event.entered).parent;
  if (event.entered == kUnknown) return "";
  if (event.entered == 0 || at(event.entered).type != kind + "StateEntered") return "what it follows is not in one of its branches";
  const auto is_open = [this](std::int64_t id) { return !at(id).left; };
  if (event.type == "ParallelStateSucceeded" && redrives_ == 0 && std::ranges::any_of(at(event.entered).children, is_open))
    return "one of its branches is not through";
  return "";
}

std::string HistoryCheck::leave(Event& event, const json::Object& details) {
  const auto name = json::textOr(details, "name");
  const auto kind = event.type.substr(0, event.type.find("State"));
  if (events_.back().type == kind + "StateSucceeded" && events_.back().previous == event.previous) event.entered = events_.back().entered;
  if (event.entered == kUnknown || (redrives_ > 0 && event.entered > 0 && at(event.entered).left)) {
    // Behind a redrive the events do not tell which entry it was, or it was taken for another's: the last one still open.
    for (auto id = nextId() - 1; id > 0; --id) {
      if (at(id).name != name || at(id).left) continue;
      event.entered = id;
      break;
    }
  }
  if (event.entered <= 0 || at(event.entered).name != name || at(event.entered).type != kind + "StateEntered")
    return "its state was not entered";
  if (std::exchange(at(event.entered).left, true)) return "its state was left before";
  return "";
}

}  // namespace sp::sim
