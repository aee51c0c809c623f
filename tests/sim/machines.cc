#include "machines.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace sp::sim {
namespace {

constexpr int kMaxDepth = 2;
constexpr const char* kSoon = "arn:aws:states:::sim:now";
constexpr const char* kLater = "arn:aws:states:::sim:later";

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
    const auto kind = chance_.below(depth < kMaxDepth ? 10 : 8);
    if (kind == 0 && left >= 1) return choice(at, left);
    if (kind == 1 && left == 0) return {{"Type", "Succeed"}};
    if (kind == 2 && left == 0) return {{"Type", "Fail"}, {"Error", fmt::format("Fail.S{}", at)}, {"Cause", "as written"}};
    if (kind == 3) made = {{"Type", "Wait"}, {"Seconds", chance_.below(4)}};
    else if (kind == 8) made = parallel(depth, at);
    else if (kind == 9) made = map(depth, at);
    else if (kind >= 5) made = task(at);
    else made = {{"Type", "Pass"}, {"Result", chance_.below(100)}, {"ResultPath", fmt::format("$.p{}", at)}};
    if (kind >= 5) handlers(made, at, left);
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
    json::Object made{{"Type", "Task"},
                      {"Resource", chance_.percent(40) ? kSoon : kLater},
                      {"TimeoutSeconds", 60 + chance_.below(60)},
                      {"Parameters", json::Object{{"state", fmt::format("S{}", at)}, {"n.$", "$.n"}}}};
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
    return {{"Type", "Map"},
            {"ItemsPath", "$.items"},
            {"MaxConcurrency", chance_.below(3)},
            {"ItemSelector", json::Object{{"n.$", "$$.Map.Item.Value"}, {"items.$", "$.items"}, {"i.$", "$$.Map.Item.Index"}}},
            {"ItemProcessor", graph(depth + 1)},
            {"ResultPath", fmt::format("$.m{}", at)}};
  }

  void handlers(json::Object& made, int at, int left) {
    if (chance_.percent(50)) {
      json::Object one{{"ErrorEquals", json::Array{chance_.percent(50) ? "Task.Flaky" : "States.ALL"}},
                       {"IntervalSeconds", 1 + chance_.below(3)},
                       {"MaxAttempts", chance_.below(4)},
                       {"BackoffRate", 1.5}};
      if (chance_.percent(50)) one["JitterStrategy"] = "FULL";
      made["Retry"] = json::Array{std::move(one)};
    }
    if (left > 0 && chance_.percent(50)) {
      const auto target = at + 1 + static_cast<int>(chance_.below(static_cast<std::uint64_t>(left)));
      made["Catch"] = json::Array{json::Object{{"ErrorEquals", json::Array{chance_.percent(70) ? "States.ALL" : "Task.Flaky"}},
                                               {"ResultPath", fmt::format("$.e{}", at)},
                                               {"Next", fmt::format("S{}", target)}}};
    }
  }

  Chance& chance_;
  int next_name_ = 0;
};

/// What a scope or state may come to.
struct Result {
  bool failed = false;
  /// Output, or the error object {"Error","Cause"}.
  json::Value value;
};
using Results = std::vector<Result>;

class Oracle {
 public:
  explicit Oracle(std::uint64_t seed) : seed_(seed) {}

  Results scope(const json::Object& graph, const json::Value& input) { return from(graph, json::textOr(graph, "StartAt"), input); }

 private:
  static void add(Results& all, Result one) {
    for (const auto& known : all)
      if (known.failed == one.failed && json::toText(known.value) == json::toText(one.value)) return;
    all.push_back(std::move(one));
  }

  Results from(const json::Object& graph, const std::string& name, const json::Value& input) {
    const auto& state = json::find(*json::find(graph, "States")->if_object(), name)->get_object();
    const auto type = json::textOr(state, "Type");
    if (type == "Succeed") return {{false, input}};
    if (type == "Fail") return {{true, json::Object{{"Error", *json::find(state, "Error")}, {"Cause", *json::find(state, "Cause")}}}};
    if (type == "Choice") {
      const auto& rule = json::find(state, "Choices")->get_array()[0].get_object();
      const bool holds = input.at("n").to_number<double>() > json::find(rule, "NumericGreaterThan")->to_number<double>();
      return from(graph, holds ? json::textOr(rule, "Next") : json::textOr(state, "Default"), input);
    }
    Results all;
    for (auto& outcome : attempts(state, type, input)) {
      if (outcome.failed) {
        if (const auto* catcher = catcherFor(state, outcome.value)) {
          auto output = input;
          place(output, *catcher, outcome.value);
          for (auto& one : from(graph, json::textOr(*catcher, "Next"), output)) add(all, std::move(one));
        } else {
          add(all, std::move(outcome));
        }
        continue;
      }
      auto output = input;
      if (type != "Wait") place(output, state, outcome.value);
      const auto next = json::textOr(state, "Next");
      if (next.empty()) add(all, {false, std::move(output)});
      else
        for (auto& one : from(graph, next, output)) add(all, std::move(one));
    }
    return all;
  }

  static void place(json::Value& output, const json::Object& state, const json::Value& value) {
    const auto* path = json::find(state, "ResultPath");
    if (path->is_null()) return;
    output.get_object()[json::toView(path->get_string()).substr(2)] = value;
  }

  static bool named(const json::Object& handler, const json::Value& error) {
    const auto& name = json::find(handler, "ErrorEquals")->get_array()[0].get_string();
    return name == "States.ALL" || name == error.at("Error").get_string();
  }
  static const json::Object* handlerFor(const json::Object& state, std::string_view field, const json::Value& error) {
    const auto* list = json::find(state, field);
    if (list == nullptr) return nullptr;
    const auto& one = list->get_array()[0].get_object();
    return named(one, error) ? &one : nullptr;
  }
  static const json::Object* catcherFor(const json::Object& state, const json::Value& error) { return handlerFor(state, "Catch", error); }

  // A state with its retries. Which attempt it is only matters to tasks; branches that race may come to something else
  // each time, so all of it may happen.
  Results attempts(const json::Object& state, const std::string& type, const json::Value& input) {
    Results all;
    std::int64_t used = 0;
    while (true) {
      const auto tried = once(state, type, input, used + 1);
      bool again = false;
      for (const auto& outcome : tried) {
        const auto* retrier = outcome.failed ? handlerFor(state, "Retry", outcome.value) : nullptr;
        if (retrier != nullptr && used < json::find(*retrier, "MaxAttempts")->to_number<std::int64_t>()) again = true;
        else add(all, outcome);
      }
      if (!again) return all;
      ++used;
    }
  }

  Results once(const json::Object& state, const std::string& type, const json::Value& input, std::int64_t attempt) {
    if (type == "Pass") return {{false, *json::find(state, "Result")}};
    if (type == "Wait") return {{false, input}};
    if (type == "Task") {
      const auto& parameters = json::find(state, "Parameters")->get_object();
      const json::Object made{{"state", *json::find(parameters, "state")}, {"n", input.at("n")}};
      const auto outcome = taskOutcome(seed_, made, attempt);
      if (outcome.kind == TaskOutcome::Kind::succeeds) return {{false, outcome.output}};
      const bool silent = outcome.kind == TaskOutcome::Kind::silent;
      return {{true, json::Object{{"Error", silent ? "States.Timeout" : outcome.error}, {"Cause", silent ? "" : "as it happens"}}}};
    }
    std::vector<Results> parts;
    if (type == "Parallel") {
      for (const auto& branch : json::find(state, "Branches")->get_array()) parts.push_back(scope(branch.get_object(), input));
    } else {
      const auto& items = input.at("items").get_array();
      for (std::size_t i = 0; i < items.size(); ++i)
        parts.push_back(scope(json::find(state, "ItemProcessor")->get_object(), json::Object{{"n", items[i]}, {"items", items}, {"i", i}}));
    }
    return together(parts);
  }

  // Any failure may be the first; only if every part can succeed may all of them.
  static Results together(const std::vector<Results>& parts) {
    Results all;
    std::vector<json::Array> made(1);
    for (const auto& part : parts) {
      std::vector<json::Array> longer;
      for (const auto& outcome : part) {
        if (outcome.failed) {
          add(all, outcome);
          continue;
        }
        for (const auto& so_far : made) {
          longer.push_back(so_far);
          longer.back().push_back(outcome.value);
        }
      }
      made = std::move(longer);
    }
    for (auto& one : made) add(all, {false, std::move(one)});
    return all;
  }

  std::uint64_t seed_;
};

}  // namespace

std::uint64_t Chance::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

TaskOutcome taskOutcome(std::uint64_t seed, const json::Value& parameters, std::int64_t attempt) {
  std::uint64_t hash = seed;
  for (const char c : json::toText(parameters)) hash = Chance(hash ^ static_cast<unsigned char>(c)).next();
  Chance chance(hash + static_cast<std::uint64_t>(attempt));
  const auto kind = chance.below(100);
  if (kind < 60) return {TaskOutcome::Kind::succeeds, json::Object{{"did", parameters.at("state")}, {"try", attempt}}, ""};
  if (kind < 90) return {TaskOutcome::Kind::fails, nullptr, kind < 80 ? "Task.Flaky" : "Task.Broken"};
  return {TaskOutcome::Kind::silent, nullptr, ""};
}

json::Object makeMachine(Chance& chance) { return Maker(chance).graph(0); }

json::Object makeInput(Chance& chance) {
  json::Array items;
  for (auto i = chance.below(4); i > 0; --i) items.push_back(chance.below(20));
  return {{"n", chance.below(10)}, {"items", std::move(items)}};
}

std::set<std::string> oracle(std::uint64_t seed, const json::Object& machine, const json::Value& input) {
  std::set<std::string> texts;
  for (const auto& one : Oracle(seed).scope(machine, input))
    texts.insert(one.failed ? "FAILED " + json::toStd(one.value.at("Error").get_string()) : "SUCCEEDED " + json::toText(one.value));
  return texts;
}

}  // namespace sp::sim
