#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/execution_rig.h"
#include "engine/history.h"

namespace sp::engine {
namespace {

using testing::HasSubstr;

TEST(Engine, HistoryOfPassStates) {
  Execution e(machine(R"("A":{"Type":"Pass","Result":{"x":1},"ResultPath":"$.a","Next":"B"},"B":{"Type":"Succeed"})"), "{\"in\": 1}");
  EXPECT_EQ(e.types(),
            "1<0 ExecutionStarted, 2<0 PassStateEntered, 3<2 PassStateExited, 4<3 SucceedStateEntered, 5<4 SucceedStateExited, 6<5 "
            "ExecutionSucceeded");
  EXPECT_EQ(e.result(), R"({"in":1,"a":{"x":1}})");
  EXPECT_EQ(
      json::toText(e.event(1)),
      R"({"timestamp":1700000000.123,"type":"ExecutionStarted","id":1,"previousEventId":0,"executionStartedEventDetails":{"input":"{\"in\": 1}",)"
      R"("inputDetails":{"truncated":false},"roleArn":"role"}})");
  EXPECT_EQ(json::toText(*json::find(e.event(3), "stateExitedEventDetails")),
            R"({"name":"A","output":"{\"in\":1,\"a\":{\"x\":1}}","outputDetails":{"truncated":false}})");
}

TEST(Engine, WhatPassesUntouchedKeepsItsText) {
  EXPECT_EQ(run(R"("A":{"Type":"Pass","End":true})", "[ 1,  2.50 ]"), "[ 1,  2.50 ]");
  EXPECT_EQ(
      run(R"("A":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}]})", "[[1, 2, 3]]"),
      "[[[1, 2, 3]]]");
}

TEST(Engine, PathsShapeInputAndOutput) {
  EXPECT_EQ(
      run(R"("A":{"Type":"Pass","InputPath":"$.a","Parameters":{"k.$":"$.b","c":2,"n.$":"$$.State.Name"},"ResultPath":"$.r","OutputPath":"$.r","End":true})",
          R"({"a":{"b":1}})"),
      R"({"k":1,"c":2,"n":"A"})");
  EXPECT_EQ(run(R"("A":{"Type":"Pass","InputPath":null,"End":true})", "5"), "{}");
  EXPECT_EQ(run(R"("A":{"Type":"Pass","Result":1,"ResultPath":null,"End":true})", "5"), "5");
  EXPECT_EQ(run(R"("A":{"Type":"Pass","InputPath":"$.a.b","End":true})"),
            "FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). Invalid path '$.a.b' : "
            "Missing property in path $['a']");
  EXPECT_EQ(run(R"("A":{"Type":"Pass","Parameters":{"x.$":"$.no"},"End":true})", "{\"y\":1}"),
            "FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). The JSONPath '$.no' "
            "specified for the field 'x.$' "
            "could not be found in the input '{\"y\":1}'");
  EXPECT_THAT(run(R"("A":{"Type":"Pass","Result":1,"ResultPath":"$.a.b","End":true})", R"({"a":1})"),
              HasSubstr("FAILED States.ResultPathMatchFailure"));
}

TEST(Engine, AnEvaluationErrorFollowsNoEvent) {
  Execution e(machine(R"("A":{"Type":"Pass","OutputPath":"$.no","End":true})"));
  EXPECT_EQ(e.types(), "1<0 ExecutionStarted, 2<0 PassStateEntered, 3<0 ExecutionFailed");
}

TEST(Engine, Choices) {
  const auto* const kStates = R"("A":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":5,"Next":"Big"}],"Default":"Small"},
    "Big":{"Type":"Pass","Result":"big","End":true},"Small":{"Type":"Pass","Result":"small","End":true})";
  EXPECT_EQ(run(kStates, R"({"n":6})"), "\"big\"");
  EXPECT_EQ(run(kStates, R"({"n":5})"), "\"small\"");
  EXPECT_EQ(run(kStates),
            "FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). Invalid path '$.n': The "
            "choice state's "
            "condition path references an invalid value.");
  EXPECT_THAT(run(R"("A":{"Type":"Choice","Choices":[{"Variable":"$","IsNull":true,"Next":"B"}]},"B":{"Type":"Succeed"})"),
              HasSubstr("States.NoChoiceMatched"));
}

TEST(Engine, WaitsByTimer) {
  Execution e(
      machine(R"("A":{"Type":"Wait","SecondsPath":"$.s","Next":"B"},"B":{"Type":"Wait","Timestamp":"2020-01-01T00:00:00Z","End":true})"),
      R"({"s":7})");
  EXPECT_EQ(e.result(), "RUNNING");
  EXPECT_EQ(e.timers_.begin()->second, kStart + std::chrono::seconds(7));
  EXPECT_FALSE(e.take(TimerFired{99}));
  e.fire();
  EXPECT_EQ(
      e.types(),
      "1<0 ExecutionStarted, 2<0 WaitStateEntered, 3<2 WaitStateExited, 4<3 WaitStateEntered, 5<4 WaitStateExited, 6<5 ExecutionSucceeded");
}

TEST(Engine, WaitErrors) {
  const auto wait = [](std::string_view field, std::string input) {
    return run(fmt::format(R"("A":{{"Type":"Wait","{}":"$.s","End":true}})", field), std::move(input))
        .substr(std::string_view("FAILED States.Runtime: ").size());
  };
  const std::string prefix = "An error occurred while executing the state 'A' (entered at the event id #2). ";
  EXPECT_EQ(wait("SecondsPath", "{}"), prefix + "The SecondsPath parameter does not reference an input value: $.s");
  EXPECT_EQ(wait("SecondsPath", "{\"s\":-1}"), prefix + "The SecondsPath parameter references a negative value: $.s == -1");
  EXPECT_EQ(wait("SecondsPath", "{\"s\":1.5}"), prefix + "The SecondsPath parameter cannot be parsed as a long value: $.s == 1.5");
  EXPECT_EQ(wait("SecondsPath", "{\"s\":9999999999}"), prefix + "Wait state delay is too long.");
  EXPECT_EQ(wait("TimestampPath", "{\"s\":\"x\"}"),
            prefix + "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.s == x");
}

const auto* const kTask =
    R"("A":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:dynamodb:putItem","TimeoutSeconds":60,"Parameters":{"a.$":"$.x","t.$":"$$.Task.Token"},
  "ResultSelector":{"r.$":"$.v"},"ResultPath":"$.out","Retry":[{"ErrorEquals":["E.Retry"],"IntervalSeconds":2,"MaxAttempts":2}],
  "Catch":[{"ErrorEquals":["States.TaskFailed"],"ResultPath":"$.err","Next":"C"}],"End":true},"C":{"Type":"Pass","End":true})";

// What "$$.Task.Token" is in the first task of an execution.
const auto kToken = taskToken("arn:aws:states:us-east-1:000000000000:execution:m:e", 1);

TEST(Engine, TokensAreOpaqueAndChecked) {
  EXPECT_EQ(readTaskToken(kToken), "arn:aws:states:us-east-1:000000000000:execution:m:e#1");
  auto wrong = kToken;
  wrong[10] = wrong[10] == 'A' ? 'B' : 'A';
  for (const auto& bad : {wrong, std::string(), std::string("x"), kToken.substr(4), std::string("arn:aws:states:::x#1")})
    EXPECT_FALSE(readTaskToken(bad)) << bad;
}

TEST(Engine, AnActivitysTimeCountsFromItsWorker) {
  Execution e(machine(R"("A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:a","TimeoutSeconds":60,
                "HeartbeatSeconds":5,"End":true})"),
              R"({"x": 1})");
  const auto token = e.task();
  EXPECT_TRUE(e.timers_.empty());
  e.now_ += std::chrono::hours(1);
  EXPECT_TRUE(e.take(TaskStarted{token, "w"}));
  ASSERT_EQ(e.timers_.size(), 2U);
  EXPECT_EQ(
      json::toText(e.event(3)),
      R"j({"timestamp":1700000000.123,"type":"ActivityScheduled","id":3,"previousEventId":2,"activityScheduledEventDetails":{"resource":"arn:aws:states:us-east-1:000000000000:activity:a","input":"{\"x\": 1}","inputDetails":{"truncated":false},"timeoutInSeconds":60,"heartbeatInSeconds":5}})j");
  EXPECT_EQ(json::toText(*json::find(e.event(4), "activityStartedEventDetails")), R"({"workerName":"w"})");
  e.fire();
  EXPECT_EQ(e.result(), "FAILED States.Timeout: ");
  EXPECT_EQ(e.types(),
            "1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 ActivityScheduled, 4<3 ActivityStarted, 5<4 ActivityTimedOut, 6<5 "
            "ExecutionFailed");
  EXPECT_FALSE(e.take(TaskStarted{token, "w"}));
}

TEST(Engine, AMissingActivityEndsTheExecution) {
  Execution e;
  e.activity_exists_ = [](std::string_view arn) { return !arn.ends_with(":gone"); };
  e.start(machine(R"("A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:gone",
                    "Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"End":true},"C":{"Type":"Pass","End":true})"));
  EXPECT_EQ(e.result(),
            "FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). The activity "
            "arn:aws:states:us-east-1:000000000000:activity:gone does not exist.");
  EXPECT_EQ(e.types(), "1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 ExecutionFailed");
}

TEST(Engine, AMissedHeartbeatIsCaughtByItsOwnName) {
  Execution e(machine(R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","HeartbeatSeconds":5,"TimeoutSeconds":60,"Catch":[
                {"ErrorEquals":["States.HeartbeatTimeout"],"Next":"C"}],"End":true},"C":{"Type":"Pass","End":true})"));
  e.fire();
  EXPECT_EQ(e.result(), R"({"Error":"States.Timeout","Cause":""})");
}

TEST(Engine, ATaskThatSucceeds) {
  Execution e(machine(kTask), R"({"x":1})");
  ASSERT_EQ(e.tasks_.size(), 1U);
  EXPECT_EQ(e.tasks_.begin()->second.parameters.text(), R"({"a":1,"t":")" + kToken + R"("})");
  EXPECT_EQ(e.timers_.begin()->second, kStart + std::chrono::seconds(60));
  EXPECT_FALSE(e.take(TaskSucceeded{99, Payload::fromText("1")}));
  const auto token = e.task();
  e.succeed(token, R"({"v":[1],"w":2})");
  EXPECT_EQ(e.result(), R"({"x":1,"out":{"r":[1]}})");
  EXPECT_TRUE(e.timers_.empty());
  EXPECT_FALSE(e.take(TaskSucceeded{token, Payload::fromText("1")}));
  EXPECT_EQ(e.types(),
            "1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 TaskScheduled, 4<3 TaskStarted, 5<4 TaskSucceeded, 6<5 TaskStateExited, 7<6 "
            "ExecutionSucceeded");
  EXPECT_EQ(json::toText(*json::find(e.event(3), "taskScheduledEventDetails")),
            R"j({"resourceType":"aws-sdk:dynamodb","resource":"putItem","region":"us-east-1","parameters":"{\"a\":1,\"t\":\")j" + kToken +
                R"j(\"}","timeoutInSeconds":60})j");
  EXPECT_EQ(
      json::toText(*json::find(e.event(5), "taskSucceededEventDetails")),
      R"({"resourceType":"aws-sdk:dynamodb","resource":"putItem","output":"{\"v\":[1],\"w\":2}","outputDetails":{"truncated":false}})");
}

TEST(Engine, ATaskIsTriedAgainAndThenCaught) {
  Execution e(machine(kTask), R"({"x":1})");
  e.fail(e.task(), "E.Retry", "no");
  EXPECT_EQ(e.timers_.begin()->second, kStart + std::chrono::seconds(2));
  e.fire();
  e.fail(e.task(), "E.Retry", "no");
  EXPECT_EQ(e.timers_.begin()->second, e.now_ + std::chrono::seconds(4));
  e.fire();
  EXPECT_EQ(e.tasks_.begin()->second.attempt, 3);
  e.fail(e.task(), "E.Retry", "last");
  EXPECT_EQ(e.result(), R"({"x":1,"err":{"Error":"E.Retry","Cause":"last"}})");
  EXPECT_EQ(
      e.types(),
      "1<0 ExecutionStarted, 2<0 TaskStateEntered, 3<2 TaskScheduled, 4<3 TaskStarted, 5<4 TaskFailed, 6<5 TaskScheduled, 7<6 TaskStarted, "
      "8<7 TaskFailed, 9<8 TaskScheduled, 10<9 TaskStarted, 11<10 TaskFailed, 12<11 TaskStateExited, 13<12 PassStateEntered, 14<13 "
      "PassStateExited, "
      "15<14 ExecutionSucceeded");
}

TEST(Engine, ATaskThatTakesTooLongIsCancelled) {
  Execution e(machine(kTask), R"({"x":1})");
  const auto token = e.task();
  e.fire();
  EXPECT_TRUE(e.tasks_.empty());
  EXPECT_EQ(e.result(), "FAILED States.Timeout: ");
  EXPECT_THAT(e.types(), HasSubstr("5<4 TaskTimedOut, 6<5 ExecutionFailed"));
  EXPECT_FALSE(e.take(TaskSucceeded{token, Payload::fromText("1")}));
}

TEST(Engine, HeartbeatsKeepATaskAlive) {
  Execution e(machine(R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","HeartbeatSeconds":5,"End":true})"));
  e.now_ += std::chrono::seconds(4);
  e.take(TaskHeartbeat{e.task()});
  ASSERT_EQ(e.timers_.size(), 1U);
  EXPECT_EQ(e.timers_.begin()->second, kStart + std::chrono::seconds(9));
  e.fire();
  EXPECT_EQ(e.result(), "FAILED States.Timeout: ");
}

TEST(Engine, RuntimeErrorsAreNotCaughtByAll) {
  const auto* const kStates =
      R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Parameters":{"a.$":"$.no"},"Catch":[{"ErrorEquals":["%"],"Next":"C"}],"End":true},
    "C":{"Type":"Pass","Result":"caught","End":true})";
  const auto with = [&](std::string_view name) {
    std::string states = kStates;
    states.replace(states.find('%'), 1, name);
    return run(states);
  };
  EXPECT_THAT(with("States.ALL"), HasSubstr("FAILED States.Runtime"));
  EXPECT_EQ(with("States.Runtime"), "\"caught\"");
}

TEST(Engine, FailTakesItsTextsFromPaths) {
  EXPECT_EQ(run(R"j("A":{"Type":"Fail","ErrorPath":"$.e","CausePath":"States.Format('because {}', $.c)"})j", R"({"e":"E","c":1})"),
            "FAILED E: because 1");
  Execution e(machine(R"("A":{"Type":"Fail"})"));
  EXPECT_EQ(e.types(), "1<0 ExecutionStarted, 2<0 FailStateEntered, 3<2 ExecutionFailed");
  EXPECT_EQ(json::toText(*json::find(e.event(3), "executionFailedEventDetails")), "{}");
}

TEST(Engine, ParallelBranchesMakeAnArray) {
  Execution e(machine(R"("A":{"Type":"Parallel","ResultPath":"$.p","Branches":[
      {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}},
      {"StartAt":"C","States":{"C":{"Type":"Pass","Result":2,"End":true}}}],"End":true})"),
              R"({"i":0})");
  EXPECT_EQ(e.types(),
            "1<0 ExecutionStarted, 2<0 ParallelStateEntered, 3<2 ParallelStateStarted, 4<3 TaskStateEntered, 5<3 PassStateEntered, 6<4 "
            "TaskScheduled, 7<6 "
            "TaskStarted, 8<5 PassStateExited");
  e.succeed(e.task(), "1");
  EXPECT_EQ(e.result(), R"({"i":0,"p":[1,2]})");
  EXPECT_THAT(
      e.types(),
      HasSubstr(
          "9<7 TaskSucceeded, 10<9 TaskStateExited, 11<10 ParallelStateSucceeded, 12<10 ParallelStateExited, 13<12 ExecutionSucceeded"));
}

TEST(Engine, AFailedBranchStopsTheOthers) {
  Execution e(machine(R"("A":{"Type":"Parallel","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"Branches":[
      {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}},
      {"StartAt":"C","States":{"C":{"Type":"Wait","Seconds":9,"Next":"D"},"D":{"Type":"Fail","Error":"E","Cause":"c"}}}],"End":true},"Z":{"Type":"Pass","End":true})"));
  e.fire();
  EXPECT_TRUE(e.tasks_.empty());
  EXPECT_EQ(e.result(), R"({"Error":"E","Cause":"c"})");
  EXPECT_THAT(
      e.types(),
      HasSubstr("8<5 WaitStateExited, 9<8 FailStateEntered, 10<7 TaskStateAborted, 11<9 ParallelStateFailed, 12<11 ParallelStateExited"));
}

const auto* const kMap =
    R"("A":{"Type":"Map","ItemsPath":"$.l","MaxConcurrency":1,"ItemSelector":{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value","k.$":"$.k"},
  "ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true})";

TEST(Engine, MapIterationsFollowAsRecorded) {
  Execution e(machine(kMap), R"({"l":[7,8],"k":"x"})");
  EXPECT_EQ(e.result(), R"([{"i":0,"v":7,"k":"x"},{"i":1,"v":8,"k":"x"}])");
  EXPECT_EQ(e.types(),
            "1<0 ExecutionStarted, 2<0 MapStateEntered, 3<2 MapStateStarted, 4<3 MapIterationStarted, 5<3 PassStateEntered, 6<5 "
            "PassStateExited, 7<6 "
            "MapIterationSucceeded, 8<6 MapIterationStarted, 9<6 PassStateEntered, 10<9 PassStateExited, 11<10 MapIterationSucceeded, "
            "12<10 MapStateSucceeded, "
            "13<10 MapStateExited, 14<13 ExecutionSucceeded");
  EXPECT_EQ(json::toText(*json::find(e.event(8), "mapIterationStartedEventDetails")), R"({"name":"A","index":1})");
  EXPECT_EQ(json::toText(*json::find(e.event(3), "mapStateStartedEventDetails")), R"({"length":2})");
}

TEST(Engine, MapOfNothingAndOfNoArray) {
  EXPECT_EQ(Execution(machine(kMap), R"({"l":[],"k":"x"})").result(), "[]");
  EXPECT_THAT(Execution(machine(kMap), R"({"l":3,"k":"x"})").result(), HasSubstr("Map state input must be an array but was: 3"));
}

std::string taskMap(std::string_view fields) {
  return machine(fmt::format(
      R"("A":{{"Type":"Map",{}"ItemProcessor":{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}}}}},"End":true}})",
      fields));
}

TEST(Engine, MapConcurrencyIsKept) {
  Execution e(taskMap(R"("MaxConcurrency":2,)"), "[1,2,3,4]");
  EXPECT_EQ(e.tasks_.size(), 2U);
  e.succeed(e.task(), "\"a\"");
  EXPECT_EQ(e.tasks_.size(), 2U);
  while (e.task() != 0) e.succeed(e.task(), "\"b\"");
  EXPECT_EQ(e.result(), R"(["a","b","b","b"])");
}

TEST(Engine, AFailedIterationStopsTheMapUnlessBorne) {
  Execution e(taskMap(""), "[1,2,3]");
  e.fail(e.task(), "E", "c");
  EXPECT_EQ(e.result(), "FAILED E: c");
  EXPECT_TRUE(e.tasks_.empty());
  EXPECT_THAT(e.types(), HasSubstr("MapIterationFailed"));
  EXPECT_THAT(e.types(), HasSubstr("MapIterationAborted"));
  EXPECT_THAT(e.types(), HasSubstr("MapStateFailed"));

  Execution borne(taskMap(R"("ToleratedFailureCount":1,)"), "[1,2,3]");
  borne.fail(borne.task(), "E", "c");
  borne.succeed(borne.task(), "2");
  borne.succeed(borne.task(), "3");
  EXPECT_EQ(borne.result(), R"([{"Error":"E","Cause":"c"},2,3])");

  Execution over(taskMap(R"("ToleratedFailurePercentage":40,)"), "[1,2,3]");
  over.fail(over.task(), "E");
  over.fail(over.task(), "E");
  EXPECT_EQ(over.result(), "FAILED States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was exceeded");
}

TEST(Engine, ARetriedMapStartsAnew) {
  Execution e(taskMap(R"("Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":1}],)"), "[1,2]");
  e.fail(e.task(), "E");
  e.fire();
  EXPECT_EQ(e.tasks_.size(), 2U);
  while (e.task() != 0) e.succeed(e.task(), "0");
  EXPECT_EQ(e.result(), "[0,0]");
}

TEST(Engine, NestsToAnyDepth) {
  std::string inner = R"({"StartAt":"X","States":{"X":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}})";
  for (int i = 0; i < 20; ++i)
    inner = fmt::format(R"({{"StartAt":"X{0}","States":{{"X{0}":{{{1},"End":true}}}}}})", i,
                        i % 2 == 0 ? fmt::format(R"("Type":"Map","ItemsPath":"$","Iterator":{})", inner)
                                   : fmt::format(R"("Type":"Parallel","Branches":[{}],"Parameters":[1])", inner));
  Execution e(inner);
  EXPECT_EQ(e.tasks_.size(), 1U) << e.result();
  e.succeed(e.task(), "1");
  EXPECT_EQ(e.result(), std::string(20, '[') + "1" + std::string(20, ']'));
}

TEST(Engine, StoppedAndTimedOutExecutionsLeaveNothingBehind) {
  Execution e(taskMap(""), "[1,2]");
  e.take(Abort{"Err", "why"});
  EXPECT_EQ(e.result(), "ABORTED Err: why");
  EXPECT_TRUE(e.tasks_.empty());
  EXPECT_FALSE(e.take(Abort{"Err", "again"}));

  Execution timed(R"({"TimeoutSeconds":5,"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":60,"End":true}}})");
  timed.fire();
  EXPECT_EQ(timed.result(), "TIMED_OUT States.Timeout: ");
  EXPECT_TRUE(timed.timers_.empty());
  EXPECT_THAT(timed.types(), HasSubstr("3<2 WaitStateAborted, 4<0 ExecutionTimedOut"));
}

TEST(Engine, HistoryIsLimited) {
  const auto loop = machine(
      R"("A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$","IsNull":true,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"})");
  Limits limits;
  limits.history_events = 50;
  Execution e(loop, "{}", limits);
  EXPECT_EQ(e.result(), "FAILED States.Runtime: The execution reached the maximum number of history events (50).");
  EXPECT_EQ(e.history_.size(), 50U);
}

TEST(Engine, AnEndlessLoopLetsOthersGoOn) {
  Limits limits;
  limits.step_events = 100;
  limits.history_events = 1000;
  Execution e(
      machine(
          R"("A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$","IsNull":true,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"})"),
      "{}", limits);
  int steps = 1;
  while (!e.end_) {
    e.fire();
    ++steps;
  }
  EXPECT_GE(steps, 10);
  EXPECT_EQ(e.now_, kStart);
  EXPECT_EQ(e.history_.size(), 1000U);
}

TEST(Engine, AMapThatUsesUpItsShareGoesOn) {
  Limits limits;
  limits.step_events = 10;
  std::string items = "[0";
  for (int i = 1; i < 100; ++i) items += "," + std::to_string(i);
  items += "]";
  Execution e(machine(R"("A":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true})"), items,
              limits);
  while (!e.end_) e.fire();
  EXPECT_EQ(e.result(), items);
}

TEST(Engine, PayloadsAreLimited) {
  Limits limits;
  limits.payload_bytes = 100;
  Execution e(
      machine(
          R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"Next":"B"},"B":{"Type":"Succeed"})"),
      "{}", limits);
  e.succeed(e.task(), "\"" + std::string(200, 'x') + "\"");
  EXPECT_EQ(e.result(),
            "FAILED States.DataLimitExceeded: The state/task 'arn:aws:states:::x:y' returned a result with a size exceeding the maximum "
            "number of bytes service limit.");
}

// A document that could not be read again would stop the server at every start.
TEST(Engine, ALoopThatNestsItsInputDeeperEnds) {
  const auto loop = [](std::string_view parameters) {
    Execution e(
        machine(fmt::format(
            R"("A":{{"Type":"Pass",{},"Next":"B"}},"B":{{"Type":"Wait","Seconds":1,"Next":"C"}},"C":{{"Type":"Choice","Choices":[{{"Variable":"$.end","IsPresent":true,"Next":"D"}}],"Default":"A"}},"D":{{"Type":"Succeed"}})",
            parameters)),
        R"({"x":"[[\"{{"})");
    for (int i = 0; i < 600 && !e.end_; ++i) e.fire();
    return e.result();
  };
  const auto refused = AllOf(HasSubstr("FAILED States.Runtime"), HasSubstr("nested deeper than 500"));
  EXPECT_THAT(loop(R"("Parameters":{"d.$":"$"})"), refused);
  EXPECT_THAT(loop(R"("Parameters":{"d.$":"$"},"ResultPath":"$.a.b.c.d.e.f.g.h")"), refused);
  EXPECT_EQ(loop(R"x("Parameters":{"d.$":"States.Array($.x)"},"ResultPath":"$.a.b.c")x"), "RUNNING");
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + R"("[[\"[")" + std::string(depth, ']'); };
  EXPECT_EQ(run(R"("A":{"Type":"Pass","End":true})", nested(500)), nested(500));
  EXPECT_THAT(run(R"("A":{"Type":"Pass","End":true})", nested(501)), refused);
}

TEST(Engine, JitterAndDelayLimit) {
  Execution e(machine(
      R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":10,"BackoffRate":10,"MaxDelaySeconds":15,
    "JitterStrategy":"FULL"}],"End":true})"));
  e.fail(e.task(), "E");
  const auto first = e.timers_.begin()->second - e.now_;
  EXPECT_LT(first, std::chrono::seconds(10));
  e.fire();
  e.fail(e.task(), "E");
  EXPECT_LT(e.timers_.begin()->second - e.now_, std::chrono::seconds(15));
}

TEST(Engine, LambdaTasksHaveTheirOwnEvents) {
  Execution e(machine(R"("A":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","End":true})"));
  e.succeed(e.task(), "1");
  EXPECT_THAT(e.types(), HasSubstr("3<2 LambdaFunctionScheduled, 4<3 LambdaFunctionStarted, 5<4 LambdaFunctionSucceeded"));
}

TEST(Engine, ALongDocumentIsStoredOnce) {
  const auto long_text = "\"" + std::string(5000, 'x') + "\"";
  Execution e(
      machine(
          R"("A":{"Type":"Pass","Next":"B"},"B":{"Type":"Task","Resource":"arn:aws:states:::x:y","Next":"C"},"C":{"Type":"Pass","End":true})"),
      long_text);
  EXPECT_EQ(json::toText(*json::find(e.event(2), "stateEnteredEventDetails")),
            R"({"name":"A","input":{"event":1},"inputDetails":{"truncated":false}})");
  EXPECT_EQ(namedEvent(e.event(2)), 1);
  EXPECT_EQ(namedEvent(e.event(1)), 0);
  e.succeed(e.task(), "\"" + std::string(6000, 'y') + "\"");
  EXPECT_THAT(json::toText(e.event(7)), HasSubstr("yyyy"));
  EXPECT_EQ(namedEvent(e.event(9)), 7);
  EXPECT_EQ(json::toText(*json::find(e.event(11), "executionSucceededEventDetails")),
            R"({"output":{"event":7},"outputDetails":{"truncated":false}})");
  auto entered = e.event(2);
  resolveDocument(entered, e.event(1));
  EXPECT_EQ(json::textOr(json::find(entered, "stateEnteredEventDetails")->get_object(), "input"), long_text);
}

TEST(State, NamesLongDocumentsThatTheHistoryHolds) {
  const std::string input = R"({"text":")" + std::string(5000, 'x') + "\"}";
  Execution e;
  e.start(machine(R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Next":"B"},"B":{"Type":"Wait","Seconds":9,"End":true})"), input);
  EXPECT_LT(encode(e.state_).size(), 500U);
  const auto output = "\"" + std::string(6000, 'y') + "\"";
  e.succeed(e.task(), output);
  const auto text = encode(e.state_);
  EXPECT_LT(text.size(), 500U);
  EXPECT_EQ(*decode(text, e.held()), e.state_);
  // Without the history it cannot be read, rather than read wrong.
  EXPECT_FALSE(decode(text, {}));
  EXPECT_FALSE(decode(text, [](std::int64_t) { return std::optional<std::string>(); }));
}

TEST(State, DamagedTextsAreRefused) {
  for (const auto* text : {"", "{}", "[]", "[2,[],[],[],[],[]]", "[1,[],[],[],[],[]]"}) EXPECT_FALSE(decode(text, {})) << text;
}

}  // namespace
}  // namespace sp::engine
