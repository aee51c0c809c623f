#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/execution_rig.h"

namespace sp::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Engine, ARedriveGoesOnWhereItFailed) {
  Execution e(machine(R"("A":{"Type":"Pass","Result":1,"ResultPath":"$.p","Next":"B"},"B":{"Type":"Task","Resource":"arn:aws:states:::x:y",
                     "Retry":[{"ErrorEquals":["E"],"MaxAttempts":1,"IntervalSeconds":1}],"Parameters":{"n.$":"$$.Execution.RedriveCount"},"End":true})"));
  e.fail(e.task(), "E");
  e.fire();
  e.fail(e.task(), "E");
  EXPECT_EQ(e.result(), "FAILED E: ");
  e.redrive();
  EXPECT_EQ(e.tasks_.begin()->second.parameters.text(), R"({"n":1})");
  // Attempts begin anew.
  e.fail(e.task(), "E");
  EXPECT_EQ(e.result(), "RUNNING");
  e.fire();
  e.succeed(e.task(), "7");
  EXPECT_EQ(e.result(), "7");
  EXPECT_THAT(e.types(), HasSubstr("11<10 ExecutionFailed, 12<11 ExecutionRedriven, 13<12 TaskScheduled, 14<13 TaskStarted"));
  EXPECT_EQ(json::toText(*json::find(e.event(12), "executionRedrivenEventDetails")), R"({"redriveCount":1})");
  EXPECT_FALSE(e.take(Redrive{}));
}

TEST(Engine, ARedriveMayBeginAtAnotherState) {
  Execution e(machine(R"("A":{"Type":"Pass","Result":1,"ResultPath":"$.p","Next":"B"},"B":{"Type":"Parallel","Branches":[
                     {"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}}],"Next":"C"},
                     "C":{"Type":"Fail","Error":"E"})"));
  e.succeed(e.task(), "1");
  EXPECT_EQ(e.result(), "FAILED E: ");
  e.redrive({0, Payload::fromText(R"({"again":true})")});
  ASSERT_EQ(e.tasks_.size(), 1U);
  EXPECT_EQ(e.tasks_.begin()->second.parameters.text(), R"({"again":true,"p":1})");
  EXPECT_THAT(e.types(), HasSubstr("ExecutionFailed, 15<14 ExecutionRedriven, 16<15 PassStateEntered, 17<16 PassStateExited"));
  e.succeed(e.task(), "1");
  EXPECT_EQ(e.result(), "FAILED E: ");
}

// All of it happens in one step: the failure climbs out of the Parallel, is borne by the Map, then B fails.
TEST(Engine, ARedriveDoesNotGoBackToAFailureThatWasBorne) {
  Execution e(R"({"StartAt":"A","States":{"A":{"Type":"Map","ToleratedFailureCount":1,"Next":"B","ItemProcessor":{"StartAt":"P","States":{
    "P":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::test:later","End":true}}}]}}}},
    "B":{"Type":"Fail","Error":"Later"}}})",
              "[1]");
  e.fail(e.task(), "E");
  EXPECT_EQ(e.result(), "FAILED Later: ");
  e.redrive();
  EXPECT_EQ(e.task(), 0);
  EXPECT_EQ(e.result(), "FAILED Later: ");
  EXPECT_THAT(e.types(), HasSubstr("ExecutionRedriven, 18<17 ExecutionFailed"));
}

TEST(Engine, ARedriveKeepsWhatSucceeded) {
  Execution e(
      machine(
          R"("A":{"Type":"Map","ItemProcessor":{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}},
                     "Next":"P"},"P":{"Type":"Parallel","Branches":[{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}},
                     {"StartAt":"U","States":{"U":{"Type":"Task","Resource":"arn:aws:states:::x:z","End":true}}}],"End":true})"),
      "[1,2,3]");
  ASSERT_EQ(e.tasks_.size(), 3U);
  const auto first = e.task();
  e.succeed(first, "10");
  e.fail(e.task(), "E");
  EXPECT_EQ(e.result(), "FAILED E: ");
  e.redrive();
  // The failed one and the one that was aborted for its sake.
  ASSERT_EQ(e.tasks_.size(), 2U);
  EXPECT_EQ(e.tasks_.begin()->second.parameters.text(), "2");
  e.succeed(e.task(), "20");
  e.succeed(e.task(), "30");
  ASSERT_EQ(e.tasks_.size(), 1U);
  e.take(Abort{"", ""});
  e.tasks_.clear();
  EXPECT_EQ(e.result(), "ABORTED : ");
  e.redrive();
  e.fire();
  e.succeed(e.task(), "40");
  EXPECT_EQ(e.result(), "[[10,20,30],40]");
  EXPECT_TRUE(e.timers_.empty());
}

/// Its tasks by what they were given.
std::vector<std::string> waiting(const Execution& e) {
  std::vector<std::string> all;
  for (const auto& [token, task] : e.tasks_) all.push_back(task.parameters.text());
  return all;
}

std::string tolerant(std::string_view fields) {
  return machine(fmt::format(
      R"("A":{{"Type":"Map",{},"ItemProcessor":{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}}}}},"End":true}})",
      fields));
}

// AWS: "reschedules and redrives only the iterations and branches that failed or aborted".
TEST(Engine, ARedriveOfAMapThatDidNotEndGoesBackToItsBorneFailures) {
  for (const auto* fields : {R"("ToleratedFailureCount":1,"MaxConcurrency":1)", R"("ToleratedFailurePercentage":50,"MaxConcurrency":1)"}) {
    Execution e(tolerant(fields), "[1,2,3]");
    e.fail(e.task(), "E", "old");
    e.fail(e.task(), "E", "old");
    EXPECT_EQ(e.result(), "FAILED States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded");
    e.redrive();
    // One at a time as before, each of them once, and what is tolerated is counted anew.
    for (const auto* item : {"2", "1", "3"}) {
      ASSERT_THAT(waiting(e), ::testing::ElementsAre(item));
      if (*item == '1') e.fail(e.task(), "E", "new");
      else e.succeed(e.task(), item);
    }
    EXPECT_EQ(e.result(), R"([{"Error":"E","Cause":"new"},2,3])");
    EXPECT_TRUE(e.state_.frames.empty());
  }
}

TEST(Engine, ARedriveOfAStoppedMapGoesBackToItsBorneFailures) {
  Execution e(tolerant(R"("ToleratedFailureCount":1)"), "[1,2,3]");
  e.fail(e.task(), "E");
  e.succeed(e.task(), "20");
  e.take(Abort{"", ""});
  e.tasks_.clear();
  // A borne failure is not aborted as well.
  EXPECT_EQ(e.types().find("MapIterationAborted"), e.types().rfind("MapIterationAborted"));
  e.redrive();
  EXPECT_THAT(waiting(e), ::testing::UnorderedElementsAre("1", "3"));
  // Stopped again, and before the borne one has begun.
  e.take(Abort{"", ""});
  e.tasks_.clear();
  e.redrive();
  EXPECT_THAT(waiting(e), ::testing::UnorderedElementsAre("1", "3"));
  while (e.task() != 0) e.succeed(e.task(), e.tasks_.begin()->second.parameters.text());
  EXPECT_EQ(e.result(), "[1,20,3]");
}

TEST(Engine, ABorneFailureThatHasNotBegunAgainIsKeptForTheNextRedrive) {
  Execution e(tolerant(R"("ToleratedFailureCount":1,"MaxConcurrency":1)"), "[1,2]");
  e.fail(e.task(), "E");
  e.fail(e.task(), "E");
  for (int i = 0; i < 2; ++i) {
    e.redrive();
    ASSERT_THAT(waiting(e), ::testing::ElementsAre("2"));
    e.take(Abort{"", ""});
    e.tasks_.clear();
  }
  e.redrive();
  e.succeed(e.task(), "20");
  ASSERT_THAT(waiting(e), ::testing::ElementsAre("1"));
  e.succeed(e.task(), "10");
  EXPECT_EQ(e.result(), "[10,20]");
}

// What had succeeded within the iteration stays; what is below it waits for no answer meanwhile.
TEST(Engine, ABorneIterationGoesOnWhereItFailed) {
  Execution e(machine(R"("A":{"Type":"Map","ToleratedFailureCount":1,"MaxConcurrency":1,"End":true,"ItemProcessor":{"StartAt":"S","States":{
      "S":{"Type":"Pass","Parameters":{"item.$":"$"},"Next":"P"},
      "P":{"Type":"Parallel","End":true,"Branches":[
        {"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}},
        {"StartAt":"I","States":{"I":{"Type":"Map","ItemsPath":"$.item","MaxConcurrency":1,"ToleratedFailureCount":1,"End":true,"ItemProcessor":{
          "StartAt":"U","States":{"U":{"Type":"Task","Resource":"arn:aws:states:::x:z","End":true}}}}}}]}}}})"),
              "[[1,2],[3]]");
  ASSERT_THAT(waiting(e), ::testing::ElementsAre(R"({"item":[1,2]})", "1"));
  e.fail(std::prev(e.tasks_.end())->first, "Inner");
  ASSERT_THAT(waiting(e), ::testing::ElementsAre(R"({"item":[1,2]})", "2"));
  const auto stale = std::prev(e.tasks_.end())->first;
  e.fail(e.task(), "E");
  EXPECT_FALSE(e.take(TaskSucceeded{stale, Payload::fromText("0")}));
  ASSERT_THAT(waiting(e), ::testing::ElementsAre(R"({"item":[3]})", "3"));
  e.fail(e.task(), "E");
  EXPECT_EQ(e.result(), "FAILED States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded");
  const auto before = e.history_.size();
  e.redrive();
  ASSERT_THAT(waiting(e), ::testing::ElementsAre(R"({"item":[3]})", "3"));
  e.succeed(e.task(), "30");
  e.succeed(e.task(), "31");
  // The inner Map had not ended either.
  ASSERT_THAT(waiting(e), ::testing::ElementsAre(R"({"item":[1,2]})", "2"));
  e.succeed(e.task(), "10");
  e.succeed(e.task(), "12");
  ASSERT_THAT(waiting(e), ::testing::ElementsAre("1"));
  e.succeed(e.task(), "11");
  EXPECT_EQ(e.result(), "[[10,[11,12]],[30,[31]]]");
  for (auto id = before + 1; id <= e.history_.size(); ++id) EXPECT_NE(json::textOr(e.event(id), "type"), "PassStateEntered");
}

// As it was stored before borne iterations were kept: the error stays where it is.
TEST(Engine, ARedriveFromAnOlderStateKeepsBorneFailures) {
  Execution e(tolerant(R"("ToleratedFailureCount":1,"MaxConcurrency":1)"), "[1,2,3]");
  e.fail(e.task(), "E", "c");
  e.fail(e.task(), "E", "c");
  auto older = *e.end_->resume;
  std::erase_if(older.frames, [](const auto& one) { return one.second.borne; });
  auto& map = older.frames.begin()->second;
  map.results[0] = Payload::fromText(R"({"Error":"E","Cause":"c"})");
  map.finished = map.failed = 1;
  auto text = encode(older);
  EXPECT_THAT(text, Not(HasSubstr("[],1]")));
  e.end_->resume = std::make_shared<State>(*decode(text, e.held()));
  e.redrive();
  e.succeed(e.task(), "20");
  e.succeed(e.task(), "30");
  EXPECT_EQ(e.result(), R"([{"Error":"E","Cause":"c"},20,30])");
}

}  // namespace
}  // namespace sp::engine
