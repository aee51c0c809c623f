// The guarantee itself, on random orders of events: at the end of every history no machine is left stopped or frozen
// unless a person took it over. That a debt precedes its effect is checked in the model fleet at every send and stop.
#include "services/stillpoint/ledger.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/log.h"

#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

using quiesce::Machine;

class LedgerTest : public LanesTest {
 protected:
  std::uint64_t pick(std::uint64_t bound) { return chance_.below(bound); }
  void note(std::string what) { history_.push_back(std::move(what)); }

  void startRun() {
    static constexpr int kPaths[] = {1, 1, 3, 4, 5, 7, 8};
    const int path = kPaths[pick(7)];
    const auto execution = fmt::format("{}-{}", kExecution, executions_.size());
    executions_.push_back(execution);
    note(fmt::format("start path {} as {}", path, executions_.size() - 1));
    begin(inputFor(path, pick(2) == 0 ? R"("TargetEC2Instances": ["i-a"])" : R"("TargetEC2Instances": ["i-b", "i-a"])"), execution);
  }

  // The agent runs the scripts of one freeze one after the other: a thaw ends after its pre-script.
  void endSomeCommand(bool well) {
    auto index = static_cast<std::size_t>(pick(fleet_.commands.size()));
    const auto& chosen = fleet_.commands[index];
    if (chosen.order.freeze && json::textOr(*chosen.order.freeze, "phase") == "thaw")
      for (std::size_t i = 0; i < fleet_.commands.size(); ++i) {
        const auto& other = fleet_.commands[i].order.freeze;
        if (other && json::textOr(*other, "phase") == "freeze" && other->at("id") == chosen.order.freeze->at("id")) index = i;
      }
    const auto& command = fleet_.commands[index];
    static constexpr const char* kEnds[] = {"Success", "Success", "Success", "Failed", "TimedOut"};
    const std::string status = command.cancelled ? "Cancelled" : well ? "Success" : kEnds[pick(5)];
    const bool lost = status == "TimedOut" && pick(2) == 0;
    note(fmt::format("command {} on {} ends as {}{}", command.id, command.order.instance, status, lost ? " undelivered" : ""));
    endCommand(index, status, lost ? "DeliveryTimedOut" : "", !lost);
  }

  void endSomeJob(bool well) {
    std::vector<std::string> open;
    for (const auto& [id, job] : fleet_.jobs)
      if (!job.ended()) open.push_back(id);
    if (open.empty()) return;
    const auto job = open[pick(open.size())];
    if (!well && pick(3) == 0) {
      note("cut of " + job);
      return cutJob(job);
    }
    static constexpr const char* kEnds[] = {"COMPLETED", "COMPLETED", "PARTIAL", "FAILED", "EXPIRED"};
    const std::string state = fleet_.jobs[job].state == "ABORTING" ? "ABORTED" : well ? "COMPLETED" : kEnds[pick(5)];
    note(job + " ends as " + state);
    endJob(job, state);
  }

  void person() {
    const std::string instance = pick(2) == 0 ? "i-a" : "i-b";
    auto& machine = fleet_.machines[instance];
    const auto what = pick(12);
    if (what == 0 && machine.state != Machine::gone && pick(4) == 0) {
      note("terminate " + instance);
      machine.state = Machine::gone;
      machine.terminated = true;
      fleet_.power.erase(instance);
      run([&](store::Txn& txn) { lanes_->personActed(txn, instance, "terminate", "arn:alice"); });
      run([&](store::Txn& txn) { lanes_->powerSettled(txn, instance, ""); });
      for (std::size_t i = 0; i < fleet_.commands.size();) {
        if (fleet_.commands[i].order.instance != instance) ++i;
        else endCommand(i, "Failed", "Undeliverable", false), i = 0;
      }
    } else if (what < 4 && machine.state == Machine::running) {
      note("stop " + instance);
      person_stopped_.insert(instance);
      machine.state = Machine::stopping;
      fleet_.power.insert(instance);
      run([&](store::Txn& txn) { lanes_->personActed(txn, instance, "stop", "arn:alice"); });
    } else if (what < 9 && machine.state == Machine::stopped) {
      note("start " + instance);
      person_stopped_.erase(instance);
      person_started_.insert(instance);
      machine.state = Machine::pending;
      fleet_.power.insert(instance);
      run([&](store::Txn& txn) { lanes_->personActed(txn, instance, "start", "arn:bob"); });
    } else {
      note("pay now " + instance);
      run([&](store::Txn& txn) { ledger_->payNow(txn, instance, "arn:bob"); });
    }
  }

  // For a wake that its server's silence makes, a machine must be frozen, up, and have an agent that can.
  void guard() {
    const std::string instance = pick(2) == 0 ? "i-a" : "i-b";
    const auto& machine = fleet_.machines[instance];
    if (!machine.guards || machine.state != Machine::running || !guardBegins(instance)) return;
    note(fmt::format("{} wakes itself: {}", instance, fleet_.commands.back().id));
  }

  void somethingHappens() {
    switch (pick(18)) {
      case 0:
        if (executions_.size() < 5) startRun();
        break;
      case 1:
      case 2:
      case 3:
      case 4:
        if (!fleet_.commands.empty()) endSomeCommand(false);
        break;
      case 5:
      case 6:
      case 7:
        if (!fleet_.power.empty()) {
          const auto instance = *std::next(fleet_.power.begin(), static_cast<std::ptrdiff_t>(pick(fleet_.power.size())));
          const bool bad = pick(4) == 0;
          note(fmt::format("power of {} settles{}", instance, bad ? " badly" : ""));
          // A start that a person asked for and that failed is not ours to repeat.
          if (person_started_.erase(instance) > 0 && bad) person_stopped_.insert(instance);
          settlePower(instance, bad ? "no capacity" : "");
        }
        break;
      case 8:
      case 9:
      case 10: endSomeJob(false); break;
      case 11:
        if (!executions_.empty()) {
          const auto& execution = executions_[pick(executions_.size())];
          note("abort " + execution.substr(kExecution.size()));
          run([&](store::Txn& txn) { driver_.abort(txn, execution, pick(2) == 0 ? "ABORTED" : "TIMED_OUT"); });
        }
        break;
      case 12:
        note("time");
        advance(std::chrono::seconds(1 + static_cast<std::int64_t>(pick(400))));
        break;
      case 13:
        note("restart");
        boot();
        break;
      case 14: person(); break;
      case 15:
      case 16: guard(); break;
      default:
        fleet_.refuse_start = pick(4) == 0;
        fleet_.refuse_stop = pick(6) == 0;
        fleet_.refuse_send = pick(6) == 0;
        fleet_.refuse_job = pick(6) == 0;
        fleet_.refuse_promise = pick(6) == 0;
        fleet_.machines["i-b"].guards = pick(3) != 0;
        fleet_.refuse_row = pick(6) == 0;
        fleet_.machines["i-b"].online = pick(4) != 0;
    }
  }

  // From here on everything works; all must come to rest.
  void calm() {
    fleet_.refuse_start = fleet_.refuse_stop = fleet_.refuse_send = fleet_.refuse_job = fleet_.refuse_row = fleet_.refuse_promise = false;
    for (auto& [id, machine] : fleet_.machines) machine.online = true;
    for (int quiet = 0, i = 0; quiet < 3 && i < 500; ++i) {
      const bool job_open = std::ranges::any_of(fleet_.jobs, [](const auto& job) { return !job.second.ended(); });
      if (!fleet_.commands.empty()) endSomeCommand(true);
      else if (!fleet_.power.empty()) settlePower(*fleet_.power.begin());
      else if (job_open) endSomeJob(true);
      else {
        ++quiet;
        advance(std::chrono::minutes(7));
        continue;
      }
      quiet = 0;
    }
  }

  void check() {
    for (const auto& [id, machine] : fleet_.machines) {
      const auto debts = owedTo(id);
      if (machine.state == Machine::gone) {
        EXPECT_TRUE(debts.empty()) << id << " is gone and still owed something";
        continue;
      }
      const bool suspended = std::ranges::any_of(debts, [](const auto& debt) { return debt.state == quiesce::DebtState::suspended; });
      for (const auto& debt : debts)
        EXPECT_TRUE(suspended || person_stopped_.contains(id)) << id << " is owed a " << toText(debt.kind) << ": " << debt.last_error;
      if (suspended || person_stopped_.contains(id)) continue;
      EXPECT_EQ(machine.state, Machine::running) << id;
      EXPECT_TRUE(machine.frozen.empty()) << id << " is frozen";
      EXPECT_EQ(holder(id), "") << id;
    }
    for (const auto& [id, promise] : fleet_.promises) {
      const auto debts = owedTo(promise.first.instance);
      EXPECT_FALSE(debts.empty()) << id << " is kept for nothing";
    }
    for (const auto& execution : executions_) {
      EXPECT_TRUE(driver_.ended.contains(execution)) << execution;
      EXPECT_TRUE(fleet_.rows.contains(execution)) << execution;
    }
  }

  SeededRandom chance_{1};
  std::vector<std::string> executions_;
  std::set<std::string> person_stopped_, person_started_;
  std::vector<std::string> history_;
};

TEST_F(LedgerTest, NothingIsLeftStoppedOrFrozenWhateverHappens) {
  log::configure(log::Level::error, log::Format::text);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    chance_ = SeededRandom(seed);
    fleet_ = ModelFleet();
    fleet_.machines["i-a"] = {};
    fleet_.machines["i-b"] = {};
    driver_ = Driver();
    executions_.clear();
    person_stopped_.clear();
    person_started_.clear();
    history_.clear();
    run([](store::Txn& txn) {
      for (const char* kind : {"run", "lane", "debt", "lane_of", "machine_lock"})
        for (const auto& record : txn.records().scan(kind, "", "", 10'000)) txn.records().erase(kind, record.key);
      for (const auto& timer : txn.timers().due(fromMicros(std::numeric_limits<std::int64_t>::max() / 2), 10'000))
        txn.timers().drop(timer.kind, timer.id);
    });
    boot();
    startRun();
    for (int i = 0; i < 60; ++i) somethingHappens();
    note("--- calm");
    calm();
    check();
    if (HasFailure()) {
      std::string told;
      for (const auto& line : history_) told += line + "\n";
      FAIL() << "seed " << seed << ":\n" << told;
    }
  }
}

}  // namespace
}  // namespace sp::services::stillpoint
