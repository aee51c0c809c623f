#include "small_machines.h"

#include <fmt/format.h>

namespace sp::sim {
namespace {

using std::chrono::milliseconds;

class Maker {
 public:
  explicit Maker(Choices& choices) : choices_(choices) {}

  // Three states at most, those within others counted. What there is to choose from is less where states are many.
  json::Object any() {
    switch (choices_.choose(9)) {
      case 0: return chain(1, Kinds::all);
      case 1: return chain(2, Kinds::all);
      case 2: return chain(3, Kinds::own);
      case 3: return only(branching(chain(1, Kinds::simple), true));
      case 4: return only(branching(chain(2, Kinds::simple), false));
      case 5: return only(parallel({chain(1, Kinds::simple), chain(1, Kinds::simple)}));
      case 6:
        if (choices_.choose(2) == 0) return only(parallel({only(branching(chain(1, Kinds::simple), false))}));
        return only(map(only(parallel({chain(1, Kinds::simple)})), 1 + choices_.choose(3)));
      case 7: {
        // A state before one with branches.
        const auto first = name();
        auto second = branching(chain(1, Kinds::plain), false);
        const auto second_name = name();
        second["End"] = true;
        return graph(first, {{first, state(first, {second_name}, Kinds::most)}, {second_name, std::move(second)}});
      }
      default: {
        // A state behind one with branches, which may catch what that fails with.
        const auto first = name();
        auto made = branching(chain(1, Kinds::plain), true);
        const auto last = name();
        made["Next"] = last;
        if (choices_.choose(2) == 1) made["Catch"] = caught(last);
        return graph(first, {{first, std::move(made)}, {last, state(last, {}, Kinds::simple)}});
      }
    }
  }

 private:
  std::string name() { return fmt::format("S{}", next_name_++); }
  static json::Object graph(const std::string& start, json::Object states) { return {{"StartAt", start}, {"States", std::move(states)}}; }
  json::Object only(json::Object made) {
    made["End"] = true;
    const auto called = name();
    return graph(called, {{called, std::move(made)}});
  }

  enum class Kinds {
    /// What goes on, what may fail, what always does.
    plain,
    /// Those with one try, which go on to the next state or end.
    simple,
    /// And those that try again, catch and choose.
    most,
    /// Like most, but for those that others answer: callbacks and activities.
    own,
    /// And activities that try again.
    all,
  };
  enum class Kind { pass, wait, task, callback, activity, handled, choice, succeed, fail };
  json::Object chain(int count, Kinds kinds) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back(name());
    json::Object states;
    for (std::size_t i = 0; i < names.size(); ++i)
      states[names[i]] = state(names[i], {names.begin() + static_cast<std::ptrdiff_t>(i) + 1, names.end()}, kinds);
    return graph(names.front(), std::move(states));
  }

  // A simple state that may go to any of `later`.
  json::Object state(const std::string& called, const std::vector<std::string>& later, Kinds set) {
    json::Object made;
    std::vector<Kind> kinds = {Kind::pass, Kind::task, Kind::fail};
    if (set != Kinds::plain) kinds.insert(kinds.end(), {Kind::wait, Kind::succeed});
    if (set == Kinds::simple || set == Kinds::most || set == Kinds::all) kinds.insert(kinds.end(), {Kind::callback, Kind::activity});
    if (set >= Kinds::most && !later.empty()) kinds.insert(kinds.end(), {Kind::handled, Kind::choice});
    switch (kinds[choices_.choose(kinds.size())]) {
      case Kind::pass: made = {{"Type", "Pass"}, {"Result", called}, {"ResultPath", "$.p"}}; break;
      case Kind::wait: made = {{"Type", "Wait"}, {"Seconds", 3}}; break;
      case Kind::task: made = task(called, kLater); break;
      case Kind::callback:
        made = task(called, kCallback);
        made["HeartbeatSeconds"] = 8;
        break;
      case Kind::activity:
        made = task(called, kActivity);
        if (set == Kinds::all) made["Retry"] = retried("States.ALL");
        break;
      case Kind::handled:
        made = task(called, kLater);
        made["Retry"] = retried("E");
        made["Catch"] = caught(later[choices_.choose(later.size())]);
        break;
      case Kind::choice: return choice(later);
      case Kind::succeed: return {{"Type", "Succeed"}};
      case Kind::fail: return {{"Type", "Fail"}, {"Error", "F." + called}, {"Cause", "as written"}};
    }
    const auto next = choices_.choose(later.size() + 1);
    if (next == later.size()) made["End"] = true;
    else made["Next"] = later[next];
    return made;
  }

  json::Object choice(const std::vector<std::string>& later) {
    const auto holds = static_cast<int>(choices_.choose(2));
    json::Array rules{json::Object{{"Variable", "$.v"}, {"NumericLessThan", holds * 10}, {"Next", later[choices_.choose(later.size())]}}};
    return {{"Type", "Choice"}, {"Choices", std::move(rules)}, {"Default", later[choices_.choose(later.size())]}};
  }

  static json::Object task(const std::string& called, const char* resource) {
    json::Object parameters{{"s", called}, {"v.$", "$.v"}};
    if (resource == std::string(kCallback)) parameters["token.$"] = "$$.Task.Token";
    return {{"Type", "Task"},
            {"Resource", resource},
            {"TimeoutSeconds", resource == std::string(kActivity) ? 40 : 30},
            {"Parameters", std::move(parameters)},
            {"ResultPath", "$.r"}};
  }
  static json::Array retried(const char* error) {
    return {json::Object{{"ErrorEquals", json::Array{error}}, {"IntervalSeconds", 2}, {"MaxAttempts", 1}}};
  }
  static json::Array caught(const std::string& next) {
    return {json::Object{{"ErrorEquals", json::Array{"States.ALL"}}, {"ResultPath", "$.e"}, {"Next", next}}};
  }

  static json::Object parallel(const std::vector<json::Object>& branches) {
    json::Array all;
    for (const auto& one : branches) all.push_back(one);
    return {{"Type", "Parallel"}, {"Branches", std::move(all)}, {"ResultPath", "$.q"}};
  }
  static json::Object map(json::Object inner, std::size_t kind) {
    json::Object made{{"Type", "Map"}, {"ItemsPath", "$.items"}, {"ItemProcessor", std::move(inner)}, {"ResultPath", "$.m"}};
    if (kind == 2) made["ToleratedFailureCount"] = 1;
    if (kind == 3) made["MaxConcurrency"] = 1;
    return made;
  }
  json::Object branching(json::Object inner, bool tries_again) {
    const auto kind = choices_.choose(tries_again ? 6 : 4);
    auto made = kind == 0 || kind == 4 ? parallel({std::move(inner)}) : map(std::move(inner), kind);
    if (kind >= 4) made["Retry"] = retried("E");
    return made;
  }

  Choices& choices_;
  int next_name_ = 0;
};

}  // namespace

bool Choices::begin() {
  at_ = 0;
  if (!std::exchange(begun_, true)) return true;
  while (!digits_.empty() && digits_.back().value + 1 == digits_.back().bound) digits_.pop_back();
  if (digits_.empty()) return false;
  ++digits_.back().value;
  kept_ = digits_.size() - 1;
  return true;
}

std::size_t Choices::choose(std::size_t bound) {
  if (at_ == digits_.size()) digits_.push_back({0, bound});
  return digits_[at_++].value;
}

std::string smallMachine(Choices& choices) { return json::toText(Maker(choices).any()); }

Plan smallPlan(Choices& choices, const Asked& asked) {
  Plan plan;
  plan.output = json::Object{{"did", asked.parameters.at("s")}};
  plan.error = "E";
  plan.cause = "c";
  plan.end = static_cast<Plan::End>(choices.choose(3));
  const bool good = plan.end == Plan::End::succeeds;
  const auto& state = asked.parameters.at("s").get_string();
  const auto apart = milliseconds(11 * (state.back() - '0') + 3 * asked.parameters.at("v").to_number<std::int64_t>());
  switch (asked.kind) {
    case Asked::Kind::callback:
      plan.after = milliseconds(good ? 7'040 : 6'080);
      plan.beats = 1;
      plan.between = milliseconds(5'005);
      break;
    case Asked::Kind::activity: plan.after = milliseconds(good ? 9'160 : 8'320); break;
    case Asked::Kind::now:
    case Asked::Kind::later: plan.after = milliseconds(good ? 10'010 : 11'020); break;
  }
  plan.after += apart;
  if (plan.beats > 0) plan.between += apart;
  return plan;
}

}  // namespace sp::sim
