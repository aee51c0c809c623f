// Retriers, catchers, and the limits of a state: which error goes where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/execution_rig.h"

namespace sp::engine {
namespace {

using testing::HasSubstr;

/// A task whose errors go to `names`; "caught" is the output then.
std::string catching(std::string_view names, std::string_view fields = "") {
  return machine(fmt::format(
      R"("A":{{"Type":"Task","Resource":"arn:aws:states:::x:y",{}"Catch":[{{"ErrorEquals":[{}],"Next":"C"}}],"End":true}},"C":{{"Type":"Pass","Result":"caught","End":true}})",
      fields, names));
}

struct CatchCase {
  const char* error;
  const char* names;
  bool caught;
};

TEST(Failure, WhichCatcherTakesWhichErrorOfATask) {
  constexpr CatchCase kCases[] = {
      {"E", R"("E")", true},
      {"E", R"("e")", false},
      {"E", R"("X","E")", true},
      {"E", R"("States.ALL")", true},
      {"E", R"("States.TaskFailed")", true},
      {"E", R"("States.Timeout")", false},
      {"E", R"("States.BranchFailed")", false},
      {"E", R"("States.Runtime")", false},
      {"States.TaskFailed", R"("States.TaskFailed")", true},
      {"States.TaskFailed", R"("States.ALL")", true},
      {"States.Timeout", R"("States.TaskFailed")", false},
      {"States.Timeout", R"("States.Timeout")", true},
      {"States.Timeout", R"("States.ALL")", true},
      {"States.HeartbeatTimeout", R"("States.HeartbeatTimeout")", true},
      {"States.HeartbeatTimeout", R"("States.ALL")", true},
      {"States.Permissions", R"("States.Permissions")", true},
      {"States.Permissions", R"("States.TaskFailed")", true},
      {"States.IntrinsicFailure", R"("States.IntrinsicFailure")", true},
      {"States.IntrinsicFailure", R"("States.ALL")", true},
      {"States.ResultPathMatchFailure", R"("States.ALL")", true},
      {"States.ParameterPathFailure", R"("States.ParameterPathFailure")", true},
      {"States.NoChoiceMatched", R"("States.NoChoiceMatched")", true},
      {"States.ExceedToleratedFailureThreshold", R"("States.ALL")", true},
      {"States.ItemReaderFailed", R"("States.ItemReaderFailed")", true},
      {"States.ResultWriterFailed", R"("States.ResultWriterFailed")", true},
      {"States.QueryEvaluationError", R"("States.QueryEvaluationError")", true},
      {"States.Http.Socket", R"("States.Http.Socket")", true},
      {"States.Runtime", R"("States.ALL")", false},
      {"States.Runtime", R"("States.TaskFailed")", false},
      {"States.Runtime", R"("States.Runtime")", true},
      {"States.DataLimitExceeded", R"("States.ALL")", false},
      {"States.DataLimitExceeded", R"("States.TaskFailed")", false},
      {"States.DataLimitExceeded", R"("States.DataLimitExceeded")", true},
  };
  for (const auto& [error, names, caught] : kCases) {
    Execution e(catching(names));
    e.fail(e.task(), error, "c");
    EXPECT_EQ(e.result(), caught ? "\"caught\"" : fmt::format("FAILED {}: c", error)) << error << " to " << names;
  }
}

TEST(Failure, WhichCatcherTakesWhichErrorOfBranchesAndIterations) {
  constexpr CatchCase kCases[] = {
      {"E", R"("E")", true},
      {"E", R"("States.ALL")", true},
      {"E", R"("States.TaskFailed")", true},
      {"E", R"("X")", false},
      {"States.Timeout", R"("States.TaskFailed")", false},
      {"States.Timeout", R"("States.Timeout")", true},
      {"States.Runtime", R"("States.ALL")", false},
      {"States.DataLimitExceeded", R"("States.ALL")", false},
  };
  const auto* const body = R"({"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}})";
  for (const auto& [error, names, caught] : kCases)
    for (const auto* type : {"Parallel", "Map"}) {
      const bool map = std::string_view(type) == "Map";
      Execution e(
          machine(fmt::format(
              R"("A":{{"Type":"{}",{}:{}{}{},"Catch":[{{"ErrorEquals":[{}],"Next":"C"}}],"End":true}},"C":{{"Type":"Pass","Result":"caught","End":true}})",
              type, map ? R"("ItemProcessor")" : R"("Branches")", map ? "" : "[", body, map ? "" : "]", names)),
          "[1]");
      e.fail(e.task(), error, "c");
      EXPECT_EQ(e.result(), caught ? "\"caught\"" : fmt::format("FAILED {}: c", error)) << error << " of " << type << " to " << names;
    }
}

TEST(Failure, TheFirstCatcherThatMatchesTakesIt) {
  Execution e(
      machine(
          R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Catch":[{"ErrorEquals":["X"],"Next":"N"},{"ErrorEquals":["E"],"ResultPath":null,"Next":"B"},
      {"ErrorEquals":["States.ALL"],"Next":"N"}],"End":true},"B":{"Type":"Pass","End":true},"N":{"Type":"Fail"})"),
      R"({"i":1})");
  e.fail(e.task(), "E", "c");
  EXPECT_EQ(e.result(), R"({"i":1})");
}

// What the catcher itself makes is too large: nobody takes that, the execution fails.
TEST(Failure, ACatcherWhoseOutputIsTooLargeFails) {
  Limits limits;
  limits.payload_bytes = 200;
  for (const auto* names : {R"("States.ALL")", R"("States.DataLimitExceeded","E")"}) {
    Execution e(
        machine(fmt::format(
            R"("A":{{"Type":"Task","Resource":"arn:aws:states:::x:y","Catch":[{{"ErrorEquals":[{}],"ResultPath":"$.e","Next":"C"}}],"End":true}},"C":{{"Type":"Succeed"}})",
            names)),
        fmt::format(R"({{"x":"{}"}})", std::string(180, 'x')), limits);
    e.fail(e.task(), "E", "c");
    EXPECT_EQ(e.result(),
              "FAILED States.DataLimitExceeded: The state/task 'A' returned a result with a size exceeding the maximum number of bytes "
              "service limit.")
        << names;
  }
}

TEST(Failure, WhatAParallelOrMapHandsOnIsLimitedToo) {
  Limits limits;
  limits.payload_bytes = 100;
  const auto input = fmt::format(R"({{"x":"{}","l":[1]}})", std::string(60, 'x'));
  const auto body = R"({"StartAt":"P","States":{"P":{"Type":"Pass","Result":1,"End":true}}})";
  const auto* const wanted =
      "FAILED States.DataLimitExceeded: The state/task 'A' returned a result with a size exceeding the maximum number of bytes service "
      "limit.";
  EXPECT_EQ(Execution(machine(fmt::format(
                          R"("A":{{"Type":"Parallel","Parameters":{{"a.$":"$.x","b.$":"$.x"}},"Branches":[{}],"End":true}})", body)),
                      input, limits)
                .result(),
            wanted);
  Execution map(
      machine(fmt::format(
          R"("A":{{"Type":"Map","ItemsPath":"$.l","ItemSelector":{{"a.$":"$.x","b.$":"$.x"}},"ItemProcessor":{},"End":true}})", body)),
      input, limits);
  EXPECT_EQ(map.result(), wanted);
  EXPECT_THAT(map.types(), HasSubstr("MapStateStarted"));
}

TEST(Failure, RetriesWaitLongerEachTime) {
  struct Case {
    const char* fields;
    std::vector<double> delays;
  };
  const Case cases[] = {
      // What is left out: one second, three attempts, doubled each time.
      {"", {1, 2, 4}},
      {R"("IntervalSeconds":3,)", {3, 6, 12}},
      {R"("MaxAttempts":1,)", {1}},
      {R"("MaxAttempts":0,)", {}},
      {R"("BackoffRate":1,)", {1, 1, 1}},
      {R"("BackoffRate":1.5,"IntervalSeconds":2,)", {2, 3, 4.5}},
      {R"("BackoffRate":10,"MaxDelaySeconds":5,"MaxAttempts":4,)", {1, 5, 5, 5}},
      {R"("JitterStrategy":"NONE","IntervalSeconds":7,"MaxAttempts":2,)", {7, 14}},
  };
  for (const auto& [fields, delays] : cases) {
    Execution e(machine(fmt::format(
        R"("A":{{"Type":"Task","Resource":"arn:aws:states:::x:y","Retry":[{{{}"ErrorEquals":["States.ALL"]}}],"End":true}})", fields)));
    for (const auto delay : delays) {
      e.fail(e.task(), "E");
      ASSERT_EQ(e.timers_.size(), 1U) << fields;
      EXPECT_EQ(e.timers_.begin()->second - e.now_, std::chrono::duration_cast<Duration>(std::chrono::duration<double>(delay))) << fields;
      e.fire();
    }
    e.fail(e.task(), "E");
    EXPECT_EQ(e.result(), "FAILED E: ") << fields;
  }
}

TEST(Failure, FullJitterStaysBelowTheDelayAndVaries) {
  Execution e(machine(
      R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Retry":[{"ErrorEquals":["E"],"IntervalSeconds":10,"BackoffRate":1,"MaxAttempts":200,"JitterStrategy":"FULL"}],"End":true})"));
  auto least = Duration::max();
  auto most = Duration::min();
  for (int i = 0; i < 200; ++i) {
    e.fail(e.task(), "E");
    const auto delay = e.timers_.begin()->second - e.now_;
    least = std::min(least, delay);
    most = std::max(most, delay);
    e.fire();
  }
  EXPECT_GE(least, Duration(0));
  EXPECT_LT(most, std::chrono::seconds(10));
  EXPECT_LT(least, std::chrono::seconds(2));
  EXPECT_GT(most, std::chrono::seconds(8));
}

// Each retrier counts its own attempts; what none of them names goes to the catchers at once.
TEST(Failure, RetriersCountOnTheirOwn) {
  Execution e(machine(
      R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Parameters":{"n.$":"$$.State.RetryCount"},
      "Retry":[{"ErrorEquals":["E"],"MaxAttempts":1},{"ErrorEquals":["F"],"MaxAttempts":2}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"End":true},"C":{"Type":"Pass","End":true})"));
  for (const auto* error : {"E", "F", "F"}) {
    e.fail(e.task(), error);
    EXPECT_EQ(e.result(), "RUNNING");
    e.fire();
  }
  EXPECT_EQ(e.tasks_.begin()->second.parameters.text(), R"({"n":3})");
  e.fail(e.task(), "F", "c");
  EXPECT_EQ(e.result(), R"({"Error":"F","Cause":"c"})");

  Execution other(machine(
      R"("A":{"Type":"Task","Resource":"arn:aws:states:::x:y","Retry":[{"ErrorEquals":["States.TaskFailed"]}],"TimeoutSeconds":5,"End":true})"));
  other.fire();
  EXPECT_EQ(other.result(), "FAILED States.Timeout: ");
}

TEST(Failure, RuntimeErrorsAreRetriedByTheirOwnNameOnly) {
  const auto with = [](std::string_view name) {
    Execution e(machine(fmt::format(
        R"("A":{{"Type":"Task","Resource":"arn:aws:states:::x:y","Parameters":{{"a.$":"$.no"}},"Retry":[{{"ErrorEquals":["{}"],"MaxAttempts":1}}],"End":true}})",
        name)));
    return e.timers_.size();
  };
  EXPECT_EQ(with("States.ALL"), 0U);
  EXPECT_EQ(with("States.TaskFailed"), 0U);
  EXPECT_EQ(with("States.Runtime"), 1U);
  EXPECT_EQ(with("States.ParameterPathFailure"), 1U);
}

TEST(Failure, ErrorAndCauseAreCutAfterCharacters) {
  const auto repeat = [](std::string_view one, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += one;
    return all;
  };
  const auto* const states = R"("A":{"Type":"Fail","ErrorPath":"$.e","CausePath":"$.c"})";
  const auto fails = [&](const std::string& error, const std::string& cause) {
    return run(states, fmt::format(R"({{"e":"{}","c":"{}"}})", error, cause));
  };
  EXPECT_EQ(fails(repeat("é", 256), "c"), "FAILED " + repeat("é", 256) + ": c");
  EXPECT_EQ(fails(repeat("é", 257), "c"), "FAILED " + repeat("é", 256) + ": c");
  EXPECT_EQ(fails("e", repeat("ж", 40'000)), "FAILED e: " + repeat("ж", 32'768));
}

TEST(Failure, BothToleratedLimitsHold) {
  const auto failing = [](std::string_view fields, int failures) {
    Execution e(
        machine(fmt::format(
            R"("A":{{"Type":"Map","ItemsPath":"$.l",{},"ItemProcessor":{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true}}}}}},"ResultPath":null,"End":true}})",
            fields)),
        R"({"l":[1,2,3,4,5,6,7,8,9,10],"c":2,"p":25.5})");
    for (int i = 0; i < failures && e.task() != 0; ++i) e.fail(e.task(), "E");
    while (e.task() != 0) e.succeed(e.task(), "0");
    return e.result().substr(0, 6) == "FAILED";
  };
  struct Case {
    const char* fields;
    int borne;
  };
  constexpr Case kCases[] = {
      {R"("ToleratedFailureCount":3)", 3},
      {R"("ToleratedFailureCountPath":"$.c")", 2},
      {R"("ToleratedFailurePercentage":20)", 2},
      {R"("ToleratedFailurePercentage":29.9)", 2},
      {R"("ToleratedFailurePercentage":100)", 10},
      {R"("ToleratedFailurePercentagePath":"$.p")", 2},
      // Above either of them it fails.
      {R"("ToleratedFailureCount":1,"ToleratedFailurePercentage":50)", 1},
      {R"("ToleratedFailureCount":5,"ToleratedFailurePercentage":30)", 3},
      {R"("MaxConcurrency":0)", 0},
  };
  for (const auto& [fields, borne] : kCases) {
    EXPECT_FALSE(failing(fields, borne)) << fields;
    if (borne < 10) EXPECT_TRUE(failing(fields, borne + 1)) << fields;
  }
}

TEST(Failure, TimesFromPathsMustBeWholeAndPositive) {
  const auto with = [](std::string_view field, std::string_view value) {
    Execution e(machine(fmt::format(R"("A":{{"Type":"Task","Resource":"arn:aws:states:::x:y","{}":"$.t","End":true}})", field)),
                fmt::format(R"({{"t":{}}})", value));
    return e.result();
  };
  const std::string prefix = "FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). The ";
  for (const std::string field : {"TimeoutSecondsPath", "HeartbeatSecondsPath"}) {
    EXPECT_EQ(with(field, "5"), "RUNNING");
    EXPECT_EQ(with(field, "99999999"), "RUNNING");
    for (const auto* bad : {"0", "-1", "100000000"})
      EXPECT_EQ(with(field, bad),
                fmt::format("{}{} field refers to value \"{}\" which is not between 1 and 99999999: $.t", prefix, field, bad));
    for (const auto* bad : {"1.5", "null", "true"})
      EXPECT_EQ(with(field, bad), fmt::format("{}{} field refers to value \"{}\" which is not a valid integer: $.t", prefix, field, bad));
    EXPECT_EQ(with(field, "\"x\""), fmt::format("{}{} field refers to value \"x\" which is not a valid integer: $.t", prefix, field));
  }
}

TEST(Failure, NumbersOfAMapFromPaths) {
  const auto with = [](std::string_view field, std::string_view value) {
    return run(
        fmt::format(
            R"("A":{{"Type":"Map","ItemsPath":"$.l","{}":"$.v","ItemProcessor":{{"StartAt":"P","States":{{"P":{{"Type":"Pass","End":true}}}}}},"End":true}})",
            field),
        fmt::format(R"({{"l":[1,2],"v":{}}})", value));
  };
  struct Case {
    const char* field;
    const char* value;
    const char* cause;
  };
  constexpr Case kCases[] = {
      {"MaxConcurrencyPath", "\"x\"", "The MaxConcurrencyPath field refers to value \"x\" which is not a valid integer: $.v"},
      {"MaxConcurrencyPath", "1.5", "The MaxConcurrencyPath field refers to value \"1.5\" which is not a valid integer: $.v"},
      {"MaxConcurrencyPath", "null", "The MaxConcurrencyPath field refers to value \"null\" which is not a valid integer: $.v"},
      {"MaxConcurrencyPath", "-1", "MaxConcurrency cannot be negative."},
      {"ToleratedFailureCountPath", "[1]", "The ToleratedFailureCountPath field refers to value \"[1]\" which is not a valid integer: $.v"},
      {"ToleratedFailureCountPath", "-1", "ToleratedFailureCount cannot be negative."},
      {"ToleratedFailurePercentagePath", "\"x\"",
       "The ToleratedFailurePercentagePath field refers to value \"x\" which is not a valid float: $.v"},
      {"ToleratedFailurePercentagePath", "100.1", "ToleratedFailurePercentage must be between 0 and 100."},
      {"ToleratedFailurePercentagePath", "-0.5", "ToleratedFailurePercentage must be between 0 and 100."},
  };
  for (const auto& [field, value, cause] : kCases)
    EXPECT_EQ(
        with(field, value),
        fmt::format("FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). {}", cause));
  for (const auto* field : {"MaxConcurrencyPath", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"})
    for (const auto* value : {"0", "2"}) EXPECT_EQ(with(field, value), "[1,2]") << field;
}

TEST(Failure, MapsOfWhatIsNoArray) {
  const auto with = [](std::string_view path, std::string input) {
    return run(
        fmt::format(R"("A":{{"Type":"Map",{}"ItemProcessor":{{"StartAt":"P","States":{{"P":{{"Type":"Pass","End":true}}}}}},"End":true}})",
                    path.empty() ? std::string() : fmt::format(R"("ItemsPath":"{}",)", path)),
        std::move(input));
  };
  const std::string prefix = "FAILED States.Runtime: An error occurred while executing the state 'A' (entered at the event id #2). ";
  EXPECT_EQ(with("", R"({"a": 1})"), prefix + R"(Map state input must be an array but was: {"a": 1})");
  EXPECT_EQ(with("", "\"x\""), prefix + R"(Map state input must be an array but was: "x")");
  EXPECT_EQ(with("$.a", R"({"a": null})"), prefix + "Map state input must be an array but was: null");
  EXPECT_EQ(with("$.no", "{}"), prefix + R"(Reference path "$.no" must point to array.)");
  EXPECT_EQ(with("$.no[*]", "{}"), "[]");
  EXPECT_EQ(with("$.l[1:]", R"({"l":[1,2,3]})"), "[2,3]");
  EXPECT_EQ(with("$$.Execution.Input.l", R"({"l":[4]})"), "[4]");
}

}  // namespace
}  // namespace sp::engine
