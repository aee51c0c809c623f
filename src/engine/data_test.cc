// What every type of state does with its input and output, and what the context object holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/execution_rig.h"

namespace sp::engine {
namespace {

using testing::HasSubstr;

const auto* const kInput = R"({"a":{"b":[1,2],"c":"x"},"n":7})";

/// Runs A of this type and fields over kInput, a task answers `answer`.
std::string made(std::string_view type, std::string_view fields, std::string_view answer = R"({"r":[5],"s":"t"})") {
  std::string own;
  if (type == "Task") own = R"("Resource":"arn:aws:states:::x:y","End":true)";
  if (type == "Pass") own = R"("End":true)";
  if (type == "Wait") own = R"("Seconds":0,"End":true)";
  if (type == "Choice") own = R"("Choices":[{"Variable":"$.never","IsPresent":true,"Next":"Z"}],"Default":"Z")";
  if (type == "Parallel") own = R"("Branches":[{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}],"End":true)";
  if (type == "Map") own = R"("ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true)";
  const std::string end = type == "Choice" ? R"(,"Z":{"Type":"Succeed"})" : "";
  Execution e(machine(fmt::format(R"("A":{{"Type":"{}",{}{}{}}}{})", type, fields, fields.empty() || own.empty() ? "" : ",", own, end)),
              kInput);
  if (e.task() != 0) e.succeed(e.task(), std::string(answer));
  constexpr std::string_view kPrefix = "An error occurred while executing the state 'A' (entered at the event id #2). ";
  auto result = e.result();
  if (const auto at = result.find(kPrefix); at != std::string::npos) result.erase(at, kPrefix.size());
  return result;
}

struct Case {
  const char* type;
  const char* fields;
  const char* result;
};

TEST(Data, PathsOfEveryState) {
  const std::vector<Case> cases = {
      {"Pass", R"("InputPath":"$.a")", R"({"b":[1,2],"c":"x"})"},
      {"Pass", R"("InputPath":null)", "{}"},
      {"Pass", R"("InputPath":"$")", kInput},
      {"Pass", R"("InputPath":"$.a.b[*]")", "[1,2]"},
      {"Pass", R"("InputPath":"$$.State.Name")", "\"A\""},
      {"Pass", R"("OutputPath":"$.n")", "7"},
      {"Pass", R"("OutputPath":null)", "{}"},
      {"Pass", R"("OutputPath":"$['n','no']")", R"({"n":7})"},
      {"Pass", R"("OutputPath":"$$.State.Name")", "\"A\""},
      {"Pass", R"("Result":{"x":1},"InputPath":"$.a","ResultPath":"$.n")", R"({"a":{"b":[1,2],"c":"x"},"n":{"x":1}})"},
      {"Pass", R"("Result":[1],"Parameters":{"x.$":"$.n"})", "[1]"},
      {"Pass", R"("Result":{"x.$":"$.n"},"ResultPath":"$")", R"({"x.$":"$.n"})"},
      {"Pass", R"("Result":null)", "null"},
      {"Pass", R"("Result":0,"ResultPath":null,"OutputPath":"$.n")", "7"},
      {"Pass", R"("Result":0,"ResultPath":"$.a.b[1]")", R"({"a":{"b":[1,0],"c":"x"},"n":7})"},
      {"Pass", R"("Result":0,"ResultPath":"$.a.c.d")",
       R"(FAILED States.ResultPathMatchFailure: Unable to apply Reference Path '$.a.c.d' to input '{"a":{"b":[1,2],"c":"x"},"n":7}')"},
      {"Pass", R"("InputPath":"$.no.x")", "FAILED States.Runtime: Invalid path '$.no.x' : Missing property in path $['no']"},
      {"Pass", R"("OutputPath":"$.a.b[5]")", "FAILED States.Runtime: Invalid path '$.a.b[5]' : No results for path: $['a']['b'][5]"},
      {"Pass", R"("Parameters":{"a":{"b":[{"c.$":"$.a.b"},"$.n",null]},"d.$":"$.a['c','no']"})",
       R"({"a":{"b":[{"c":[1,2]},"$.n",null]},"d":{"c":"x"}})"},
      {"Succeed", R"("InputPath":"$.a")", R"({"b":[1,2],"c":"x"})"},
      {"Succeed", R"("InputPath":"$.a","OutputPath":"$.c")", "\"x\""},
      {"Succeed", R"("OutputPath":null)", "{}"},
      {"Wait", R"("InputPath":"$.a","OutputPath":"$.c")", "\"x\""},
      {"Wait", R"("InputPath":null)", "{}"},
      {"Choice", R"("InputPath":"$.a")", R"({"b":[1,2],"c":"x"})"},
      {"Choice", R"("OutputPath":"$.a.c")", "\"x\""},
      {"Choice", R"("InputPath":"$.no")", "FAILED States.Runtime: Invalid path '$.no' : No results for path: $['no']"},
      {"Parallel", R"("InputPath":"$.n")", "[7]"},
      {"Parallel", R"("Parameters":{"x.$":"$.n"},"ResultSelector":{"y.$":"$[0].x"},"ResultPath":"$.a")", R"({"a":{"y":7},"n":7})"},
      {"Parallel", R"("ResultPath":null,"OutputPath":"$.n")", "7"},
      {"Map", R"("InputPath":"$.a.b")", "[1,2]"},
      {"Map", R"("ItemsPath":"$.a.b","ResultPath":"$.a.b[0]")", R"({"a":{"b":[[1,2],2],"c":"x"},"n":7})"},
      {"Map", R"("InputPath":"$.a","ItemsPath":"$.b","ItemSelector":{"c.$":"$.c","v.$":"$$.Map.Item.Value","i.$":"$$.Map.Item.Index"})",
       R"([{"c":"x","v":1,"i":0},{"c":"x","v":2,"i":1}])"},
      {"Map", R"("ItemsPath":"$.a.b","ResultSelector":{"first.$":"$[0]"},"OutputPath":"$.first")", "1"},
      {"Task", R"("ResultSelector":{"x.$":"$.r[0]","n.$":"$$.State.Name"},"ResultPath":"$.a.d")",
       R"({"a":{"b":[1,2],"c":"x","d":{"x":5,"n":"A"}},"n":7})"},
      {"Task", R"("ResultPath":null)", kInput},
      {"Task", R"("OutputPath":"$.s")", "\"t\""},
      {"Task", R"("ResultSelector":{"x.$":"$.a"})",
       R"(FAILED States.Runtime: The JSONPath '$.a' specified for the field 'x.$' could not be found in the input '{"r":[5],"s":"t"}')"},
      {"Fail", R"("ErrorPath":"$.a.c","Cause":"c")", "FAILED x: c"},
      {"Fail", R"x("Error":"E","CausePath":"States.JsonToString($.a.b)")x", "FAILED E: [1,2]"},
      {"Fail", R"("ErrorPath":"$$.State.Name")", "FAILED A: "},
      {"Fail", R"("ErrorPath":"$.n")", "FAILED States.Runtime: The ErrorPath field must refer to a string, but $.n is 7"},
      {"Fail", R"("ErrorPath":"$.no")",
       R"(FAILED States.Runtime: The JSONPath '$.no' specified for the field 'ErrorPath' could not be found in the input '{"a":{"b":[1,2],"c":"x"},"n":7}')"},
  };
  for (const auto& [type, fields, result] : cases) EXPECT_EQ(made(type, fields), result) << type << " " << fields;
}

TEST(Data, WhatATaskIsGiven) {
  const auto given = [](std::string_view fields) {
    Execution e(machine(fmt::format(R"("A":{{"Type":"Task","Resource":"arn:aws:states:::x:y",{},"End":true}})", fields)), kInput);
    return e.tasks_.begin()->second.parameters.text();
  };
  EXPECT_EQ(given(R"("InputPath":"$.a")"), R"({"b":[1,2],"c":"x"})");
  EXPECT_EQ(given(R"("InputPath":"$.a","Parameters":{"p.$":"$.c","q":{"r":"$.c"}})"), R"({"p":"x","q":{"r":"$.c"}})");
  EXPECT_EQ(given(R"("Parameters":{})"), "{}");
  EXPECT_EQ(given(R"("Comment":"c")"), kInput);
}

TEST(Data, TheContextObject) {
  const auto context = [](std::string_view path) {
    return made("Pass", fmt::format(R"("Parameters":{{"x.$":"{}"}},"OutputPath":"$.x")", path));
  };
  EXPECT_EQ(context("$$.Execution.Id"), "\"arn:aws:states:us-east-1:000000000000:execution:m:e\"");
  EXPECT_EQ(context("$$.Execution.Name"), "\"e\"");
  EXPECT_EQ(context("$$.Execution.RoleArn"), "\"role\"");
  EXPECT_EQ(context("$$.Execution.StartTime"), "\"2023-11-14T22:13:20.123Z\"");
  EXPECT_EQ(context("$$.Execution.RedriveCount"), "0");
  EXPECT_EQ(context("$$.Execution.Input"), kInput);
  EXPECT_EQ(context("$$.Execution.Input.a.c"), "\"x\"");
  EXPECT_EQ(context("$$['Execution']['Input'].n"), "7");
  EXPECT_EQ(context("$$.*.Name"), R"(["e","A","m"])");
  EXPECT_EQ(context("$$..RetryCount"), "[0]");
  EXPECT_EQ(context("$$.State"), R"({"EnteredTime":"2023-11-14T22:13:20.123Z","Name":"A","RetryCount":0})");
  EXPECT_EQ(context("$$.StateMachine"), R"({"Id":"arn:aws:states:us-east-1:000000000000:stateMachine:m","Name":"m"})");
  for (const auto* missing : {"$$.Map.Item.Index", "$$.Task.Token", "$$.No"})
    EXPECT_THAT(context(missing),
                HasSubstr(fmt::format("The JSONPath '{}' specified for the field 'x.$' could not be found in the input '{{\"Execution\"",
                                      missing)));
}

// The innermost Map's item; after it the one around it again.
TEST(Data, ItemsOfMapsWithinMaps) {
  const auto* const states =
      R"("A":{"Type":"Map","ItemProcessor":{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$","ResultPath":null,"ItemProcessor":{"StartAt":"I","States":{
      "I":{"Type":"Pass","Parameters":{"i.$":"$$.Map.Item"},"End":true}}},"Next":"O"},
      "O":{"Type":"Pass","Parameters":{"i.$":"$$.Map.Item"},"End":true}}},"End":true})";
  Execution e(machine(states), R"([["a","b"],["c"]])");
  EXPECT_EQ(e.result(), R"([{"i":{"Index":0,"Value":["a","b"]}},{"i":{"Index":1,"Value":["c"]}}])");
  std::vector<std::string> inner;
  for (const auto& event : e.history_) {
    const auto& members = event.get_object();
    const auto* details = json::find(members, "stateExitedEventDetails");
    if (json::textOr(members, "type") == "PassStateExited" && json::textOr(details->get_object(), "name") == "I")
      inner.push_back(json::textOr(details->get_object(), "output"));
  }
  EXPECT_EQ(inner, (std::vector<std::string>{R"({"i":{"Index":0,"Value":"a"}})", R"({"i":{"Index":1,"Value":"b"}})",
                                             R"({"i":{"Index":0,"Value":"c"}})"}));
}

}  // namespace
}  // namespace sp::engine
