#include "machines.h"

#include <cmath>

#include <fmt/format.h>

#include "server.h"

namespace sp::sim {
namespace {

constexpr int kMaxDepth = 2;

class Maker {
 public:
  explicit Maker(Chance& chance) : chance_(chance) {}

  // States 0 … n-1, each going only to later ones: every path ends.
  json::Object graph(int depth) {
    const auto count = 1 + chance_.below(depth == 0 ? 6 : 3);
    const auto base = next_name_;
    next_name_ += static_cast<int>(count);
    json::Object states;
    // Every state but the first must be reachable: its predecessor leads to it.
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto name = fmt::format("S{}", base + static_cast<int>(i));
      states[name] = state(depth, base + static_cast<int>(i), static_cast<int>(count - i - 1));
    }
    return {{"StartAt", fmt::format("S{}", base)}, {"States", std::move(states)}};
  }

 private:
  json::Object state(int depth, int at, int left) {
    const auto next = fmt::format("S{}", at + 1);
    json::Object made;
    const auto kind = chance_.below(depth < kMaxDepth ? 11 : 8);
    if (kind == 0 && left >= 1) return choice(at, left);
    if (kind == 1 && left == 0) return {{"Type", "Succeed"}};
    if (kind == 2 && left == 0) return {{"Type", "Fail"}, {"Error", fmt::format("Fail.S{}", at)}, {"Cause", "as written"}};
    if (kind == 3) made = {{"Type", "Wait"}, {"Seconds", chance_.below(4)}};
    else if (kind == 8 || kind == 10) made = parallel(depth, at);
    else if (kind == 9) made = map(depth, at);
    else if (kind >= 4) made = task(at);
    else made = {{"Type", "Pass"}, {"Result", chance_.below(100)}, {"ResultPath", fmt::format("$.p{}", at)}};
    if (kind >= 4) handlers(made, at, left);
    if (left > 0) made["Next"] = next;
    else made["End"] = true;
    return made;
  }

  json::Object choice(int at, int left) {
    json::Array rules;
    // The neighbour must be led to, any later one may be.
    rules.push_back(json::Object{{"Variable", "$.n"}, {"NumericGreaterThan", chance_.below(10)}, {"Next", fmt::format("S{}", at + 1)}});
    return {{"Type", "Choice"},
            {"Choices", std::move(rules)},
            {"Default", fmt::format("S{}", at + 1 + static_cast<int>(chance_.below(static_cast<std::uint64_t>(left))))}};
  }

  json::Object task(int at) {
    static constexpr std::array kResources = {kNow, kLater, kCallback, kActivity};
    const auto* resource = kResources.at(chance_.below(kResources.size()));
    json::Object parameters{{"state", fmt::format("S{}", at)}, {"n.$", "$.n"}};
    json::Object made{{"Type", "Task"}, {"Resource", resource}, {"TimeoutSeconds", 60 + chance_.below(60)}};
    if ((resource == kCallback || resource == kActivity) && chance_.percent(50)) {
      const auto seconds = 10 + chance_.below(10);
      made["HeartbeatSeconds"] = seconds;
      parameters["beat"] = seconds;
    }
    if (resource == kCallback) parameters["token.$"] = "$$.Task.Token";
    made["Parameters"] = std::move(parameters);
    if (chance_.percent(30)) made["ResultPath"] = nullptr;
    else made["ResultPath"] = fmt::format("$.t{}", at);
    return made;
  }

  json::Object parallel(int depth, int at) {
    json::Array branches;
    for (auto i = 1 + chance_.below(3); i > 0; --i) branches.push_back(graph(depth + 1));
    return {{"Type", "Parallel"}, {"Branches", std::move(branches)}, {"ResultPath", fmt::format("$.q{}", at)}};
  }

  json::Object map(int depth, int at) {
    json::Object made{{"Type", "Map"},
                      {"ItemsPath", "$.items"},
                      {"MaxConcurrency", chance_.below(3)},
                      {"ItemSelector", json::Object{{"n.$", "$$.Map.Item.Value"}, {"items.$", "$.items"}, {"i.$", "$$.Map.Item.Index"}}},
                      {"ItemProcessor", graph(depth + 1)},
                      {"ResultPath", fmt::format("$.m{}", at)}};
    if (chance_.percent(30)) made["ToleratedFailureCount"] = chance_.below(3);
    return made;
  }

  json::Array errorNames() {
    static constexpr std::array kNames = {
        "States.ALL",         "States.ALL", "Task.Flaky", "Task.Broken", "States.TaskFailed", "States.Timeout", "States.HeartbeatTimeout",
        "States.BranchFailed"};
    return {kNames.at(chance_.below(kNames.size()))};
  }

  // States.ALL may stand last only.
  void handlers(json::Object& made, int at, int left) {
    json::Array retriers;
    for (auto i = chance_.below(3); i > 0; --i) {
      json::Object one{{"ErrorEquals", errorNames()},
                       {"IntervalSeconds", 1 + chance_.below(3)},
                       {"MaxAttempts", chance_.below(3)},
                       {"BackoffRate", 1.5}};
      if (chance_.percent(50)) one["JitterStrategy"] = "FULL";
      const bool last = one["ErrorEquals"].get_array()[0] == "States.ALL";
      retriers.push_back(std::move(one));
      if (last) break;
    }
    if (!retriers.empty()) made["Retry"] = std::move(retriers);
    json::Array catchers;
    for (auto i = left > 0 ? chance_.below(3) : 0; i > 0; --i) {
      const auto target = at + 1 + static_cast<int>(chance_.below(static_cast<std::uint64_t>(left)));
      catchers.push_back(
          json::Object{{"ErrorEquals", errorNames()}, {"ResultPath", fmt::format("$.e{}", at)}, {"Next", fmt::format("S{}", target)}});
      if (catchers.back().at("ErrorEquals").get_array()[0] == "States.ALL") break;
    }
    if (!catchers.empty()) made["Catch"] = std::move(catchers);
  }

  Chance& chance_;
  int next_name_ = 0;
};

// Numbers as they are when read from text.
json::Object reread(const json::Object& made) { return json::parse(json::toText(made))->get_object(); }

double secondsOf(const json::Object& graph, std::size_t items);

double secondsOfState(const json::Object& state, std::size_t items) {
  const auto type = json::textOr(state, "Type");
  double once = 0;
  if (type == "Wait") return static_cast<double>(json::intOr(state, "Seconds", 0));
  // A free worker asks again after a while.
  if (type == "Task") once = static_cast<double>(json::intOr(state, "TimeoutSeconds", 0)) + 10;
  if (type == "Map") once = static_cast<double>(items) * secondsOf(json::find(state, "ItemProcessor")->get_object(), items);
  if (type == "Parallel")
    for (const auto& branch : json::find(state, "Branches")->get_array()) once = std::max(once, secondsOf(branch.get_object(), items));
  double all = once;
  const auto* retriers = json::find(state, "Retry");
  if (retriers == nullptr) return all;
  for (const auto& retrier : retriers->get_array()) {
    const auto& one = retrier.get_object();
    const auto attempts = json::intOr(one, "MaxAttempts", 0);
    for (std::int64_t i = 0; i < attempts; ++i)
      all += once + static_cast<double>(json::intOr(one, "IntervalSeconds", 0)) * std::pow(1.5, static_cast<double>(i));
  }
  return all;
}

// Each state is come by once at most.
double secondsOf(const json::Object& graph, std::size_t items) {
  double all = 0;
  for (const auto& state : json::find(graph, "States")->get_object()) all += secondsOfState(state.value().get_object(), items);
  return all;
}

}  // namespace

std::uint64_t Chance::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

json::Object makeMachine(Chance& chance) {
  auto made = Maker(chance).graph(0);
  if (chance.percent(8)) made["TimeoutSeconds"] = 30 + chance.below(200);
  return reread(made);
}

json::Object makeInput(Chance& chance) {
  json::Array items;
  for (auto i = chance.below(4); i > 0; --i) items.push_back(chance.below(20));
  return reread({{"n", chance.below(10)}, {"items", std::move(items)}});
}

Duration longest(const json::Object& machine, const json::Object& input) {
  return std::chrono::seconds(static_cast<std::int64_t>(secondsOf(machine, json::find(input, "items")->get_array().size())) + 1);
}

}  // namespace sp::sim
