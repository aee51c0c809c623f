// Every type of event, with the members of its details and what it follows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/execution_rig.h"

namespace sp::engine {
namespace {

/// "2<0 PassStateEntered stateEntered {…}", a line an event from `first` on; "-": no details.
std::string events(const Execution& e, std::size_t first = 3) {
  std::string out;
  for (std::size_t id = first; id <= e.history_.size(); ++id) {
    const auto& event = e.event(id);
    std::string details = "-";
    for (const auto& member : event) {
      const std::string_view name(member.key());
      if (name.ends_with("EventDetails"))
        details = fmt::format("{} {}", name.substr(0, name.size() - std::string_view("EventDetails").size()), json::toText(member.value()));
    }
    out += fmt::format("{}<{} {} {}\n", json::intOr(event, "id", -1), json::intOr(event, "previousEventId", -1),
                       json::textOr(event, "type"), details);
  }
  return out;
}

std::string task(std::string_view resource, std::string_view fields = "") {
  return machine(fmt::format(R"("A":{{"Type":"Task","Resource":"{}",{}"End":true}})", resource, fields));
}

TEST(History, OfATaskThatIsSubmittedAndFails) {
  Execution e(task("arn:aws:states:::states:startExecution.sync:2",
                   R"("TimeoutSeconds":60,"HeartbeatSeconds":5,"Credentials":{"RoleArn":"arn:aws:iam::000000000000:role/r"},)"));
  e.take(TaskSubmitted{e.task(), Payload::fromText(R"({"a": 1})")});
  e.fail(e.task(), "E", "c");
  EXPECT_EQ(
      events(e),
      R"(3<2 TaskScheduled taskScheduled {"resourceType":"states","resource":"startExecution.sync:2","region":"us-east-1","parameters":"{}","timeoutInSeconds":60,"heartbeatInSeconds":5,"taskCredentials":{"roleArn":"arn:aws:iam::000000000000:role/r"}}
4<3 TaskStarted taskStarted {"resourceType":"states","resource":"startExecution.sync:2"}
5<4 TaskSubmitted taskSubmitted {"resourceType":"states","resource":"startExecution.sync:2","output":"{\"a\": 1}","outputDetails":{"truncated":false}}
6<5 TaskFailed taskFailed {"resourceType":"states","resource":"startExecution.sync:2","error":"E","cause":"c"}
7<6 ExecutionFailed executionFailed {"error":"E","cause":"c"}
)");
}

TEST(History, OfATaskThatTakesTooLongOrIsStopped) {
  Execution late(task("arn:aws:states:::aws-sdk:s3:getObject", R"("TimeoutSeconds":60,)"));
  late.fire();
  EXPECT_EQ(events(late, 5), R"(5<4 TaskTimedOut taskTimedOut {"resourceType":"aws-sdk:s3","resource":"getObject","error":"States.Timeout"}
6<5 ExecutionFailed executionFailed {"error":"States.Timeout"}
)");
  Execution stopped(task("arn:aws:states:::aws-sdk:s3:getObject"));
  stopped.take(Abort{"", ""});
  EXPECT_EQ(events(stopped, 5), "5<4 TaskStateAborted -\n6<0 ExecutionAborted executionAborted {}\n");
  Execution told(task("arn:aws:states:::aws-sdk:s3:getObject"));
  told.take(Abort{"Err", "why"});
  EXPECT_EQ(events(told, 6), "6<0 ExecutionAborted executionAborted {\"error\":\"Err\",\"cause\":\"why\"}\n");
}

TEST(History, OfFunctions) {
  const auto* const arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
  Execution good(task(arn, R"("TimeoutSeconds":60,"HeartbeatSeconds":5,"Credentials":{"RoleArn":"arn:aws:iam::000000000000:role/r"},)"));
  good.succeed(good.task(), "1");
  EXPECT_EQ(
      events(good),
      R"(3<2 LambdaFunctionScheduled lambdaFunctionScheduled {"resource":"arn:aws:lambda:us-east-1:000000000000:function:f","input":"{}","inputDetails":{"truncated":false},"timeoutInSeconds":60,"taskCredentials":{"roleArn":"arn:aws:iam::000000000000:role/r"}}
4<3 LambdaFunctionStarted -
5<4 LambdaFunctionSucceeded lambdaFunctionSucceeded {"output":"1","outputDetails":{"truncated":false}}
6<5 TaskStateExited stateExited {"name":"A","output":"1","outputDetails":{"truncated":false}}
7<6 ExecutionSucceeded executionSucceeded {"output":"1","outputDetails":{"truncated":false}}
)");
  Execution bad(task(arn));
  bad.fail(bad.task(), "E");
  EXPECT_EQ(events(bad, 5), R"(5<4 LambdaFunctionFailed lambdaFunctionFailed {"error":"E"}
6<5 ExecutionFailed executionFailed {"error":"E"}
)");
  Execution late(task(arn, R"("TimeoutSeconds":1,)"));
  late.fire();
  EXPECT_EQ(events(late, 5), R"(5<4 LambdaFunctionTimedOut lambdaFunctionTimedOut {"error":"States.Timeout"}
6<5 ExecutionFailed executionFailed {"error":"States.Timeout"}
)");
}

TEST(History, OfActivities) {
  const auto* const arn = "arn:aws:states:us-east-1:000000000000:activity:a";
  Execution good(task(arn));
  good.take(TaskStarted{good.task(), ""});
  good.succeed(good.task(), "1");
  EXPECT_EQ(
      events(good),
      R"(3<2 ActivityScheduled activityScheduled {"resource":"arn:aws:states:us-east-1:000000000000:activity:a","input":"{}","inputDetails":{"truncated":false}}
4<3 ActivityStarted activityStarted {}
5<4 ActivitySucceeded activitySucceeded {"output":"1","outputDetails":{"truncated":false}}
6<5 TaskStateExited stateExited {"name":"A","output":"1","outputDetails":{"truncated":false}}
7<6 ExecutionSucceeded executionSucceeded {"output":"1","outputDetails":{"truncated":false}}
)");
  Execution bad(task(arn));
  bad.take(TaskStarted{bad.task(), "w"});
  bad.fail(bad.task(), "E", "c");
  EXPECT_EQ(events(bad, 4), R"(4<3 ActivityStarted activityStarted {"workerName":"w"}
5<4 ActivityFailed activityFailed {"error":"E","cause":"c"}
6<5 ExecutionFailed executionFailed {"error":"E","cause":"c"}
)");
  Execution late(task(arn, R"("HeartbeatSeconds":1,)"));
  late.take(TaskStarted{late.task(), ""});
  late.fire();
  EXPECT_EQ(events(late, 5), R"(5<4 ActivityTimedOut activityTimedOut {"error":"States.Timeout"}
6<5 ExecutionFailed executionFailed {"error":"States.Timeout"}
)");
}

TEST(History, OfAMapThatFailsAndIsCaught) {
  Execution e(
      machine(
          R"("A":{"Type":"Map","ItemProcessor":{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}},"Catch":[{"ErrorEquals":["E"],"Next":"B"}],"Next":"B"},"B":{"Type":"Succeed"})"),
      "[1,2]");
  e.fail(e.task(), "E", "c");
  EXPECT_EQ(events(e),
            R"(3<2 MapStateStarted mapStateStarted {"length":2}
4<3 MapIterationStarted mapIterationStarted {"name":"A","index":0}
5<3 TaskStateEntered stateEntered {"name":"T","input":"1","inputDetails":{"truncated":false}}
6<5 TaskScheduled taskScheduled {"resourceType":"x","resource":"y","region":"us-east-1","parameters":"1"}
7<6 TaskStarted taskStarted {"resourceType":"x","resource":"y"}
8<3 MapIterationStarted mapIterationStarted {"name":"A","index":1}
9<3 TaskStateEntered stateEntered {"name":"T","input":"2","inputDetails":{"truncated":false}}
10<9 TaskScheduled taskScheduled {"resourceType":"x","resource":"y","region":"us-east-1","parameters":"2"}
11<10 TaskStarted taskStarted {"resourceType":"x","resource":"y"}
12<7 TaskFailed taskFailed {"resourceType":"x","resource":"y","error":"E","cause":"c"}
13<12 MapIterationFailed mapIterationFailed {"name":"A","index":0}
14<11 TaskStateAborted -
15<14 MapIterationAborted mapIterationAborted {"name":"A","index":1}
16<12 MapStateFailed -
17<16 MapStateExited stateExited {"name":"A","output":"{\"Error\":\"E\",\"Cause\":\"c\"}","outputDetails":{"truncated":false}}
18<17 SucceedStateEntered stateEntered {"name":"B","input":"{\"Error\":\"E\",\"Cause\":\"c\"}","inputDetails":{"truncated":false}}
19<18 SucceedStateExited stateExited {"name":"B","output":"{\"Error\":\"E\",\"Cause\":\"c\"}","outputDetails":{"truncated":false}}
20<19 ExecutionSucceeded executionSucceeded {"output":"{\"Error\":\"E\",\"Cause\":\"c\"}","outputDetails":{"truncated":false}}
)");
}

TEST(History, OfWhatIsStoppedWithin) {
  Execution e(machine(R"("A":{"Type":"Parallel","Branches":[{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$",
      "ItemProcessor":{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9,"End":true}}},"End":true}}}],"End":true})"),
              "[1]");
  e.take(Overdue{});
  EXPECT_EQ(events(e), R"(3<2 ParallelStateStarted -
4<3 MapStateEntered stateEntered {"name":"M","input":"[1]","inputDetails":{"truncated":false}}
5<4 MapStateStarted mapStateStarted {"length":1}
6<5 MapIterationStarted mapIterationStarted {"name":"M","index":0}
7<5 WaitStateEntered stateEntered {"name":"W","input":"1","inputDetails":{"truncated":false}}
8<7 WaitStateAborted -
9<8 MapIterationAborted mapIterationAborted {"name":"M","index":0}
10<5 MapStateAborted -
11<3 ParallelStateAborted -
12<0 ExecutionTimedOut executionTimedOut {"error":"States.Timeout"}
)");
}

TEST(History, OfEveryOtherState) {
  Execution e(
      machine(
          R"("A":{"Type":"Choice","Choices":[{"Variable":"$.x","IsPresent":true,"Next":"B"}]},"B":{"Type":"Wait","Seconds":0,"Next":"C"},
      "C":{"Type":"Fail","Cause":"c"})"),
      R"({"x": 1})");
  EXPECT_EQ(events(e, 1),
            R"(1<0 ExecutionStarted executionStarted {"input":"{\"x\": 1}","inputDetails":{"truncated":false},"roleArn":"role"}
2<0 ChoiceStateEntered stateEntered {"name":"A","input":"{\"x\": 1}","inputDetails":{"truncated":false}}
3<2 ChoiceStateExited stateExited {"name":"A","output":"{\"x\": 1}","outputDetails":{"truncated":false}}
4<3 WaitStateEntered stateEntered {"name":"B","input":"{\"x\": 1}","inputDetails":{"truncated":false}}
5<4 WaitStateExited stateExited {"name":"B","output":"{\"x\": 1}","outputDetails":{"truncated":false}}
6<5 FailStateEntered stateEntered {"name":"C","input":"{\"x\": 1}","inputDetails":{"truncated":false}}
7<6 ExecutionFailed executionFailed {"cause":"c"}
)");
}

// Of a document that a path picks out, the service writes numbers anew; what passes whole keeps its text.
TEST(Numbers, AsTheServiceWritesThem) {
  struct Case {
    const char* given;
    const char* picked;
  };
  constexpr Case kCases[] = {
      {"1", "1"},
      {"-1", "-1"},
      {"0", "0"},
      {"-0", "0"},
      {"1.0", "1.0"},
      {"1.50", "1.5"},
      {"-0.0", "-0.0"},
      {"1e3", "1000.0"},
      {"1E-2", "0.01"},
      {"0.1", "0.1"},
      {"9007199254740993", "9007199254740993"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"3.141592653589793", "3.141592653589793"},
      {"0.30000000000000004", "0.30000000000000004"},
      // Beyond 64 bits: all digits of an integer, the nearest double of a decimal.
      {"18446744073709551616", "18446744073709551616"},
      {"-9223372036854775809", "-9223372036854775809"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"-123456789012345678901234567890", "-123456789012345678901234567890"},
      {"123456789012345678901234567890.5", "1.2345678901234568E29"},
      {"0.1234567890123456789", "0.12345678901234568"},
      {"1e-400", "0.0"},
  };
  for (const auto& [given, picked] : kCases) {
    const auto input = fmt::format(R"({{"n": {}}})", given);
    EXPECT_EQ(run(R"("A":{"Type":"Pass","End":true})", input), input);
    EXPECT_EQ(run(R"("A":{"Type":"Pass","InputPath":"$.n","End":true})", input), picked);
    EXPECT_EQ(run(R"("A":{"Type":"Pass","Parameters":{"x.$":"$.n"},"End":true})", input), fmt::format(R"({{"x":{}}})", picked));
    EXPECT_EQ(run(R"x("A":{"Type":"Pass","Parameters":{"x.$":"States.Format('{}', $.n)"},"End":true})x", input),
              fmt::format(R"({{"x":"{}"}})", picked));
    EXPECT_EQ(run(fmt::format(R"("A":{{"Type":"Pass","Result":{},"End":true}})", given)), picked);
  }
}

// Wherever a value only passes, an integer beyond 64 bits keeps its digits.
TEST(Numbers, LongIntegersPassEverything) {
  const std::string n = "123456789012345678901234567890";
  const auto input = fmt::format(R"({{"n":{0},"l":[{0},1,{0}],"t":"[{0}]"}})", n);
  const auto pass = [&](std::string_view members) { return run(fmt::format(R"("A":{{"Type":"Pass",{},"End":true}})", members), input); };
  const auto made = [&](std::string_view call) { return pass(fmt::format(R"("Parameters":{{"x.$":"{}"}},"OutputPath":"$.x")", call)); };
  EXPECT_EQ(pass(R"("OutputPath":"$.l[0]")"), n);
  EXPECT_EQ(pass(R"("InputPath":"$.n","ResultPath":"$.r","OutputPath":"$.r")"), n);
  EXPECT_EQ(pass(fmt::format(R"("Result":{{"x":[{}]}})", n)), fmt::format(R"({{"x":[{}]}})", n));
  EXPECT_EQ(pass(fmt::format(R"("Parameters":{{"a":{},"b.$":"$.l[?(@ > 5)]"}})", n)), fmt::format(R"({{"a":{0},"b":[{0},{0}]}})", n));
  EXPECT_EQ(made(fmt::format("States.Array($.n, {})", n)), fmt::format("[{0},{0}]", n));
  EXPECT_EQ(made("States.ArrayPartition($.l, 2)"), fmt::format("[[{0},1],[{0}]]", n));
  EXPECT_EQ(made("States.ArrayGetItem($.l, 2)"), n);
  EXPECT_EQ(made("States.ArrayUnique($.l)"), fmt::format("[{},1]", n));
  EXPECT_EQ(made("States.ArrayContains($.l, $.n)"), "true");
  EXPECT_EQ(made("States.ArrayContains($.l, 123456789012345678901234567891)"), "false");
  EXPECT_EQ(made("States.JsonMerge(States.StringToJson('{}'), $, false)"), input);
  EXPECT_EQ(made("States.StringToJson($.t)"), fmt::format("[{}]", n));
  EXPECT_EQ(made("States.JsonToString($.l)"), fmt::format(R"("[{0},1,{0}]")", n));
  EXPECT_EQ(made("States.Format('{}', $.n)"), fmt::format(R"("{}")", n));
  EXPECT_EQ(made("$$.Execution.Input.n"), n);
  EXPECT_EQ(run(R"("A":{"Type":"Map","ItemsPath":"$.l","ItemSelector":{"v.$":"$$.Map.Item.Value"},"ItemProcessor":{"StartAt":"B","States":
      {"B":{"Type":"Pass","OutputPath":"$.v","End":true}}},"End":true})",
                input),
            fmt::format("[{0},1,{0}]", n));
  EXPECT_EQ(run(R"("A":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","InputPath":"$.n","End":true}}}],
      "ResultSelector":{"r.$":"$[0]"},"End":true})",
                input),
            fmt::format(R"({{"r":{}}})", n));
}

// It is a number wherever its kind is asked for, and one that is too large.
TEST(Numbers, LongIntegersAreNumbers) {
  const std::string n = "123456789012345678901234567890";
  const auto input = fmt::format(R"({{"n":{}}})", n);
  const auto chosen = [&](const std::string& test) {
    return run(fmt::format(R"("A":{{"Type":"Choice","Choices":[{{"Variable":"$.n",{},"Next":"Y"}}],"Default":"N"}},
      "Y":{{"Type":"Pass","Result":"yes","End":true}},"N":{{"Type":"Pass","Result":"no","End":true}})",
                           test),
               input);
  };
  for (const std::string& test : {R"("IsNumeric":true)", R"("IsString":false)", R"("IsTimestamp":false)", R"("NumericEqualsPath":"$.n")",
                                  R"("NumericGreaterThan":18446744073709551615)", R"("NumericLessThan":123456789012345678901234567891)",
                                  R"("NumericGreaterThan":123456789012345678901234567889)", R"("NumericLessThan":1e30)"})
    EXPECT_EQ(chosen(test), R"("yes")") << test;
  for (const std::string& test : {R"("NumericEquals":123456789012345678901234567891)", R"("NumericEquals":1.2345678901234568e29)",
                                  R"("StringEqualsPath":"$.n")", R"("StringMatches":"*")"})
    EXPECT_EQ(chosen(test), R"("no")") << test;
  const auto failed = [&](std::string_view state) { return run(fmt::format(R"("A":{{{}}})", state), input); };
  EXPECT_THAT(failed(R"("Type":"Wait","SecondsPath":"$.n","End":true)"),
              testing::HasSubstr("cannot be parsed as a long value: $.n == " + n));
  EXPECT_THAT(failed(R"("Type":"Fail","ErrorPath":"$.n")"), testing::HasSubstr("must refer to a string, but $.n is " + n));
  EXPECT_THAT(failed(R"x("Type":"Pass","Parameters":{"x.$":"States.MathAdd($.n, 1)"},"End":true)x"),
              testing::HasSubstr("a whole number is expected, not " + n));
  EXPECT_THAT(failed(R"x("Type":"Pass","Parameters":{"x.$":"States.Base64Encode($.n)"},"End":true)x"),
              testing::HasSubstr("States.IntrinsicFailure"));
}

TEST(Texts, AreUtf8AllTheWay) {
  const auto* const input = R"({"größe":"ü👍\u00e9\ud83d\udc4d\n","list":["日本"]})";
  EXPECT_EQ(run(R"("A":{"Type":"Pass","InputPath":"$.größe","End":true})", input), R"("ü👍é👍\n")");
  EXPECT_EQ(run(R"("A":{"Type":"Pass","Parameters":{"ключ.$":"$$.State.Name","x.$":"$.list[0]"},"End":true})", input),
            R"({"ключ":"A","x":"日本"})");
  EXPECT_EQ(run(R"x("A":{"Type":"Fail","ErrorPath":"$.list[0]","CausePath":"States.Format('größe {}', $.list[0])"})x", input),
            "FAILED 日本: größe 日本");
}

}  // namespace
}  // namespace sp::engine
