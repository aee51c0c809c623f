#include "oracle.h"

#include <algorithm>

namespace sp::sim {
namespace {

class Oracle {
 public:
  explicit Oracle(const TaskOutcomes& tasks) : tasks_(tasks) {}

  // All that a scope may come to. Results of branches and iterations are not made up but taken from `claimed`, the output
  // that the scope is said to have, if they may be: there can be very many. nullptr: they do not matter.
  Outcomes scope(const json::Object& graph, const json::Value& input, const json::Value* claimed) const {
    return from(graph, json::textOr(graph, "StartAt"), input, claimed);
  }

 private:
  static void add(Outcomes& all, Outcome one) {
    const auto same = [&](const Outcome& known) {
      return known.failed == one.failed && known.also == one.also && json::toText(known.value) == json::toText(one.value);
    };
    if (std::ranges::none_of(all, same)) all.push_back(std::move(one));
  }

  Outcomes from(const json::Object& graph, const std::string& name, const json::Value& input, const json::Value* claimed) const {
    const auto& state = json::find(json::find(graph, "States")->get_object(), name)->get_object();
    const auto type = json::textOr(state, "Type");
    if (type == "Succeed") return {{false, input}};
    if (type == "Fail") return {{true, json::Object{{"Error", *json::find(state, "Error")}, {"Cause", *json::find(state, "Cause")}}}};
    if (type == "Choice") {
      const auto& rule = json::find(state, "Choices")->get_array()[0].get_object();
      const bool holds = input.at("n").to_number<double>() > json::find(rule, "NumericGreaterThan")->to_number<double>();
      return from(graph, holds ? json::textOr(rule, "Next") : json::textOr(state, "Default"), input, claimed);
    }
    Outcomes all;
    Outcomes tried;
    attempts(tried, state, type, input, claimed, 1, {});
    for (auto& outcome : tried) {
      auto output = input;
      auto next = json::textOr(state, "Next");
      if (outcome.failed) {
        const auto* catcher = handlerFor(state, "Catch", type, outcome).first;
        if (catcher == nullptr) {
          add(all, std::move(outcome));
          continue;
        }
        place(output, *catcher, outcome.value);
        next = json::textOr(*catcher, "Next");
      } else if (type != "Wait") {
        place(output, state, outcome.value);
      }
      if (next.empty()) add(all, {false, std::move(output)});
      else
        for (auto& one : from(graph, next, output, claimed)) add(all, std::move(one));
    }
    return all;
  }

  static void place(json::Value& output, const json::Object& state, const json::Value& value) {
    const auto* path = json::find(state, "ResultPath");
    if (path->is_null()) return;
    output.get_object()[json::toView(path->get_string()).substr(2)] = value;
  }

  static bool catches(std::string_view name, const std::string& type, const Outcome& outcome) {
    const auto error = json::toView(outcome.value.at("Error").get_string());
    if (name == "States.ALL" || name == error || name == outcome.also) return true;
    if (name == "States.TaskFailed") return error != "States.Timeout";
    return name == "States.BranchFailed" && type == "Parallel";
  }
  static std::pair<const json::Object*, std::size_t> handlerFor(const json::Object& state, std::string_view field, const std::string& type,
                                                                const Outcome& outcome) {
    const auto* list = json::find(state, field);
    if (list == nullptr) return {nullptr, 0};
    const auto& all = list->get_array();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& one = all[i].get_object();
      if (catches(json::toView(json::find(one, "ErrorEquals")->get_array()[0].get_string()), type, outcome)) return {&one, i};
    }
    return {nullptr, 0};
  }

  // A state with its retries, each retrier used as often as `used` says.
  void attempts(Outcomes& all, const json::Object& state, const std::string& type, const json::Value& input, const json::Value* claimed,
                std::int64_t attempt, std::vector<std::int64_t> used) const {
    for (auto& outcome : once(state, type, input, claimed, attempt)) {
      const auto [retrier, place] =
          outcome.failed ? handlerFor(state, "Retry", type, outcome) : std::pair<const json::Object*, std::size_t>{};
      used.resize(std::max(used.size(), place + 1));
      if (retrier == nullptr || used[place] >= json::intOr(*retrier, "MaxAttempts", 0)) {
        add(all, std::move(outcome));
        continue;
      }
      auto more = used;
      ++more[place];
      attempts(all, state, type, input, claimed, attempt + 1, std::move(more));
    }
  }

  Outcomes once(const json::Object& state, const std::string& type, const json::Value& input, const json::Value* claimed,
                std::int64_t attempt) const {
    if (type == "Pass") return {{false, *json::find(state, "Result")}};
    if (type == "Wait") return {{false, input}};
    if (type == "Task") {
      json::Object parameters{{"state", json::find(state, "Parameters")->at("state")}, {"n", input.at("n")}};
      if (const auto* seconds = json::find(state, "HeartbeatSeconds")) parameters["beat"] = *seconds;
      return tasks_(state, parameters, attempt);
    }
    const json::Value* value = nullptr;
    if (claimed != nullptr && claimed->is_object())
      value = json::find(claimed->get_object(), json::toView(json::find(state, "ResultPath")->get_string()).substr(2));
    std::vector<std::pair<const json::Object*, json::Value>> parts;
    if (type == "Parallel") {
      for (const auto& branch : json::find(state, "Branches")->get_array()) parts.emplace_back(&branch.get_object(), input);
    } else {
      const auto& items = input.at("items").get_array();
      for (std::size_t i = 0; i < items.size(); ++i)
        parts.emplace_back(&json::find(state, "ItemProcessor")->get_object(), json::Object{{"n", items[i]}, {"items", items}, {"i", i}});
    }
    return together(parts, json::find(state, "ToleratedFailureCount"), value, claimed == nullptr);
  }

  // Any failure may be the first. All succeed if each of them may have what is claimed, or for no claim if each may succeed.
  Outcomes together(const std::vector<std::pair<const json::Object*, json::Value>>& parts, const json::Value* tolerated,
                    const json::Value* claimed, bool no_claim) const {
    Outcomes all;
    bool may_succeed = no_claim || (claimed != nullptr && claimed->is_array() && claimed->get_array().size() == parts.size());
    std::int64_t borne = 0;
    std::int64_t may_fail = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto* wanted = may_succeed && !no_claim ? &claimed->get_array()[i] : nullptr;
      // How it fails does not depend on what is claimed of its success.
      auto failures = scope(*parts[i].first, parts[i].second, nullptr);
      const bool may_succeed_somehow = std::erase_if(failures, [](const Outcome& one) { return !one.failed; }) > 0;
      if (!failures.empty()) ++may_fail;
      if (tolerated == nullptr)
        for (const auto& outcome : failures) add(all, outcome);
      const auto fits = [&](const Outcome& one) { return !one.failed && one.value == *wanted; };
      if (wanted == nullptr ? may_succeed_somehow : std::ranges::any_of(scope(*parts[i].first, parts[i].second, wanted), fits)) continue;
      // A failure that is borne stands in its item's place.
      const bool bears = std::ranges::any_of(failures, [&](const Outcome& one) { return wanted == nullptr || one.value == *wanted; });
      if (tolerated != nullptr && bears) ++borne;
      else may_succeed = false;
    }
    const auto limit = tolerated == nullptr ? 0 : tolerated->to_number<std::int64_t>();
    if (tolerated != nullptr && may_fail > limit)
      add(all, {true, json::Object{{"Error", "States.ExceedToleratedFailureThreshold"},
                                   {"Cause", "The specified tolerated failure threshold was exceeded"}}});
    if (may_succeed && borne <= limit) all.push_back({false, claimed != nullptr ? *claimed : json::Value()});
    return all;
  }

  const TaskOutcomes& tasks_;
};

}  // namespace

bool mayComeTo(const std::string& result, const json::Object& machine, const json::Value& input, const TaskOutcomes& tasks) {
  const auto space = result.find(' ');
  const auto status = result.substr(0, space);
  const auto rest = result.substr(space + 1);
  if (status == "FAILED")
    return std::ranges::any_of(Oracle(tasks).scope(machine, input, nullptr),
                               [&](const Outcome& one) { return one.failed && json::toView(one.value.at("Error").get_string()) == rest; });
  if (status != "SUCCEEDED") return false;
  const auto output = json::parse(rest);
  return output && std::ranges::any_of(Oracle(tasks).scope(machine, input, &*output),
                                       [&](const Outcome& one) { return !one.failed && json::toText(one.value) == rest; });
}

std::string allThatMayBe(const json::Object& machine, const json::Value& input, const TaskOutcomes& tasks) {
  std::string all;
  for (const auto& one : Oracle(tasks).scope(machine, input, nullptr))
    all += one.failed ? "\n  FAILED " + json::toText(one.value) : "\n  SUCCEEDED " + json::toText(one.value);
  return all;
}

}  // namespace sp::sim
