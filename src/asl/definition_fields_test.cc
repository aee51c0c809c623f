// The types of all members of definitions, and what else is told at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/told_rig.h"

namespace sp::asl {
namespace {

// A value of another type is told as that, once, at its place; nothing is called missing that is there.
TEST(Definition, EveryFieldHasAType) {
  struct Kind {
    const char* name;
    /// Values that it takes, of those below.
    std::vector<std::string_view> takes;
  };
  const std::vector<std::string_view> values = {"5", "5.5", R"("$.x")", "true", "null", "[]", "{}"};
  const Kind text{"String", {R"("$.x")"}};
  const Kind path{"String", {R"("$.x")", "null"}};
  const Kind integer{"Integer", {"5"}};
  const Kind number{"Number", {"5", "5.5"}};
  const Kind boolean{"Boolean", {"true"}};
  const Kind object{"Object", {"{}"}};
  const Kind array{"Array", {"[]"}};
  struct Place {
    /// {} is where the member goes.
    std::string definition;
    std::string location;
    std::vector<std::pair<const char*, Kind>> fields;
  };
  const auto state = [](std::string_view type) { return fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"{}",{{}}}}}}}})", type); };
  const auto within = [](std::string_view fields) { return fmt::format(R"({{"StartAt":"A","States":{{"A":{{{}}}}}}})", fields); };
  const std::vector<std::pair<const char*, Kind>> all = {{"Comment", text}, {"QueryLanguage", text}};
  const std::vector<std::pair<const char*, Kind>> data = {{"InputPath", path}, {"OutputPath", path}};
  const std::vector<std::pair<const char*, Kind>> on = {{"Next", text}, {"End", boolean}};
  const std::vector<std::pair<const char*, Kind>> work = {
      {"ResultPath", path}, {"Parameters", object}, {"ResultSelector", object}, {"Retry", array}, {"Catch", array}};
  const auto joined = [](std::initializer_list<std::vector<std::pair<const char*, Kind>>> lists) {
    std::vector<std::pair<const char*, Kind>> made;
    for (const auto& list : lists) made.insert(made.end(), list.begin(), list.end());
    return made;
  };
  const std::vector<std::pair<const char*, Kind>> branch = {{"StartAt", text}, {"States", object}, {"Comment", text}};
  const std::vector<Place> places = {
      {R"({{}})", "", joined({branch, {{"Version", text}, {"TimeoutSeconds", integer}, {"QueryLanguage", text}}})},
      {within("{}"), "/States/A", {{"Type", text}}},
      {state("Pass"), "/States/A", joined({all, data, on, {{"ResultPath", path}, {"Parameters", object}}})},
      {state("Task"), "/States/A",
       joined({all,
               data,
               on,
               work,
               {{"Resource", text},
                {"TimeoutSeconds", integer},
                {"TimeoutSecondsPath", text},
                {"HeartbeatSeconds", integer},
                {"HeartbeatSecondsPath", text},
                {"Credentials", object}}})},
      {state("Choice"), "/States/A", joined({all, data, {{"Choices", array}, {"Default", text}}})},
      {state("Wait"), "/States/A",
       joined({all, data, on, {{"Seconds", integer}, {"SecondsPath", text}, {"Timestamp", text}, {"TimestampPath", text}}})},
      {state("Succeed"), "/States/A", joined({all, data})},
      {state("Fail"), "/States/A", joined({all, {{"Error", text}, {"ErrorPath", text}, {"Cause", text}, {"CausePath", text}}})},
      {state("Parallel"), "/States/A", joined({all, data, on, work, {{"Branches", array}}})},
      {state("Map"), "/States/A",
       joined({all,
               data,
               on,
               work,
               {{"ItemsPath", text},
                {"ItemSelector", object},
                {"Iterator", object},
                {"ItemProcessor", object},
                {"MaxConcurrency", integer},
                {"MaxConcurrencyPath", text},
                {"ToleratedFailureCount", integer},
                {"ToleratedFailureCountPath", text},
                {"ToleratedFailurePercentage", number},
                {"ToleratedFailurePercentagePath", text}}})},
      {within(R"("Type":"Parallel","Branches":[{{}}])"), "/States/A/Branches[0]", branch},
      {within(R"("Type":"Map","ItemProcessor":{{}})"), "/States/A/ItemProcessor", joined({branch, {{"ProcessorConfig", object}}})},
      {within(R"("Type":"Map","Iterator":{{}})"), "/States/A/Iterator", joined({branch, {{"ProcessorConfig", object}}})},
      {within(R"("Type":"Map","Iterator":{"ProcessorConfig":{{}}})"),
       "/States/A/Iterator/ProcessorConfig",
       {{"Mode", text}, {"ExecutionType", text}}},
      {within(R"("Type":"Task","Retry":[{{}}])"),
       "/States/A/Retry[0]",
       {{"ErrorEquals", array},
        {"IntervalSeconds", integer},
        {"MaxAttempts", integer},
        {"BackoffRate", number},
        {"MaxDelaySeconds", integer},
        {"JitterStrategy", text},
        {"Comment", text}}},
      {within(R"("Type":"Task","End":true,"Catch":[{{}}])"),
       "/States/A/Catch[0]",
       {{"ErrorEquals", array}, {"Next", text}, {"ResultPath", path}, {"Comment", text}}},
      {within(R"("Type":"Task","Retry":[{"ErrorEquals":[{}]}])"), "/States/A/Retry[0]/ErrorEquals[0]", {{"", text}}},
      {within(R"("Type":"Task","Credentials":{{}})"), "/States/A/Credentials", {{"RoleArn", text}}},
      {within(R"("Type":"Choice","Choices":[{{}}])"),
       "/States/A/Choices[0]",
       {{"And", array},
        {"Or", array},
        {"Not", object},
        {"Variable", text},
        {"Next", text},
        {"Comment", text},
        {"StringEquals", text},
        {"StringMatches", text},
        {"StringLessThanPath", text},
        {"NumericEquals", number},
        {"NumericEqualsPath", text},
        {"BooleanEquals", boolean},
        {"TimestampEquals", text},
        {"TimestampEqualsPath", text},
        {"IsPresent", boolean}}},
      {within(R"("Type":"Choice","Choices":[{"Not":{{}},"Next":"A"}])"),
       "/States/A/Choices[0]/Not",
       {{"And", array}, {"Or", array}, {"Not", object}, {"Variable", text}, {"Comment", text}, {"IsNull", boolean}}},
  };
  const auto linesAt = [](const std::string& all_told, const std::string& location) {
    int found = 0;
    for (std::size_t at = 0; (at = all_told.find(" at " + location, at)) != std::string::npos; ++at) {
      const auto end = at + 4 + location.size();
      found += end == all_told.size() || all_told[end] == '\n' ? 1 : 0;
    }
    return found;
  };
  for (const auto& [definition, location, fields] : places)
    for (const auto& [field, kind] : fields)
      for (const auto value : values) {
        const std::string_view name = field;
        const auto member = name.empty() ? std::string(value) : fmt::format(R"("{}":{})", name, value);
        auto text_of = definition;
        text_of.replace(text_of.find("{}"), 2, member);
        const auto place = name.empty() ? location : location + "/" + field;
        const auto all_told = told(text_of);
        const auto refusal = fmt::format("Expected value of type {} at {}", kind.name, place);
        if (std::ranges::find(kind.takes, value) != kind.takes.end()) {
          EXPECT_THAT(all_told, testing::Not(testing::HasSubstr(refusal))) << text_of;
          continue;
        }
        EXPECT_THAT(all_told, testing::HasSubstr(refusal)) << text_of;
        EXPECT_EQ(linesAt(all_told, place), 1) << text_of << "\n" << all_told;
        if (!name.empty()) EXPECT_THAT(all_told, testing::Not(testing::ContainsRegex(fmt::format("required: [^\n]*{}[],]", name))));
      }
}

// What was accepted before these types were looked at runs on.
TEST(Definition, WhatIsStoredRunsOn) {
  const auto* const text = R"({"Comment":5,"Version":2,"StartAt":"A","States":{
    "A":{"Type":"Pass","Comment":[],"Parameters":5,"Next":"T"},
    "T":{"Type":"Task","Resource":"arn:aws:states:::dynamodb:putItem","Parameters":[1],"ResultSelector":"x","Next":"M",
      "Retry":[{"ErrorEquals":["E"],"Comment":1}],"Catch":[{"ErrorEquals":["E"],"Next":"A","Comment":1}]},
    "M":{"Type":"Map","ItemSelector":5,"Next":"C","Iterator":{"Comment":1,"ProcessorConfig":{"ExecutionType":1},"StartAt":"I","States":{"I":{"Type":"Succeed"}}}},
    "C":{"Type":"Choice","Choices":[{"Variable":"$.x","IsNull":true,"Comment":1,"Next":"P"}],"Default":"P"},
    "P":{"Type":"Parallel","Branches":[{"Comment":1,"StartAt":"B","States":{"B":{"Type":"Succeed"}}}],"End":true}}})";
  const auto stored = compile(text);
  ASSERT_TRUE(stored) << describe(stored.error());
  EXPECT_TRUE((*stored)->states.at(0).parameters && (*stored)->states.at(2).item_selector);
  const auto fresh = compileNew(text);
  ASSERT_FALSE(fresh);
  EXPECT_EQ(fresh.error().size(), 13U) << describe(fresh.error());
}

TEST(Definition, EverythingIsToldAtOnce) {
  EXPECT_EQ(told(R"({"StartAt":5,"States":[]})"), "Expected value of type String at /StartAt\nExpected value of type Object at /States");
  EXPECT_EQ(told(R"({"StartAt":5,"States":{}})"), "Expected value of type String at /StartAt\nValue cannot be empty at /States");
  EXPECT_EQ(told(R"({"States":[]})"), "Expected value of type Object at /States\nThese fields are required: [StartAt] at /");
  EXPECT_EQ(told(one(R"({"Type":"Task","Resource":5,"TimeoutSeconds":0,"Credentials":{},"Next":"B","End":true})")),
            "Expected value of type String at /States/A/Resource\nMinimum value is 1 at /States/A/TimeoutSeconds\nThe field 'RoleArn' is "
            "required but was missing at /States/A/Credentials\nThere should only be one of the following fields: [Next, End] at "
            "/States/A\nMISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next");
  EXPECT_EQ(told(one(R"({"Type":"Choice","Choices":{},"Default":"B"})")),
            "Expected value of type Array at /States/A/Choices\nMISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Default");
  EXPECT_EQ(told(one(R"({"Type":"Choice","Choices":[{"IsNull":5,"Foo":1}]})")),
            "These fields are required: [Next] at /States/A/Choices[0]\nThese fields are required: [Variable] at /States/A/Choices[0]\n"
            "Expected value of type Boolean at /States/A/Choices[0]/IsNull\nField 'Foo' is not supported at /States/A/Choices[0]");
}

TEST(Definition, ParametersOfTasks) {
  const auto told_of = [](std::string_view parameters) {
    Surroundings surroundings;
    surroundings.refuses = [](std::string_view resource, const json::Object* given) -> std::vector<std::string> {
      if (given == nullptr) return {fmt::format("Parameters field is required for resource ARN: {}", resource)};
      std::vector<std::string> all;
      for (const auto& member : *given) all.push_back(fmt::format("no {}", std::string_view(member.key())));
      return all;
    };
    const auto made = compileNew(one(fmt::format(R"({{"Type":"Task","Resource":"arn:x","End":true{}}})", parameters)), surroundings);
    return made ? "" : describe(made.error());
  };
  const auto refused = [](std::string_view what) { return fmt::format("Invalid State Machine Definition: '{}'", what); };
  EXPECT_EQ(told_of(""), refused("SCHEMA_VALIDATION_FAILED: Parameters field is required for resource ARN: arn:x at /States/A"));
  EXPECT_EQ(told_of(R"(,"Parameters":{"a":1,"b.$":"$"})"),
            refused("SCHEMA_VALIDATION_FAILED: no a at /States/A/Parameters, SCHEMA_VALIDATION_FAILED: no b.$ at /States/A/Parameters"));
  EXPECT_EQ(told_of(R"(,"Parameters":5)"), refused("SCHEMA_VALIDATION_FAILED: Expected value of type Object at /States/A/Parameters"));
  EXPECT_EQ(told_of(R"(,"Parameters":{})"), "");
}

}  // namespace
}  // namespace sp::asl
