// Every machine of up to three states, everything its tasks may do, a crash at every commit: compared with an interpreter
// that was written without a look at the engine.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "asl/definition.h"
#include "naive.h"
#include "small_machines.h"

namespace sp::sim {
namespace {

constexpr const char* kArn = "arn:aws:states:us-east-1:000000000000:execution:m:e";

/// What tasks do is chosen as they are begun, or known from an earlier run.
class Small final : public Policy {
 public:
  Small(Choices* choices, std::map<std::string, Plan>& plans) : choices_(choices), plans_(plans) {}
  // Tokens are others where a heartbeat came twice; when which state was entered is the same.
  std::string nameOf(const Asked& asked) const override {
    return fmt::format("{} {}", json::toText(asked.parameters), asked.begun.time_since_epoch().count());
  }
  Plan plan(const Asked& asked) override {
    begun.push_back(asked);
    const auto name = nameOf(asked);
    const auto found = plans_.find(name);
    if (found != plans_.end()) return found->second;
    // Begun only because an answer was lost.
    if (choices_ == nullptr) return {.end = Plan::End::silent};
    commits_of_choices.push_back(commit_);
    return plans_[name] = smallPlan(*choices_, asked);
  }
  Fault fault(std::uint64_t commit) override {
    commit_ = commit;
    return commit == at ? Fault{kind} : Fault{};
  }
  bool losesAnswers(std::uint64_t commit) override { return loses && commit == at; }

  std::uint64_t at = 0;
  Fault::Kind kind = Fault::Kind::none;
  bool loses = false;
  std::vector<Asked> begun;
  /// At which commit each choice was made.
  std::vector<std::uint64_t> commits_of_choices;

 private:
  Choices* choices_;
  std::map<std::string, Plan>& plans_;
  std::uint64_t commit_ = 0;
};

Report run(const std::string& definition, Policy& policy, bool look) {
  World::Setup setup;
  setup.executions = {{kArn, "m", definition, kSmallInput}};
  setup.workers = definition.find(kActivity) != std::string::npos ? 1 : 0;
  setup.look = look;
  return World(1, std::move(setup), policy).run();
}

std::string linesOf(const std::vector<std::string>& lines) {
  std::string all;
  for (const auto& line : lines) all += "\n  " + line;
  return all;
}

struct Counts {
  std::uint64_t machines = 0;
  std::uint64_t looked_at = 0;
  std::uint64_t runs = 0;
  std::uint64_t crashes = 0;
};

void compareWithNaive(const std::string& definition, const Report& clean, const Small& policy, const std::map<std::string, Plan>& plans) {
  std::map<std::tuple<std::string, std::int64_t, Micros>, Plan> by_place;
  std::vector<std::string> events;
  const auto& stored = clean.events_stored.at(kArn);
  const auto start = timeOf(json::parse(stored.front())->get_object());
  for (const auto& text : stored) events.push_back(inWords(json::parse(text)->get_object(), start));
  for (const auto& one : policy.begun)
    by_place[{json::textOr(one.parameters.get_object(), "s"), one.parameters.at("v").to_number<std::int64_t>(),
              toMicros(one.begun) - start}] = plans.at(policy.nameOf(one));
  const auto naive = interpret(json::parse(definition)->get_object(), *json::parse(kSmallInput),
                               [&](const std::string& state, std::int64_t v, Micros begun) -> std::optional<Plan> {
                                 const auto found = by_place.find({state, v, begun});
                                 return found == by_place.end() ? std::nullopt : std::optional(found->second);
                               });
  const auto result = clean.results.at(kArn);
  const auto told = naive.result.starts_with("FAILED") ? naive.result.substr(0, naive.result.find(':')) : naive.result;
  EXPECT_EQ(result, told) << definition;
  if (events != naive.events)
    ADD_FAILURE() << definition << "\nwent" << linesOf(events) << "\nbut is expected to go" << linesOf(naive.events);
}

// "{"timestamp":…" of each event.
std::vector<std::string> timesOf(const Report& report) {
  std::vector<std::string> times;
  for (const auto& [arn, events] : report.events_stored)
    for (const auto& text : events) times.push_back(text.substr(0, text.find(',')));
  return times;
}

void expectSame(const Report& report, const Report& wanted, const std::string& definition, const Small& policy) {
  if (report.broken.empty() && report.results == wanted.results && report.history == wanted.history && timesOf(report) == timesOf(wanted))
    return;
  ADD_FAILURE() << definition << "\nwith fault " << static_cast<int>(policy.kind) << " at commit " << policy.at << linesOf(report.broken)
                << "\nwent" << linesOf(report.history.empty() ? std::vector<std::string>() : report.history.begin()->second)
                << "\nbut is expected to go" << linesOf(wanted.history.begin()->second);
}

// Crashes at the commits from `first` on: those before are the same as in the run before this one.
void crashEverywhere(const std::string& definition, const Report& clean, std::map<std::string, Plan>& plans, std::uint64_t first,
                     Counts& counts) {
  using Kind = Fault::Kind;
  for (auto commit = first; commit < clean.commits && !testing::Test::HasFailure(); ++commit) {
    std::optional<Report> after_loss;
    if (clean.handed_out.contains(commit)) {
      Small loses(nullptr, plans);
      loses.at = commit;
      loses.loses = true;
      after_loss = run(definition, loses, true);
      for (const auto& what : after_loss->broken) ADD_FAILURE() << definition << ": " << what;
    }
    for (const auto kind : {Kind::crash_before, Kind::crash_after, Kind::crash_acted}) {
      Small policy(nullptr, plans);
      policy.at = commit;
      policy.kind = kind;
      const auto report = run(definition, policy, false);
      expectSame(report, after_loss && kind != Kind::crash_before ? *after_loss : clean, definition, policy);
      EXPECT_EQ(report.crashes, 1U);
      ++counts.crashes;
    }
  }
}

TEST(SmallMachines, AllOfThemDoWhatTheNaiveInterpreterDoes) {
  // Sanitizers make this twenty times as slow: with them SP_EVERY=N takes each Nth machine.
  const char* asked = std::getenv("SP_EVERY");
  const std::uint64_t every = asked == nullptr ? 1 : std::max<std::uint64_t>(1, std::strtoull(asked, nullptr, 10));
  Counts counts;
  for (Choices machines; machines.begin() && !HasFailure();) {
    const auto definition = smallMachine(machines);
    // Some have a state that nothing leads to.
    if (!asl::compile(definition)) continue;
    if (counts.machines++ % every != 0) continue;
    ++counts.looked_at;
    for (Choices outcomes; outcomes.begin() && !HasFailure();) {
      std::map<std::string, Plan> plans;
      Small policy(&outcomes, plans);
      const auto clean = run(definition, policy, true);
      for (const auto& what : clean.broken) ADD_FAILURE() << definition << ": " << what;
      if (HasFailure()) break;
      compareWithNaive(definition, clean, policy, plans);
      ++counts.runs;
      const auto kept = outcomes.kept();
      crashEverywhere(definition, clean, plans, kept < policy.commits_of_choices.size() ? policy.commits_of_choices[kept] : 0, counts);
    }
  }
  std::printf("%llu machines, %llu runs, %llu crashes\n", static_cast<unsigned long long>(counts.looked_at),
              static_cast<unsigned long long>(counts.runs), static_cast<unsigned long long>(counts.crashes));
  EXPECT_GT(counts.machines, 1000U);
  EXPECT_GT(counts.runs, counts.looked_at * 4);
  EXPECT_GT(counts.crashes, counts.runs * 5);
}

}  // namespace
}  // namespace sp::sim
