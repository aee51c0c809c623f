// What waits, lasts and is kept while the clock is set.
#include "runtime/execution_runtime_test.h"

#include "runtime/longest_run.h"
#include "runtime/retention.h"

namespace sp::runtime {
namespace {

// All of these end after a minute.
const std::vector<std::string> kMinutes = {
    R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":60,"End":true}}})",
    R"({"StartAt":"A","States":{"A":{"Type":"Wait","SecondsPath":"$.seconds","End":true}}})",
    R"({"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::test:fail","End":true,
        "Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":60,"MaxAttempts":1}]}}})",
    R"({"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::test:later","TimeoutSeconds":60,"End":true}}})",
    R"({"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::test:later","TimeoutSeconds":600,"HeartbeatSeconds":60,"End":true}}})",
    R"({"TimeoutSeconds":60,"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::test:later","End":true}}})",
};
const std::string kMinute = R"({"seconds":60,"time":"2023-11-14T23:13:20Z"})";

TEST_F(RuntimeTest, DelaysAreAsLongWhateverTheClockIsSetTo) {
  for (const auto& definition : kMinutes)
    for (const Duration by : {-std::chrono::hours(24), std::chrono::hours(2)}) {
      bootAnew();
      startExecution(definition, kMinute);
      clock_.jump(by);
      core_->runPending();
      // Once, whatever becomes of the server then.
      boot();
      clock_.advance(std::chrono::seconds(59));
      core_->runPending();
      EXPECT_EQ(row().status, "RUNNING") << definition;
      clock_.advance(std::chrono::seconds(1));
      core_->runPending();
      EXPECT_NE(row().status, "RUNNING") << definition;
      EXPECT_FALSE(core_->nextTimer());
    }
}

// A machine comes up in the past, and its clock is put right while no server is there to see it: nothing of that ends a delay.
TEST_F(RuntimeTest, AClockThatWasBehindForAWhileEndsNoDelay) {
  for (const auto& definition : kMinutes) {
    bootAnew();
    startExecution(definition, kMinute);
    clock_.jump(-std::chrono::hours(24));
    boot();
    core_->runPending();
    core_.reset();
    clock_.jump(std::chrono::hours(24));
    boot();
    clock_.advance(std::chrono::seconds(59));
    core_->runPending();
    EXPECT_EQ(row().status, "RUNNING") << definition;
    clock_.advance(std::chrono::seconds(1));
    core_->runPending();
    EXPECT_NE(row().status, "RUNNING") << definition;
  }
}

TEST_F(RuntimeTest, AStepThatLetOthersGoOnGoesOnWhenTheClockIsPutBack) {
  engine::Limits limits;
  limits.step_events = 5;
  runtime_->setLimits(limits);
  run([this](store::Txn& txn) {
    clock_.jump(-std::chrono::hours(24));
    return runtime_->start(txn, specOf(txn, R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"C"},
        "C":{"Type":"Pass","Next":"D"},"D":{"Type":"Pass","End":true}}})"));
  });
  EXPECT_EQ(row().status, "SUCCEEDED");
}

TEST_F(RuntimeTest, AWaitForATimeFollowsTheClock) {
  for (const auto* field : {R"("Timestamp":"2023-11-14T23:13:20Z")", R"("TimestampPath":"$.time")"})
    for (const Duration by : {-std::chrono::hours(24), std::chrono::hours(2)}) {
      bootAnew();
      startExecution(fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Wait",{},"End":true}}}}}})", field), kMinute);
      clock_.jump(by);
      core_->runPending();
      if (by < Duration(0)) {
        clock_.advance(std::chrono::hours(25) - std::chrono::seconds(1));
        core_->runPending();
        EXPECT_EQ(row().status, "RUNNING") << field;
        clock_.advance(std::chrono::seconds(1));
        core_->runPending();
      }
      EXPECT_EQ(row().status, "SUCCEEDED") << field;
    }
}

// They have no payload.
TEST_F(RuntimeTest, TimersOfAnEarlierVersionStayOnTheClock) {
  startExecution(kMinutes.front());
  run([](store::Txn& txn) {
    auto timer = txn.timers().due(kStart + std::chrono::minutes(1), 1).at(0);
    timer.payload.clear();
    txn.timers().set(timer);
    return true;
  });
  clock_.jump(std::chrono::hours(2));
  core_->runPending();
  EXPECT_EQ(row().status, "SUCCEEDED");
}

TEST_F(RuntimeTest, AClockThatIsSetEndsNothingThatHasNotRunForAsLong) {
  LongestRun longest(*core_, *runtime_, 10 * kDay);
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":99999999,"End":true}}})");
  run([&](store::Txn& txn) {
    longest.begin(txn);
    return true;
  });
  const auto pass = [this](Duration time) {
    for (; time > Duration(0); time -= std::chrono::hours(12)) {
      clock_.advance(std::chrono::hours(12));
      core_->runPending();
    }
  };
  pass(4 * kDay);
  clock_.jump(300 * kDay);
  core_->runPending();
  EXPECT_EQ(row().status, "RUNNING");
  pass(5 * kDay);
  EXPECT_EQ(row().status, "RUNNING");
  clock_.jump(20 * kDay);
  pass(kDay - std::chrono::hours(12));
  EXPECT_EQ(row().status, "RUNNING");
  pass(std::chrono::hours(12));
  EXPECT_EQ(row().status, "TIMED_OUT");
}

TEST_F(RuntimeTest, WhatBeganAfterTheClockWasSetHasItsYear) {
  LongestRun longest(*core_, *runtime_, 10 * kDay);
  run([&](store::Txn& txn) {
    longest.begin(txn);
    return true;
  });
  clock_.jump(300 * kDay);
  core_->runPending();
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":99999999,"End":true}}})");
  for (int day = 0; day < 9; ++day) {
    clock_.advance(kDay);
    core_->runPending();
  }
  EXPECT_EQ(row().status, "RUNNING");
  clock_.advance(kDay);
  core_->runPending();
  EXPECT_EQ(row().status, "TIMED_OUT");
  EXPECT_EQ(count("longest_run"), 0U);
  // A look that was far ahead comes as soon when the clock is put right.
  clock_.jump(-300 * kDay);
  core_->runPending();
  EXPECT_LE(*core_->nextTimer(), clock_.now() + 10 * kDay);
}

TEST_F(RuntimeTest, OldExecutionsAreRemovedThoughOneBeganUnderAClockThatWasAhead) {
  Retention retention(*core_, 90 * kDay);
  const auto start = [this](std::string_view name) {
    run([&](store::Txn& txn) {
      auto spec = specOf(txn, R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}})");
      spec.arn = name;
      return runtime_->start(txn, spec);
    });
  };
  std::string gone;
  retention.onGone([&gone](store::Txn&, const std::string& arn) { gone += arn + " "; });
  run([&](store::Txn& txn) {
    retention.begin(txn);
    return true;
  });
  clock_.jump(400 * kDay);
  start("ahead");
  // The sweeps are timed by the clock that was ahead.
  clock_.advance(std::chrono::hours(1));
  core_->runPending();
  clock_.jump(-400 * kDay);
  start("later");
  const auto pass = [this](int days) {
    for (int day = 0; day < days; ++day) {
      clock_.advance(kDay);
      core_->runPending();
    }
  };
  pass(89);
  EXPECT_EQ(gone, "");
  pass(2);
  EXPECT_EQ(gone, "later ");
  start("last");
  pass(400);
  EXPECT_EQ(gone, "later last ahead ");
}

TEST_F(RuntimeTest, AClockPutForwardHasAnHourToBePutRightBeforeAnythingIsRemoved) {
  startExecution(R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}})");
  Retention retention(*core_, 90 * kDay);
  std::string gone;
  retention.onGone([&gone](store::Txn&, const std::string& arn) { gone += arn; });
  run([&](store::Txn& txn) {
    retention.begin(txn);
    return true;
  });
  core_->runPending();
  for (const Duration by : {400 * kDay, -400 * kDay, 400 * kDay}) {
    clock_.jump(by);
    for (int minute = 0; minute < 59; ++minute) {
      clock_.advance(std::chrono::minutes(1));
      core_->runPending();
    }
  }
  EXPECT_EQ(gone, "");
  clock_.advance(std::chrono::minutes(2));
  core_->runPending();
  EXPECT_EQ(gone, kArn);
}

}  // namespace
}  // namespace sp::runtime
