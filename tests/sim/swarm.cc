#include "swarm.h"

#include <algorithm>

#include <fmt/format.h>

#include "machines.h"
#include "oracle.h"

namespace sp::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kExecutions = 3;

/// How bad the world is, in percent of what it befalls.
struct Weather {
  std::uint64_t lost = 0;
  std::uint64_t torn = 0;
  std::uint64_t unsure = 0;
  std::uint64_t crash_before = 0;
  std::uint64_t crash_after = 0;
  std::uint64_t crash_acted = 0;
  std::uint64_t lost_answers = 0;
  std::uint64_t together = 0;
  std::uint64_t long_down = 0;
  /// All is well from this commit on.
  std::uint64_t calm_from = 0;

  // Each seed turns on a part of the faults, at its own rate.
  static Weather of(Chance& chance) {
    Weather made;
    made.calm_from = 10 + chance.below(150);
    if (chance.percent(15)) return made;
    for (auto* rate : {&made.lost, &made.torn, &made.unsure, &made.crash_before, &made.crash_after, &made.crash_acted, &made.lost_answers})
      if (chance.percent(40)) *rate = 1 + chance.below(20);
    if (chance.percent(40)) made.together = 10 + chance.below(60);
    if (chance.percent(20)) made.long_down = 20;
    return made;
  }
};

std::uint64_t hashOf(std::uint64_t seed, std::string_view text) {
  for (const char c : text) seed = Chance(seed ^ static_cast<unsigned char>(c)).next();
  return seed;
}

class Swarm final : public Policy {
 public:
  Swarm(std::uint64_t seed, Chance& chance) : seed_(seed), chance_(chance), weather_(Weather::of(chance)), repeats_(chance.percent(50)) {}

  Fault fault(std::uint64_t commit) override {
    commit_ = commit;
    if (calm()) return {};
    using Kind = Fault::Kind;
    for (const auto& [rate, kind] :
         {std::pair(weather_.lost, Kind::lost), std::pair(weather_.torn, Kind::torn), std::pair(weather_.unsure, Kind::unsure),
          std::pair(weather_.crash_before, Kind::crash_before), std::pair(weather_.crash_after, Kind::crash_after),
          std::pair(weather_.crash_acted, Kind::crash_acted)})
      if (chance_.percent(rate)) return {kind, kind == Kind::torn ? chance_.below(12) : 0};
    return {};
  }
  bool losesAnswers(std::uint64_t) override { return !calm() && chance_.percent(weather_.lost_answers); }
  Duration again() override { return milliseconds(chance_.below(1500)); }
  Duration down() override { return milliseconds(chance_.below(chance_.percent(weather_.long_down) ? 40'000 : 200)); }
  int together() override { return !calm() && chance_.percent(weather_.together) ? 2 + static_cast<int>(chance_.below(4)) : 1; }

  // Decided by what it is, not by when it is asked.
  Plan plan(const Asked& asked) override {
    Chance chance(hashOf(seed_ + static_cast<std::uint64_t>(asked.redrives), asked.key()));
    const auto& parameters = asked.parameters.get_object();
    const auto heartbeat = json::intOr(parameters, "beat", 0);
    Plan plan;
    plan.output = json::Object{{"did", *json::find(parameters, "state")}, {"try", asked.attempt}};
    plan.cause = "as it happens";
    plan.after = milliseconds(chance.percent(75) ? chance.below(3'000) : chance.below(40'000));
    plan.between = seconds(heartbeat / 2);
    if (heartbeat > 0) plan.beats = static_cast<int>(plan.after / plan.between);
    if (repeats_ && chance.percent(20)) plan.answers = 2;
    const auto kind = asked.redrives > 0 && chance.percent(80) ? 0 : chance.below(100);
    if (kind < 55) return plan;
    plan.error = kind < 75 ? "Task.Flaky" : "Task.Broken";
    plan.end = kind < 85 ? Plan::End::fails : Plan::End::silent;
    if (kind < 85) return plan;
    // It dies, after some heartbeats or none; works on and on; or answers when its time is long over.
    if (kind < 90) plan.beats = heartbeat > 0 ? static_cast<int>(chance.below(3)) : 0;
    else if (kind < 95) plan.beats = heartbeat > 0 ? static_cast<int>(seconds(150) / plan.between) : 0;
    else plan = {.output = plan.output, .after = seconds(200)};
    return plan;
  }

 private:
  bool calm() const { return commit_ >= weather_.calm_from; }

  std::uint64_t seed_;
  Chance& chance_;
  Weather weather_;
  bool repeats_;
  std::uint64_t commit_ = 0;
};

Outcome timedOut(std::string also) { return {true, json::Object{{"Error", "States.Timeout"}, {"Cause", ""}}, std::move(also)}; }
Outcome answerOf(const Plan& plan) {
  if (plan.end == Plan::End::succeeds) return {false, plan.output};
  return {true, json::Object{{"Error", plan.error}, {"Cause", plan.cause}}};
}

// What comes of a plan in a state with these times, if nothing is late.
Outcome outcomeOf(const Plan& plan, const json::Object& state) {
  const auto timeout = Duration(seconds(json::intOr(state, "TimeoutSeconds", 0)));
  const auto heartbeat = Duration(seconds(json::intOr(state, "HeartbeatSeconds", 0)));
  const auto quiet = heartbeat > Duration(0) ? plan.between * plan.beats + heartbeat : Duration::max();
  const bool at_once = json::textOr(state, "Resource") == kNow;
  if (plan.end != Plan::End::silent && (at_once || plan.after < std::min(timeout, quiet))) return answerOf(plan);
  return timedOut(quiet < timeout ? "States.HeartbeatTimeout" : "");
}

TaskOutcomes outcomesIn(const Report& report, const std::string& arn) {
  return [&report, arn](const json::Object& state, const json::Object& parameters, std::int64_t attempt) {
    const Asked asked{.execution = arn, .parameters = parameters, .attempt = attempt};
    Outcomes all;
    // What was never begun comes to nothing.
    const auto tried = report.tried.find(asked.key());
    if (tried == report.tried.end()) return all;
    for (const auto& plan : tried->second.plans) {
      all.push_back(outcomeOf(plan, state));
      // The answer or the end of its time may come late.
      if (report.undisturbed) continue;
      if (plan.end != Plan::End::silent) all.push_back(answerOf(plan));
      if (tried->second.cancelled) all.insert(all.end(), {timedOut(""), timedOut("States.HeartbeatTimeout")});
    }
    return all;
  };
}

struct Judged {
  json::Object machine;
  json::Object input;
  bool may_be_stopped = false;
};

void judge(Report& report, const std::string& arn, const Judged& what) {
  const auto found = report.results.find(arn);
  if (found == report.results.end()) return;
  const auto& result = found->second;
  if (result == "ABORTED Sim.Stopped" && what.may_be_stopped) return;
  if (result == "TIMED_OUT States.Timeout" && what.machine.contains("TimeoutSeconds")) return;
  const auto tasks = outcomesIn(report, arn);
  if (mayComeTo(result, what.machine, what.input, tasks)) return;
  report.broken.push_back(fmt::format("{} came to\n  {}\nbut may only come to{}\nof {}\nwith {}", arn, result,
                                      allThatMayBe(what.machine, what.input, tasks), json::toText(what.machine), json::toText(what.input)));
}

}  // namespace

Report simulate(std::uint64_t seed, bool tell_story) {
  Chance chance(seed);
  Swarm policy(seed, chance);
  World::Setup setup;
  setup.tell_story = tell_story;
  setup.workers = 1 + static_cast<int>(chance.below(3));
  if (chance.percent(20)) setup.step_events = 8 + static_cast<std::int64_t>(chance.below(12));
  std::map<std::string, Judged> judged;
  // Faults cost time, too: retried answers, dead processes, timers that come late.
  setup.bound = std::chrono::hours(2);
  const bool redrives = chance.percent(40);
  const bool stops = chance.percent(25);
  for (int i = 0; i < kExecutions; ++i) {
    const auto machine = fmt::format("m{}", i);
    const auto arn = fmt::format("arn:aws:states:us-east-1:000000000000:execution:{}:e", machine);
    auto& one = judged[arn];
    one.machine = makeMachine(chance);
    one.input = makeInput(chance);
    setup.executions.push_back({arn, machine, json::toText(one.machine), json::toText(one.input)});
    std::int64_t runs = 1;
    for (auto left = redrives ? chance.below(3) : 0; left > 0; --left, ++runs)
      setup.intents.push_back({Intent::Kind::redrive, arn, milliseconds(chance.below(30'000))});
    setup.bound += longest(one.machine, one.input) * runs;
    for (auto left = stops ? chance.below(3) : 0; left > 0; --left) {
      one.may_be_stopped = true;
      setup.intents.push_back({Intent::Kind::stop, arn, milliseconds(chance.below(100'000))});
    }
  }
  auto report = World(seed, std::move(setup), policy).run();
  if (report.broken.empty())
    for (const auto& [arn, what] : judged) judge(report, arn, what);
  return report;
}

}  // namespace sp::sim
