// The runtime on a real store: every event is one commit, and a crash at any boundary changes nothing.
#include "runtime/execution_runtime_test.h"

#include <gmock/gmock.h>

#include "runtime/longest_run.h"
#include "runtime/retention.h"

namespace sp::runtime {
namespace {

using testing::HasSubstr;

/// A transaction on a disk that is full as soon as a timer is to be set.
class FullTxn final : public store::Txn, store::TimerTable {
 public:
  explicit FullTxn(store::Txn& real) : real_(real) {}
  store::RecordTable& records() override { return real_.records(); }
  store::TimerTable& timers() override { return *this; }
  store::ItemTable& items() override { return real_.items(); }
  store::ObjectTable& objects() override { return real_.objects(); }
  store::ExecutionTable& executions() override { return real_.executions(); }
  void afterCommit(std::function<void()> action) override { real_.afterCommit(std::move(action)); }
  bool nested(const std::function<bool()>& part) override { return real_.nested(part); }
  Instant now() const override { return real_.now(); }

 private:
  void set(const store::Timer&) override { throw store::Fault("no space", true); }
  void drop(std::string_view, std::string_view) override {}
  std::optional<store::Timer> find(std::string_view, std::string_view) override { return std::nullopt; }
  void shift(std::string_view, std::string_view, Duration) override {}
  std::vector<store::Timer> due(Instant, std::size_t) override { return {}; }
  std::optional<Instant> earliest() override { return std::nullopt; }

  store::Txn& real_;
};

std::string task(std::string_view kind, std::string_view next) {
  return fmt::format(R"({{"Type":"Task","Resource":"arn:aws:states:::test:{}",{}}})", kind, next);
}
const std::string kAll = fmt::format(
    R"({{"StartAt":"A","States":{{"A":{},"B":{{"Type":"Wait","Seconds":5,"Next":"C"}},"C":{{"Type":"Parallel","Next":"D","Branches":[
  {{"StartAt":"E","States":{{"E":{}}}}},{{"StartAt":"F","States":{{"F":{}}}}}]}},
  "D":{{"Type":"Task","Resource":"arn:aws:states:::test:fail","Retry":[{{"ErrorEquals":["Test.Error"],"MaxAttempts":2}}],"Catch":[{{"ErrorEquals":["States.ALL"],"Next":"G"}}],"End":true}},
  "G":{{"Type":"Succeed"}}}}}})",
    task("later", R"("Next":"B")"), task("later", R"("End":true)"), task("now", R"("End":true)"));

TEST_F(RuntimeTest, OneThatEndsAtOnceIsWrittenAsEnded) {
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Pass","Result":7,"End":true}}})");
  EXPECT_EQ(row().status, "SUCCEEDED");
  EXPECT_EQ(json::textOr(json::parse(row().description)->get_object(), "output"), "7");
  EXPECT_EQ(count("ended"), 1U);
  EXPECT_FALSE(core_->nextTimer());
}

TEST_F(RuntimeTest, TasksThatAnswerAtOnceDoNotNest) {
  std::string states;
  for (int i = 0; i < 500; ++i) states += fmt::format(R"("S{}":{},)", i, task("now", fmt::format(R"("Next":"S{}")", i + 1)));
  startExecution(fmt::format(R"({{"StartAt":"S0","States":{{{}"S500":{{"Type":"Succeed"}}}}}})", states));
  EXPECT_EQ(row().status, "SUCCEEDED");
  EXPECT_EQ(count("started"), 500U);
}

// What a run without any interruption writes is what every interrupted one must write: the server is killed (everything
// in memory is dropped) at each boundary in turn, and at all of them.
TEST_F(RuntimeTest, ACrashAtAnyBoundaryChangesNothing) {
  const auto whole = [&](int crash_at) {
    bootAnew();
    startExecution(kAll);
    int boundary = 0;
    for (bool more = true; more;) {
      if (crash_at == -1 || crash_at == boundary) boot();
      ++boundary;
      more = answer() || elapse();
    }
    EXPECT_EQ(row().status, "SUCCEEDED");
    EXPECT_EQ(count("open"), 0U);
    EXPECT_EQ(count("started"), 6U);
    EXPECT_EQ(count("ended"), 1U);
    return std::pair(history(), boundary);
  };
  const auto [clean, boundaries] = whole(-2);
  EXPECT_GE(boundaries, 5);
  for (int at = -1; at < boundaries; ++at) EXPECT_EQ(whole(at).first, clean) << "crash at boundary " << at;
}

// The first branch's task is asked for, then the second one's timer fails: with its step the task is undone too.
TEST_F(RuntimeTest, AStartThatBreaksOffAsksForNothing) {
  const auto definition =
      fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Parallel","End":true,"Branches":[{{"StartAt":"B","States":{{"B":{}}}}},
        {{"StartAt":"C","States":{{"C":{{"Type":"Wait","Seconds":5,"End":true}}}}}}]}}}}}})",
                  task("later", R"("End":true)"));
  run([&](store::Txn& txn) {
    FullTxn full(txn);
    return runtime_->start(full, specOf(txn, definition));
  });
  EXPECT_EQ(tasks_->starts, 0);
  startExecution(definition);
  EXPECT_EQ(tasks_->starts, 1);
}

TEST_F(RuntimeTest, AJobThatIsUndoneLeavesNoTrace) {
  startExecution(kAll);
  const auto before = history();
  run([&](store::Txn& txn) {
    const auto open = txn.records().scan("open", "", "", 1);
    runtime_->taskSucceeded(txn, open.at(0).key, json::Value("undone"));
    return false;
  });
  EXPECT_EQ(history(), before);
  EXPECT_TRUE(answer());
  EXPECT_THAT(history(), HasSubstr("TaskSucceeded"));
  EXPECT_THAT(history(), testing::Not(HasSubstr("undone")));
}

TEST_F(RuntimeTest, OutcomesThatNobodyWaitsForAreIgnored) {
  startExecution(kAll);
  const auto before = history();
  run([&](store::Txn& txn) {
    runtime_->taskSucceeded(txn, std::string(kArn) + "#99", json::Value(1));
    runtime_->taskFailed(txn, "nonsense", "E", "");
    runtime_->taskSucceeded(txn, "other#1", json::Value(1));
    return true;
  });
  EXPECT_EQ(history(), before);
}

TEST_F(RuntimeTest, StoppingCancelsWhatIsOpen) {
  startExecution(kAll);
  run([&](store::Txn& txn) {
    EXPECT_TRUE(runtime_->stop(txn, kArn, "Err", "why"));
    EXPECT_FALSE(runtime_->stop(txn, kArn, "Err", "again"));
    EXPECT_FALSE(runtime_->stop(txn, "other", "", ""));
    return true;
  });
  EXPECT_EQ(row().status, "ABORTED");
  EXPECT_EQ(count("open"), 0U);
  EXPECT_EQ(count("ended"), 1U);
}

TEST_F(RuntimeTest, TimersThatCameDueWhileDownFireAtOnce) {
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":3600,"End":true}}})");
  clock_.advance(std::chrono::hours(5));
  boot();
  core_->runPending();
  EXPECT_EQ(row().status, "SUCCEEDED");
}

TEST_F(RuntimeTest, AnUnknownResourceFailsItsTask) {
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::gone:x","End":true}}})");
  EXPECT_EQ(row().status, "FAILED");
  EXPECT_THAT(row().description, HasSubstr("arn:aws:states:::gone:x is not available"));
}

TEST_F(RuntimeTest, AnExecutionEndsAfterItsYear) {
  LongestRun longest(*core_, *runtime_, 365 * kDay);
  const auto begin = [&longest](store::Txn& txn) {
    longest.begin(txn);
    return true;
  };
  run(begin);
  clock_.advance(kDay);
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Parallel","End":true,"Branches":[
    {"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":99999999,"End":true}}},
    {"StartAt":"C","States":{"C":{"Type":"Task","Resource":"arn:aws:states:::test:later","End":true}}}]}}})");
  // What it looks at meanwhile it lets go on: at the oldest one's day, and after a restart at once.
  clock_.advance(364 * kDay);
  core_->runPending();
  run(begin);
  core_->runPending();
  EXPECT_EQ(row().status, "RUNNING");
  clock_.advance(kDay - std::chrono::seconds(1));
  core_->runPending();
  EXPECT_EQ(row().status, "RUNNING");
  clock_.advance(std::chrono::seconds(1));
  core_->runPending();
  EXPECT_EQ(row().status, "TIMED_OUT");
  EXPECT_EQ(json::textOr(json::parse(row().description)->get_object(), "error"), "States.Timeout");
  EXPECT_THAT(history(), HasSubstr(R"("type":"ExecutionTimedOut")"));
  EXPECT_EQ(count("open"), 0U);
  // One look a year is left, none for the execution.
  EXPECT_EQ(core_->nextTimer(), clock_.now() + 365 * kDay);
}

TEST_F(RuntimeTest, ARedriveBeginsTheYearAnew) {
  LongestRun longest(*core_, *runtime_, 10 * kDay);
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":99999999,"End":true}}})");
  clock_.advance(6 * kDay);
  run([&](store::Txn& txn) {
    longest.begin(txn);
    runtime_->stop(txn, kArn, "", "");
    return runtime_->redrive(txn, kArn);
  });
  for (int day = 0; day < 9; ++day) {
    clock_.advance(kDay);
    core_->runPending();
  }
  EXPECT_EQ(row().status, "RUNNING");
  clock_.advance(kDay);
  core_->runPending();
  EXPECT_EQ(row().status, "TIMED_OUT");
}

TEST_F(RuntimeTest, ManyThatAreOverdueEndWithoutHoldingUpTheCore) {
  LongestRun longest(*core_, *runtime_, 10 * kDay);
  run([&](store::Txn& txn) {
    StartSpec spec;
    spec.machine_arn = "machine";
    spec.input = "{}";
    spec.definition = definitions::add(txn, R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":99999999,"End":true}}})");
    for (int i = 0; i < 250; ++i) {
      spec.arn = fmt::format("arn:aws:states:us-east-1:000000000000:execution:m:e{}", i);
      EXPECT_TRUE(runtime_->start(txn, spec));
    }
    longest.begin(txn);
    return true;
  });
  clock_.advance(10 * kDay);
  // A hundred in each transaction: a first look, and one more for each hundred.
  for (int i = 0; i < 4; ++i) core_->runPending();
  std::size_t running = 0;
  run([&](store::Txn& txn) {
    running = txn.executions().running().size();
    return true;
  });
  EXPECT_EQ(running, 0U);
}

TEST_F(RuntimeTest, OpenExecutionsAreCountedWhateverIsRolledBack) {
  const auto reached = [this](std::int64_t limit) {
    bool answer = false;
    run([&](store::Txn& txn) {
      answer = runtime_->openReached(txn, limit);
      return true;
    });
    return answer;
  };
  EXPECT_FALSE(reached(1));
  startExecution(kAll);
  EXPECT_TRUE(reached(1));
  EXPECT_FALSE(reached(2));
  // A start that is undone seems to be open until it is counted anew.
  run([&](store::Txn& txn) {
    StartSpec spec;
    spec.arn = "arn:aws:states:us-east-1:000000000000:execution:m:undone";
    spec.input = "{}";
    spec.definition = definitions::add(txn, kAll);
    runtime_->start(txn, spec);
    return false;
  });
  clock_.advance(std::chrono::seconds(2));
  EXPECT_FALSE(reached(2));
  // An end that is undone is none, and one counts once.
  run([&](store::Txn& txn) {
    runtime_->stop(txn, kArn, "", "");
    return false;
  });
  EXPECT_TRUE(reached(1));
  clock_.advance(std::chrono::seconds(2));
  run([&](store::Txn& txn) {
    runtime_->stop(txn, kArn, "", "");
    EXPECT_FALSE(runtime_->openReached(txn, 1));
    return true;
  });
  EXPECT_FALSE(reached(1));
  boot();
  EXPECT_FALSE(reached(1));
}

TEST_F(RuntimeTest, OldExecutionsAreRemovedInTheBackground) {
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Fail","Error":"E"}}})");
  EXPECT_EQ(count("redrivable"), 1U);
  Retention retention(*core_, std::chrono::hours(24 * 90));
  std::string gone;
  retention.onGone(ExecutionRuntime::gone);
  retention.onGone([&gone](store::Txn&, const std::string& arn) { gone += arn; });
  run([&](store::Txn& txn) {
    retention.begin(txn);
    return true;
  });
  for (int day = 0; day < 89; ++day) {
    clock_.advance(std::chrono::hours(24));
    core_->runPending();
  }
  EXPECT_EQ(gone, "");
  clock_.advance(std::chrono::hours(25));
  core_->runPending();
  EXPECT_EQ(gone, kArn);
  EXPECT_EQ(count("redrivable"), 0U);
  // Its name is free again.
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Fail","Error":"E"}}})");
}

// Its redrive would add two events, and the second would take the place of why it failed.
TEST_F(RuntimeTest, AHistoryThatIsAllButFullIsNotRedriven) {
  const std::string kFails = R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},
      "C":{"Type":"Pass","Next":"F"},"F":{"Type":"Fail","Error":"Own","Cause":"why"}}})";
  engine::Limits limits;
  limits.history_events = 10;
  runtime_->setLimits(limits);
  startExecution(kFails);
  const auto ended = row();
  EXPECT_THAT(history(), HasSubstr(R"("id":9,)"));
  run([&](store::Txn& txn) {
    const auto can = runtime_->redrivable(txn, ended);
    EXPECT_FALSE(can.possible);
    EXPECT_EQ(can.reason, "Execution history event limit exceeded");
    EXPECT_FALSE(runtime_->redrive(txn, kArn));
    return true;
  });
  EXPECT_EQ(row().description, ended.description);
  limits.history_events = 11;
  runtime_->setLimits(limits);
  run([&](store::Txn& txn) {
    EXPECT_TRUE(runtime_->redrivable(txn, ended).possible);
    return true;
  });
}

TEST_F(RuntimeTest, DefinitionsGoWithTheLastThatMayNeedThem) {
  const std::string kOld = R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":7200,"End":true}}})";
  Retention retention(*core_, std::chrono::hours(24));
  const auto kept = [&](std::string_view name) {
    bool found = false;
    run([&](store::Txn& txn) {
      found = definitions::textOf(txn, name).has_value();
      return true;
    });
    return found;
  };
  std::string old;
  run([&](store::Txn& txn) {
    retention.begin(txn);
    old = definitions::add(txn, kOld);
    definitions::adopt(txn, old);
    definitions::adopt(txn, old);
    return true;
  });
  startExecution(kOld);
  const auto after = [&](Duration time) {
    for (auto left = time; left > Duration(0); left -= std::chrono::hours(1)) {
      clock_.advance(std::chrono::hours(1));
      core_->runPending();
    }
    return kept(old);
  };
  run([&](store::Txn& txn) {
    definitions::release(txn, old);
    return true;
  });
  EXPECT_TRUE(after(std::chrono::hours(48))) << "one machine has it still";
  startExecution(kOld);
  run([&](store::Txn& txn) {
    definitions::release(txn, old);
    return true;
  });
  EXPECT_TRUE(after(std::chrono::hours(3))) << "an execution that began with it can still be asked for it";
  EXPECT_EQ(row().status, "SUCCEEDED");
  EXPECT_FALSE(after(std::chrono::hours(26)));
  // One that is given up and taken again stays.
  run([&](store::Txn& txn) {
    old = definitions::add(txn, kOld);
    definitions::adopt(txn, old);
    definitions::release(txn, old);
    definitions::adopt(txn, old);
    return true;
  });
  EXPECT_TRUE(after(std::chrono::hours(48)));
}

TEST_F(RuntimeTest, WhatCannotGoOnFailsAndHoldsNothing) {
  startExecution(R"({"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
      {"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::test:later","TimeoutSeconds":60,"End":true}}},
      {"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":90,"End":true}}}]}}})");
  EXPECT_EQ(count("open"), 1U);
  run([&](store::Txn& txn) {
    const auto definition = txn.records().scan("definition", "", "", 1).at(0);
    txn.records().put("definition", definition.key, R"({"StartAt":"A","States":{"A":{"Type":"Nap","End":true}}})");
    return true;
  });
  boot();
  run([&](store::Txn& txn) {
    for (const auto& record : txn.records().scan("definition", "", "", 1)) EXPECT_FALSE(runtime_->usable(txn, record.key));
    return true;
  });
  elapse();
  EXPECT_EQ(row().status, "FAILED");
  EXPECT_THAT(row().description, HasSubstr("refused by this version of the server"));
  EXPECT_EQ(count("open"), 0U);
  EXPECT_EQ(count("ended"), 1U);
  EXPECT_EQ(count("redrivable"), 0U);
  EXPECT_FALSE(core_->nextTimer());
}

}  // namespace
}  // namespace sp::runtime
