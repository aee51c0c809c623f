#include "naive.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

namespace sp::sim {
namespace {

constexpr Micros kSecond = 1'000'000;
// The worker of activities begins his day.
constexpr Micros kWorkBegins = kSecond;
constexpr Micros kNever = kSecond * 1'000'000;

struct Line {
  Micros time = 0;
  /// 1: it comes from outside, behind all that the server does at that time by itself.
  int phase = 0;
  std::string type;
  std::string rest;

  friend auto order(const Line& line) { return std::pair(line.time, line.phase); }
};
using Lines = std::vector<Line>;

/// How a state or a scope went.
struct Ran {
  Lines lines = {};
  Micros end = 0;
  bool failed = false;
  /// Output, or {"Error","Cause"}.
  json::Value value = {};
  std::string next = {};
};

void append(Lines& to, const Lines& more) { to.insert(to.end(), more.begin(), more.end()); }
json::Value problem(std::string_view error, std::string_view cause) { return json::Object{{"Error", error}, {"Cause", cause}}; }
Micros secondsIn(const json::Object& state, std::string_view member) { return json::intOr(state, member, 0) * kSecond; }

class Naive {
 public:
  explicit Naive(const PlanAt& plan_at) : plan_at_(plan_at) {}

  Ran scope(const json::Object& graph, json::Value input, Micros time) const {
    Ran all{.end = time};
    for (auto name = json::textOr(graph, "StartAt");;) {
      auto one = state(name, json::find(graph, "States")->at(name).get_object(), input, all.end);
      append(all.lines, one.lines);
      all.end = one.end;
      input = all.value = std::move(one.value);
      all.failed = one.failed;
      if (one.failed || one.next.empty()) return all;
      name = one.next;
    }
  }

 private:
  Ran state(const std::string& name, const json::Object& state, const json::Value& input, Micros time) const {
    const auto type = json::textOr(state, "Type");
    Ran all{.end = time, .value = input, .next = json::textOr(state, "Next")};
    all.lines.push_back({time, 0, type + "StateEntered", fmt::format("{} {}", name, json::toText(input))});
    for (int attempt = 1;; ++attempt) {
      auto tried = once(name, type, state, input, all.end);
      append(all.lines, tried.lines);
      all.end = tried.end;
      if (type == "Choice") all.next = tried.next;
      if (!tried.failed) {
        put(all.value, state, tried.value);
        break;
      }
      if (attempt == 1 && handler(state, "Retry", tried.value) != nullptr) {
        all.end += 2 * kSecond;
        continue;
      }
      const auto* catcher = handler(state, "Catch", tried.value);
      if (catcher == nullptr) {
        all.failed = true;
        all.value = std::move(tried.value);
        return all;
      }
      put(all.value, *catcher, tried.value);
      all.next = json::textOr(*catcher, "Next");
      break;
    }
    all.lines.push_back({all.end, 0, type + "StateExited", fmt::format("{} {}", name, json::toText(all.value))});
    return all;
  }

  static void put(json::Value& document, const json::Object& state, const json::Value& value) {
    if (const auto path = json::textOr(state, "ResultPath"); !path.empty()) document.get_object()[path.substr(2)] = value;
  }
  static const json::Object* handler(const json::Object& state, std::string_view field, const json::Value& error) {
    const auto* list = json::find(state, field);
    if (list == nullptr) return nullptr;
    const auto& one = list->get_array()[0].get_object();
    const auto& name = json::find(one, "ErrorEquals")->get_array()[0];
    return name == "States.ALL" || name == error.at("Error") ? &one : nullptr;
  }

  Ran once(const std::string& name, const std::string& type, const json::Object& state, const json::Value& input, Micros time) const {
    if (type == "Task") return task(name, state, input, time);
    if (type == "Parallel" || type == "Map") return branches(name, type, state, input, time);
    if (type == "Pass") return {.end = time, .value = *json::find(state, "Result")};
    if (type == "Wait") return {.end = time + secondsIn(state, "Seconds")};
    if (type == "Fail") return {.end = time, .failed = true, .value = problem(json::textOr(state, "Error"), json::textOr(state, "Cause"))};
    if (type != "Choice") return {.end = time};
    const auto& rule = json::find(state, "Choices")->get_array()[0].get_object();
    const bool holds = input.at("v").to_number<double>() < json::find(rule, "NumericLessThan")->to_number<double>();
    return {.end = time, .next = holds ? json::textOr(rule, "Next") : json::textOr(state, "Default")};
  }

  Ran task(const std::string& name, const json::Object& state, const json::Value& input, Micros time) const {
    const auto resource = json::textOr(state, "Resource");
    const std::string kind = resource == kActivity ? "Activity" : "Task";
    const auto plan = plan_at_(name, input.at("v").to_number<std::int64_t>(), time);
    Ran all;
    all.lines.push_back({time, 0, kind + "Scheduled", ""});
    const auto taken = resource == kActivity ? std::max(time, kWorkBegins) : time;
    all.lines.push_back({taken, resource == kActivity ? 1 : 0, kind + "Started", ""});
    if (resource == kCallback) all.lines.push_back({time, 1, "TaskSubmitted", R"({"sent":true})"});
    const auto beats = secondsIn(state, "HeartbeatSeconds");
    auto limit = secondsIn(state, "TimeoutSeconds");
    if (plan && beats > 0) limit = std::min(limit, plan->between.count() * plan->beats + beats);
    if (!plan) limit = kNever;
    if (!plan || plan->end == Plan::End::silent || plan->after.count() >= limit) {
      all.end = taken + limit;
      all.failed = true;
      all.value = problem("States.Timeout", "");
      all.lines.push_back({all.end, 0, kind + "TimedOut", "States.Timeout"});
      return all;
    }
    all.end = taken + plan->after.count();
    all.failed = plan->end == Plan::End::fails;
    all.value = all.failed ? problem(plan->error, plan->cause) : plan->output;
    all.lines.push_back({all.end, 0, kind + (all.failed ? "Failed" : "Succeeded"), all.failed ? plan->error : json::toText(plan->output)});
    return all;
  }

  // Each branch or iteration by itself, from the time at which it starts.
  std::vector<Ran> children(const std::string& name, const json::Object& state, const json::Value& input, Micros time) const {
    std::vector<Ran> all;
    if (const auto* branches = json::find(state, "Branches"))
      for (const auto& branch : branches->get_array()) all.push_back(scope(branch.get_object(), input, time));
    if (!all.empty()) return all;
    const bool one_by_one = json::intOr(state, "MaxConcurrency", 0) == 1;
    for (const auto& item : input.at("items").get_array()) {
      auto ran = scope(json::find(state, "ItemProcessor")->get_object(), item, one_by_one && !all.empty() ? all.back().end : time);
      const auto rest = fmt::format("{} #{}", name, all.size());
      ran.lines.insert(ran.lines.begin(), {ran.lines.front().time, 0, "MapIterationStarted", rest});
      ran.lines.push_back({ran.end, 0, ran.failed ? "MapIterationFailed" : "MapIterationSucceeded", rest});
      all.push_back(std::move(ran));
    }
    return all;
  }

  Ran branches(const std::string& name, const std::string& type, const json::Object& state, const json::Value& input, Micros time) const {
    const bool map = type == "Map";
    auto all = children(name, state, input, time);
    // Who failed, the first one first.
    std::set<std::pair<Micros, std::size_t>> failed;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].failed) failed.emplace(all[i].end, i);
    const auto borne = static_cast<std::size_t>(json::intOr(state, "ToleratedFailureCount", 0));
    Ran made{.end = time, .value = json::Array()};
    made.lines.push_back({time, 0, type + "StateStarted", ""});
    if (failed.size() > borne) {
      const auto fatal = std::next(failed.begin(), static_cast<std::ptrdiff_t>(borne))->second;
      made.failed = true;
      made.end = all[fatal].end;
      made.value = state.contains("ToleratedFailureCount")
                       ? problem("States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded")
                       : all[fatal].value;
      made.lines = sideBySide(made.lines, cut(all, fatal, time, map, name), map);
    } else {
      std::vector<Lines> lines;
      for (auto& one : all) {
        made.end = std::max(made.end, one.end);
        made.value.get_array().push_back(std::move(one.value));
        lines.push_back(std::move(one.lines));
      }
      made.lines = sideBySide(made.lines, std::move(lines), map);
    }
    made.lines.push_back({made.end, 0, type + (made.failed ? "StateFailed" : "StateSucceeded"), ""});
    return made;
  }

  // By time; at the same time the first child first. All branches of a Parallel are entered before any of them goes on.
  static Lines sideBySide(Lines begin, std::vector<Lines> children, bool map) {
    std::multimap<std::pair<Micros, int>, Line> rest;
    for (auto& lines : children) {
      if (!map) {
        begin.push_back(lines.front());
        lines.erase(lines.begin());
      }
      for (const auto& line : lines) rest.emplace(order(line), line);
    }
    for (const auto& [when, line] : rest) begin.push_back(line);
    return begin;
  }

  // What had happened when one child ended it all, and what that does to the others.
  static std::vector<Lines> cut(const std::vector<Ran>& all, std::size_t fatal, Micros time, bool map, const std::string& name) {
    const auto end = all[fatal].end;
    std::vector<Lines> kept(all.size());
    Lines aborted;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (const auto& line : all[i].lines)
        if (i == fatal || order(line) < std::pair(end, 0) || (order(line) == std::pair(end, 0) && i < fatal)) kept[i].push_back(line);
      if (i == fatal) continue;
      // One that was entered but had no turn yet waits for nothing.
      const bool had_turn = end > time || i < fatal;
      if (!map && kept[i].empty()) kept[i].push_back(all[i].lines.front());
      if (kept[i].size() == all[i].lines.size() || kept[i].empty() || !had_turn) continue;
      for (const auto& state : openIn(kept[i])) aborted.push_back({end, 0, state + "StateAborted", ""});
      if (map) aborted.push_back({end, 0, "MapIterationAborted", fmt::format("{} #{}", name, i)});
    }
    append(kept[fatal], aborted);
    return kept;
  }

  // Types of the states that a child is in, the innermost first. Within it nothing runs side by side.
  static std::vector<std::string> openIn(const Lines& lines) {
    std::vector<std::string> open;
    for (const auto& [time, phase, type, rest] : lines) {
      const auto kind = type.substr(0, type.find("State"));
      if (type.ends_with("StateEntered")) open.insert(open.begin(), kind);
      else if (type.ends_with("StateExited")) open.erase(open.begin());
      else if (type.ends_with("StateFailed"))
        while (open.front() != kind) open.erase(open.begin());
    }
    return open;
  }

  const PlanAt& plan_at_;
};

}  // namespace

NaiveRun interpret(const json::Object& definition, const json::Value& input, const PlanAt& plan_at) {
  const auto ran = Naive(plan_at).scope(definition, input, 0);
  NaiveRun made;
  const auto add = [&](Micros time, const std::string& type, const std::string& rest) {
    made.events.push_back(fmt::format("{} {}{}{}", time / 1000, type, rest.empty() ? "" : " ", rest));
  };
  add(0, "ExecutionStarted", json::toText(input));
  for (const auto& line : ran.lines) add(line.time, line.type, line.rest);
  if (ran.failed) {
    const auto error = json::toStd(ran.value.at("Error").get_string());
    made.result = fmt::format("FAILED {}: {}", error, json::toView(ran.value.at("Cause").get_string()));
    add(ran.end, "ExecutionFailed", error);
  } else {
    made.result = "SUCCEEDED " + json::toText(ran.value);
    add(ran.end, "ExecutionSucceeded", json::toText(ran.value));
  }
  return made;
}

Micros timeOf(const json::Object& event) { return std::llround(json::find(event, "timestamp")->to_number<double>() * 1e3) * 1000; }

std::string inWords(const json::Object& event, Micros start) {
  auto words = fmt::format("{} {}", (timeOf(event) - start) / 1000, json::textOr(event, "type"));
  for (const auto& member : event) {
    if (!member.key().ends_with("EventDetails")) continue;
    const auto& details = member.value().get_object();
    for (const auto* text : {"name", "error", "input", "output"})
      if (const auto* found = json::find(details, text); found != nullptr && member.key() != "activityScheduledEventDetails")
        words += ' ' + json::toStd(found->get_string());
    if (const auto* index = json::find(details, "index")) words += fmt::format(" #{}", index->to_number<std::int64_t>());
  }
  return words;
}

}  // namespace sp::sim
