// The crash sweep: a machine is run once with nothing going wrong, then once for each fault at each of its commits. Every
// run must come to the same end by the same history.
#include <cstdio>

#include <gtest/gtest.h>

#include "sweep_machines.h"

namespace sp::sim {
namespace {

constexpr const char* kArn = "arn:aws:states:us-east-1:000000000000:execution:m:e";

/// One fault at one commit, or the answers to that commit get lost.
class OnePoint final : public Policy {
 public:
  OnePoint(std::uint64_t commit, Fault fault, bool loses_answers = false) : commit_(commit), fault_(fault), loses_answers_(loses_answers) {}
  Plan plan(const Asked& asked) override { return planOf(asked); }
  Fault fault(std::uint64_t commit) override { return commit == commit_ ? fault_ : Fault{}; }
  bool losesAnswers(std::uint64_t commit) override { return loses_answers_ && commit == commit_; }

 private:
  std::uint64_t commit_;
  Fault fault_;
  bool loses_answers_;
};

/// The first attempt at every commit goes wrong.
class EveryPoint final : public Policy {
 public:
  explicit EveryPoint(Fault::Kind kind) : kind_(kind) {}
  Plan plan(const Asked& asked) override { return planOf(asked); }
  Fault fault(std::uint64_t commit) override { return commit % 2 == 0 ? Fault{kind_} : Fault{}; }

 private:
  Fault::Kind kind_;
};

Report run(const SweepMachine& machine, Policy& policy) {
  World::Setup setup;
  setup.executions = {{kArn, "m", machine.definition, machine.input}};
  if (machine.stopped_after > 0) setup.intents.push_back({Intent::Kind::stop, kArn, std::chrono::seconds(machine.stopped_after)});
  for (int i = 0; i < machine.redrives; ++i) setup.intents.push_back({Intent::Kind::redrive, kArn, std::chrono::seconds(5)});
  setup.workers = machine.definition.find(kActivity) != std::string::npos ? 1 : 0;
  setup.step_events = machine.step_events;
  return World(1, std::move(setup), policy).run();
}

void expectSame(const Report& report, const Report& wanted, const std::string& where) {
  for (const auto& what : report.broken) ADD_FAILURE() << where << ": " << what;
  EXPECT_EQ(report.results, wanted.results) << where;
  const auto& events = report.history.at(kArn);
  const auto& expected = wanted.history.at(kArn);
  for (std::size_t i = 0; i < std::max(events.size(), expected.size()); ++i) {
    const auto one = i < events.size() ? events[i] : "nothing";
    const auto other = i < expected.size() ? expected[i] : "nothing";
    if (one == other) continue;
    ADD_FAILURE() << where << ": the history is\n  " << one << "\nwhere it should be\n  " << other;
    break;
  }
}

struct Counts {
  std::uint64_t machines = 0;
  std::uint64_t commits = 0;
  std::uint64_t points = 0;
};

// A task that was handed to a worker who never got it is done by nobody until its time is over: another history than the
// clean run's, but the same one for all faults by which he does not get it.
Report afterLoss(const SweepMachine& machine, const Report& clean, std::uint64_t commit, const std::string& where) {
  OnePoint policy(commit, {}, true);
  auto report = run(machine, policy);
  if (!clean.handed_out.contains(commit)) {
    expectSame(report, clean, where + ", its answers lost");
  } else {
    for (const auto& what : report.broken) ADD_FAILURE() << where << ", its answers lost: " << what;
  }
  return report;
}

void sweepPoint(const SweepMachine& machine, const Report& clean, std::uint64_t commit, Counts& counts) {
  using Kind = Fault::Kind;
  const auto where = "'" + machine.name + "', commit " + std::to_string(commit);
  const auto after_loss = afterLoss(machine, clean, commit, where);
  std::vector<std::pair<Fault, const Report*>> faults = {{{Kind::lost}, &clean},
                                                         {{Kind::crash_before}, &clean},
                                                         {{Kind::unsure}, &after_loss},
                                                         {{Kind::crash_after}, &after_loss},
                                                         {{Kind::crash_acted}, &after_loss}};
  for (std::uint64_t write = 0; write < clean.writes[commit]; ++write) faults.push_back({{Kind::torn, write}, &clean});
  for (const auto& [fault, wanted] : faults) {
    OnePoint policy(commit, fault);
    const auto report = run(machine, policy);
    expectSame(report, *wanted, where + ", fault " + std::to_string(static_cast<int>(fault.kind)) + "/" + std::to_string(fault.at));
    EXPECT_EQ(report.crashes + report.faults, 1U) << where;
    ++counts.points;
  }
}

TEST(CrashSweep, AFaultAtAnyCommitChangesNothing) {
  Counts counts;
  for (const auto& machine : sweepMachines()) {
    OnePoint nothing(0, {});
    const auto clean = run(machine, nothing);
    for (const auto& what : clean.broken) ADD_FAILURE() << machine.name << ": " << what;
    EXPECT_EQ(clean.results.at(kArn), machine.result) << machine.name;
    EXPECT_TRUE(clean.undisturbed) << machine.name;
    ++counts.machines;
    counts.commits += clean.commits;
    for (std::uint64_t commit = 0; commit < clean.commits && !HasFailure(); ++commit) sweepPoint(machine, clean, commit, counts);
    if (HasFailure()) return;
    if (!clean.handed_out.empty()) continue;
    for (const auto kind : {Fault::Kind::lost, Fault::Kind::crash_before, Fault::Kind::crash_after, Fault::Kind::crash_acted}) {
      EveryPoint policy(kind);
      expectSame(run(machine, policy), clean, "'" + machine.name + "', fault " + std::to_string(static_cast<int>(kind)) + " everywhere");
    }
  }
  std::printf("%llu machines, %llu commits, %llu points\n", static_cast<unsigned long long>(counts.machines),
              static_cast<unsigned long long>(counts.commits), static_cast<unsigned long long>(counts.points));
  EXPECT_GE(counts.machines, 15U);
  EXPECT_GT(counts.points, counts.commits * 5);
}

}  // namespace
}  // namespace sp::sim
