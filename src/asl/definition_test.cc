// Every way a definition may be wrong: what is told, and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/definition.h"
#include "asl/told_rig.h"
#include "asl/warnings.h"

namespace sp::asl {
namespace {

struct Case {
  const char* state;
  const char* expected;
};

// Each as the only state A.
void expectAll(const std::vector<Case>& cases) {
  for (const auto& [state, expected] : cases) EXPECT_EQ(told(one(state)), expected) << state;
}

/// The whole message.
std::string toldAnew(std::string_view text) {
  const auto made = compileNew(text);
  return made ? "" : describe(made.error());
}

// Parsing keeps the last of them, so that one would vanish without a word.
TEST(Definition, StatesOfOneNameInOneScope) {
  const auto inner = [](std::string_view states) { return fmt::format(R"({{"StartAt":"B","States":{{{}}}}})", states); };
  constexpr std::string_view twice = R"("B":{"Type":"Fail"},"B":{"Type":"Succeed"})";
  constexpr std::string_view data = R"({"States":{"B":1,"B":2}})";
  const auto refused = [](std::string_view place) {
    return fmt::format("Invalid State Machine Definition: 'DUPLICATE_STATE_NAME: Duplicate State name: B at {}'", place);
  };
  EXPECT_EQ(toldAnew(inner(twice)), refused("/States/B"));
  EXPECT_EQ(toldAnew(one(fmt::format(R"({{"Type":"Parallel","Branches":[{},{}],"End":true}})", inner(R"("B":{"Type":"Succeed"})"),
                                     R"({"StartAt":"C","States":{"C":{"Type":"Succeed"}}})"))),
            "");
  EXPECT_EQ(toldAnew(one(fmt::format(R"({{"Type":"Parallel","Branches":[{}],"End":true}})", inner(twice)))),
            refused("/States/A/Branches[0]/States/B"));
  for (const auto* name : {"ItemProcessor", "Iterator"})
    EXPECT_EQ(toldAnew(one(fmt::format(R"({{"Type":"Map","{}":{},"End":true}})", name, inner(twice)))),
              refused(fmt::format("/States/A/{}/States/B", name)));
  EXPECT_EQ(toldAnew(one(fmt::format(R"({{"Type":"Pass","Result":{},"Parameters":{},"End":true}})", data, data))), "");
  // One that was accepted before goes on: the last counts.
  const auto stored = compile(inner(twice));
  ASSERT_TRUE(stored);
  EXPECT_EQ((*stored)->states.at(0).type, StateType::succeed);
}

TEST(Definition, MembersGivenTwice) {
  const auto text = one(R"({"Type":"Fail","Type":"Pass","Result":{"a":1,"a":2},"End":true})");
  const auto made = compileNew(text);
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->states.at(0).type, StateType::pass);
  std::string warned;
  for (const auto& [code, message, location] : warningsOf(text)) warned += fmt::format("{}: {} at {}\n", code, message, location);
  EXPECT_EQ(warned,
            "DUPLICATE_FIELD: The field 'Type' is given more than once: the last one counts at /States/A/Type\n"
            "DUPLICATE_FIELD: The field 'a' is given more than once: the last one counts at /States/A/Result/a\n");
  EXPECT_TRUE(warningsOf(R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}})").empty());
}

TEST(Definition, TheMachine) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "Definition must be a valid JSON object at "},
      {" \n ", "Definition must be a valid JSON object at "},
      {"[]", "Definition must be a valid JSON object at "},
      {"1", "Definition must be a valid JSON object at "},
      {R"({"StartAt":"A"})", "These fields are required: [States] at /"},
      {R"({"States":{}})", "These fields are required: [StartAt] at /\nValue cannot be empty at /States"},
      // All else is told too, but not what leads where.
      {R"({"States":{"A":{"Type":"Nap"},"B":{"Type":"Pass","Next":"no","Foo":1},"C":{"Type":"Pass","End":true}},"TimeoutSeconds":0})",
       "Minimum value is 1 at /TimeoutSeconds\nThese fields are required: [StartAt] at /\nThe field 'Type' should have one of these "
       "values: "
       "[Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/A/Type\nField 'Foo' is not supported at "
       "/States/B\nMISSING_TRANSITION_TARGET: Missing 'Next' target: no at /States/B/Next"},
      {R"({"StartAt":"A","States":{}})", "Value cannot be empty at /States"},
      {R"({"StartAt":"A","States":[]})", "Expected value of type Object at /States"},
      {R"({"StartAt":"A","States":{"A":1}})", "Expected value of type Object at /States/A"},
      {R"({"StartAt":1,"States":{"A":{"Type":"Succeed"}}})", "Expected value of type String at /StartAt"},
      {R"({"StartAt":"B","States":{"A":{"Type":"Succeed"}}})",
       "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /StartAt\nMISSING_TRANSITION_TARGET: State \"A\" is not reachable. at "
       "/States/A"},
      {R"({"StartAt":"A","Foo":1,"States":{"A":{"Type":"Succeed"}}})", "Field 'Foo' is not supported at /"},
      {R"({"StartAt":"A","TimeoutSeconds":0,"States":{"A":{"Type":"Succeed"}}})", "Minimum value is 1 at /TimeoutSeconds"},
      {R"({"StartAt":"A","TimeoutSeconds":1.5,"States":{"A":{"Type":"Succeed"}}})", "Expected value of type Integer at /TimeoutSeconds"},
      {R"({"StartAt":"A","TimeoutSecondsPath":"$.t","States":{"A":{"Type":"Succeed"}}})",
       "Field 'TimeoutSecondsPath' is not supported at /"},
      {R"({"StartAt":"A","QueryLanguage":"JSONata","States":{"A":{"Type":"Succeed"}}})",
       "Field 'QueryLanguage' is not supported with a value other than 'JSONPath' at /QueryLanguage"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"B":{"Type":"Pass","Next":"A"}}})",
       "MISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Wait","Seconds":1,"Next":"A"}}})",
       "MISSING_END_STATE: Workflow has no terminal state at null"},
      // Without a terminal state nothing is said of what nothing leads to.
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","Next":"A"}}})",
       "MISSING_END_STATE: Workflow has no terminal state at null"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","End":true}}})",
       "MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"no"}}})",
       "MISSING_TRANSITION_TARGET: Missing 'Next' target: no at /States/A/Next\nMISSING_END_STATE: Workflow has no terminal state at null"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"D"},"B":{"Type":"Pass","End":true}}})",
       "MISSING_TRANSITION_TARGET: Missing 'Next' target: D at /States/A/Next\nMISSING_TRANSITION_TARGET: State \"B\" is not reachable. at "
       "/States/B"},
      // Only what nothing leads to is told, not what follows it.
      {R"({"StartAt":"No","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Succeed"}}})",
       "MISSING_TRANSITION_TARGET: Missing 'Next' target: No at /StartAt\nMISSING_TRANSITION_TARGET: State \"A\" is not reachable. at "
       "/States/A"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Variable":"$","IsNull":true,"Next":"x"}],"Default":"y"},"B":{"Type":"Fail"}}})",
       "MISSING_TRANSITION_TARGET: Missing 'Next' target: x at /States/A/Choices[0]/Next\nMISSING_TRANSITION_TARGET: Missing 'Next' "
       "target: "
       "y at /States/A/Default\nMISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B"},
      {R"({"StartAt":"A","States":{"A":{"Type":"Pass","Foo":1,"End":true},"B":{"Type":"Succeed"}}})",
       "Field 'Foo' is not supported at /States/A\nMISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B"},
      // Where it is unknown what leads where, nothing is said of it.
      {R"({"StartAt":"A","States":{"A":{"Type":"Nap"},"B":{"Type":"Succeed"}}})",
       "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/A/Type"},
      {R"({"StartAt":"A","States":{"":{"Type":"Succeed"},"A":{"Type":"Pass","Next":""}}})",
       "The length of a state's name must be between 1 and 80 at /States/"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(told(text), expected) << text;
  // Names are counted in characters.
  const auto named = [](std::string_view one_character, int times) {
    std::string name;
    for (int i = 0; i < times; ++i) name += one_character;
    return told(fmt::format(R"({{"StartAt":"{0}","States":{{"{0}":{{"Type":"Succeed"}}}}}})", name));
  };
  EXPECT_EQ(named("ü", 80), "");
  EXPECT_NE(named("ü", 81), "");
  EXPECT_NE(named("x", 81), "");
}

TEST(Definition, FieldsOfEveryState) {
  expectAll({
      {"{}", "These fields are required: [Type] at /States/A"},
      {R"({"Type":"Pass"})", "These fields are required: [Next, End] at /States/A"},
      {R"({"Type":"Pass","End":false})", "These fields are required: [Next, End] at /States/A"},
      {R"({"Type":"Pass","End":1})", "Expected value of type Boolean at /States/A/End"},
      {R"({"Type":"Pass","End":true,"Next":"A"})", "There should only be one of the following fields: [Next, End] at /States/A"},
      {R"({"Type":"Pass","Next":1})", "Expected value of type String at /States/A/Next"},
      {R"({"Type":"Succeed","Next":"A"})", "Field 'Next' is not supported at /States/A"},
      {R"({"Type":"Fail","End":true,"InputPath":"$"})",
       "Field 'End' is not supported at /States/A\nField 'InputPath' is not supported at /States/A"},
      {R"({"Type":"Pass","End":true,"Retry":[],"Catch":[],"TimeoutSeconds":1,"HeartbeatSeconds":1,"ResultSelector":{}})",
       "Field 'Retry' is not supported at /States/A\nField 'Catch' is not supported at /States/A\nField 'TimeoutSeconds' is not supported "
       "at /States/A\nField 'HeartbeatSeconds' is not supported at /States/A\nField 'ResultSelector' is not supported at /States/A"},
      {R"({"Type":"Wait","Seconds":1,"End":true,"Parameters":{}})", "Field 'Parameters' is not supported at /States/A"},
      {R"({"Type":"Pass","End":true,"InputPath":"a"})", "Value must be a valid JSONPath. at /States/A/InputPath"},
      {R"({"Type":"Pass","End":true,"OutputPath":1})", "Expected value of type String at /States/A/OutputPath"},
      {R"x({"Type":"Pass","End":true,"InputPath":"States.UUID()"})x", "Value must be a valid JSONPath. at /States/A/InputPath"},
      {R"({"Type":"Pass","End":true,"ResultPath":"$.a[*]"})", "Value is not a Reference Path at /States/A/ResultPath"},
      {R"({"Type":"Pass","End":true,"ResultPath":"$..a"})", "Value is not a Reference Path at /States/A/ResultPath"},
      {R"({"Type":"Pass","End":true,"ResultPath":"$['a','b']"})", "Value is not a Reference Path at /States/A/ResultPath"},
      {R"({"Type":"Pass","End":true,"ResultPath":"$$.a"})", "Value is not a Reference Path at /States/A/ResultPath"},
      {R"({"Type":"Pass","End":true,"ResultPath":false})", "Expected value of type String at /States/A/ResultPath"},
      {R"x({"Type":"Pass","End":true,"Parameters":{"a.$":"x","b":{"c.$":1},"d":[{"e.$":"States.No()"}]}})x",
       "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/a.$\nThe value "
       "for the field 'c.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/b/c.$\nThe value for the "
       "field 'e.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/d/0/e.$"},
      // A literal is neither.
      {R"({"Type":"Pass","End":true,"Parameters":{"a.$":"5"}})",
       "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/a.$"},
      {R"({"Type":"Pass","End":true,"Parameters":{"a.$":"'x'"}})",
       "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/a.$"},
      {R"({"Type":"Pass","End":true,"Parameters":{"a.$":"null"}})",
       "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/a.$"},
      {R"({"Type":"Pass","End":true,"Parameters":{"a.$":"$.a","b":"$.b","$":1},"Result":{"x.$":1}})", ""},
  });
}

TEST(Definition, TasksAndTheirTimes) {
  const auto task = [](std::string_view fields) {
    return told(one(fmt::format(R"({{"Type":"Task","Resource":"arn:aws:states:::x:y","End":true{}}})", fields)));
  };
  EXPECT_EQ(told(one(R"({"Type":"Task","End":true})")), "These fields are required: [Resource] at /States/A");
  EXPECT_EQ(told(one(R"({"Type":"Task","Resource":"x","End":true})")),
            "The resource provided x is not recognized. The value is not a valid resource ARN, or the resource is not available in this "
            "region. at /States/A/Resource");
  const std::vector<Case> cases = {
      {R"(,"TimeoutSeconds":0)", "Minimum value is 1 at /States/A/TimeoutSeconds"},
      {R"(,"TimeoutSeconds":"5")", "Expected value of type Integer at /States/A/TimeoutSeconds"},
      {R"(,"TimeoutSeconds":5,"TimeoutSecondsPath":"$.t")",
       "There should only be one of the following fields: [TimeoutSeconds, TimeoutSecondsPath] at /States/A"},
      {R"(,"TimeoutSecondsPath":5)", "Expected value of type String at /States/A/TimeoutSecondsPath"},
      {R"(,"TimeoutSeconds":5,"HeartbeatSeconds":5)",
       "The value of 'HeartbeatSeconds' must be smaller than 'TimeoutSeconds' at /States/A/HeartbeatSeconds"},
      {R"(,"HeartbeatSeconds":-1)", "Minimum value is 1 at /States/A/HeartbeatSeconds"},
      {R"(,"Credentials":{})", "The field 'RoleArn' is required but was missing at /States/A/Credentials"},
      {R"(,"Credentials":{"RoleArn":"x","Foo":1})",
       "Field 'Foo' is not supported at /States/A/Credentials\nThe value for the field 'RoleArn' must be the ARN of a role at "
       "/States/A/Credentials/RoleArn"},
      {R"(,"TimeoutSeconds":5,"HeartbeatSeconds":4,"ResultPath":null,"InputPath":null,"OutputPath":null)", ""},
  };
  for (const auto& [fields, expected] : cases) EXPECT_EQ(task(fields), expected) << fields;
}

TEST(Definition, RetriersAndCatchers) {
  const auto with = [](std::string_view field, std::string_view list) {
    return told(fmt::format(
        R"({{"StartAt":"A","States":{{"A":{{"Type":"Task","Resource":"arn:aws:states:::x:y","{}":{},"Next":"B"}},"B":{{"Type":"Succeed"}}}}}})",
        field, list));
  };
  const std::vector<Case> retriers = {
      {"{}", "Expected value of type Array at /States/A/Retry"},
      {"[1]", "Expected value of type Object at /States/A/Retry[0]"},
      {"[{}]", "These fields are required: [ErrorEquals] at /States/A/Retry[0]"},
      {R"([{"ErrorEquals":[]}])", "Value cannot be empty at /States/A/Retry[0]/ErrorEquals"},
      {R"([{"ErrorEquals":[1]}])", "Expected value of type String at /States/A/Retry[0]/ErrorEquals[0]"},
      {R"([{"ErrorEquals":["States.ALL","E"]}])", "States.ALL must appear alone and at end of list at /States/A/Retry[0]/ErrorEquals[0]"},
      {R"([{"ErrorEquals":["States.ALL"]},{"ErrorEquals":["E"]}])",
       "States.ALL must appear alone and at end of list at /States/A/Retry[0]/ErrorEquals[0]"},
      {R"([{"ErrorEquals":["E"]},{"ErrorEquals":["States.ALL"]}])", ""},
      {R"([{"ErrorEquals":["E"],"Foo":1}])", "Field 'Foo' is not supported at /States/A/Retry[0]"},
      {R"([{"ErrorEquals":["E"],"IntervalSeconds":0}])", "Minimum value is 1 at /States/A/Retry[0]/IntervalSeconds"},
      {R"([{"ErrorEquals":["E"],"IntervalSeconds":1.5}])", "Expected value of type Integer at /States/A/Retry[0]/IntervalSeconds"},
      {R"([{"ErrorEquals":["E"],"MaxAttempts":-1}])", "Minimum value is 0 at /States/A/Retry[0]/MaxAttempts"},
      {R"([{"ErrorEquals":["E"],"MaxAttempts":99999999,"IntervalSeconds":99999999}])", ""},
      {R"([{"ErrorEquals":["E"],"BackoffRate":0.9}])", "Minimum value is 1.0 at /States/A/Retry[0]/BackoffRate"},
      {R"([{"ErrorEquals":["E"],"BackoffRate":1}])", ""},
      {R"([{"ErrorEquals":["E"],"MaxDelaySeconds":1}])",
       "The value of 'MaxDelaySeconds' must be greater than 'IntervalSeconds' at /States/A/Retry[0]/MaxDelaySeconds"},
      {R"([{"ErrorEquals":["E"],"MaxDelaySeconds":31622401}])", "Maximum value is 31622400 at /States/A/Retry[0]/MaxDelaySeconds"},
      {R"([{"ErrorEquals":["E"],"JitterStrategy":"HALF"}])",
       "The field 'JitterStrategy' should have one of these values: [FULL, NONE] at /States/A/Retry[0]/JitterStrategy"},
  };
  for (const auto& [list, expected] : retriers) EXPECT_EQ(with("Retry", list), expected) << list;
  const std::vector<Case> catchers = {
      {"{}", "Expected value of type Array at /States/A/Catch"},
      {"[1]", "Expected value of type Object at /States/A/Catch[0]"},
      {R"([{"Next":"B"}])", "These fields are required: [ErrorEquals] at /States/A/Catch[0]"},
      {R"([{"ErrorEquals":["E"]}])", "These fields are required: [Next] at /States/A/Catch[0]"},
      {R"([{"ErrorEquals":["E"],"Next":"x"}])", "MISSING_TRANSITION_TARGET: Missing 'Next' target: x at /States/A/Catch[0]/Next"},
      {R"([{"ErrorEquals":["E"],"Next":"B","ResultPath":"$.a[*]"}])", "Value is not a Reference Path at /States/A/Catch[0]/ResultPath"},
      {R"([{"ErrorEquals":["E"],"Next":"B","Assign":{},"Retry":1}])",
       "Field 'Assign' is not supported: this server has no variables at /States/A/Catch[0]\nField 'Retry' is not supported at "
       "/States/A/Catch[0]"},
      {R"([{"ErrorEquals":["States.ALL"],"Next":"B"},{"ErrorEquals":["E"],"Next":"B"}])",
       "States.ALL must appear alone and at end of list at /States/A/Catch[0]/ErrorEquals[0]"},
  };
  for (const auto& [list, expected] : catchers) EXPECT_EQ(with("Catch", list), expected) << list;
}

TEST(Definition, ChoiceRules) {
  const auto choice = [](std::string_view rules) {
    return told(fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":{},"Default":"B"}},"B":{{"Type":"Succeed"}}}}}})",
                            rules));
  };
  const std::vector<Case> cases = {
      {"1", "Expected value of type Array at /States/A/Choices"},
      {"[]", "Value cannot be empty at /States/A/Choices"},
      {"[1]", "Expected value of type Object at /States/A/Choices[0]"},
      {"[{}]", "These fields are required: [Next] at /States/A/Choices[0]\nThese fields are required: [Variable] at /States/A/Choices[0]"},
      {R"([{"Variable":"$.x","Next":"B"}])", "A choice rule must have exactly one comparison operator at /States/A/Choices[0]"},
      {R"([{"Variable":"$.x","IsNull":true,"IsString":true,"Next":"B"}])",
       "A choice rule must have exactly one comparison operator at /States/A/Choices[0]"},
      {R"([{"Variable":"x","IsNull":true,"Next":"B"}])",
       "Value is not a Reference Path: Reference path didn't start with '$' at /States/A/Choices[0]/Variable"},
      {R"([{"Variable":"$.x","IsNull":1,"Next":"B"}])", "Expected value of type Boolean at /States/A/Choices[0]/IsNull"},
      {R"([{"Variable":"$.x","BooleanEquals":"true","Next":"B"}])", "Expected value of type Boolean at /States/A/Choices[0]/BooleanEquals"},
      {R"([{"Variable":"$.x","NumericEquals":"1","Next":"B"}])", "Expected value of type Number at /States/A/Choices[0]/NumericEquals"},
      {R"([{"Variable":"$.x","StringMatches":1,"Next":"B"}])", "Expected value of type String at /States/A/Choices[0]/StringMatches"},
      {R"([{"Variable":"$.x","TimestampEquals":"2024","Next":"B"}])",
       "String does not match RFC3339 timestamp at /States/A/Choices[0]/TimestampEquals"},
      {R"([{"Variable":"$.x","StringEqualsPath":"x","Next":"B"}])",
       "Value is not a Reference Path: Reference path didn't start with '$' at /States/A/Choices[0]/StringEqualsPath"},
      {R"([{"Variable":"$.x","StringMatchesPath":"$.y","Next":"B"}])",
       "Field 'StringMatchesPath' is not supported at /States/A/Choices[0]\nA choice rule must have exactly one comparison operator at "
       "/States/A/Choices[0]"},
      {R"([{"And":[],"Next":"B"}])", "Value cannot be empty at /States/A/Choices[0]/And"},
      {R"([{"Or":[1],"Next":"B"}])", "Expected value of type Object at /States/A/Choices[0]/Or[0]"},
      {R"([{"Not":[],"Next":"B"}])", "Expected value of type Object at /States/A/Choices[0]/Not"},
      {R"([{"And":[{"Variable":"$.x","IsNull":true,"Next":"B"}],"Next":"B"}])",
       "Field 'Next' is not supported at /States/A/Choices[0]/And[0]"},
      {R"([{"And":[{"Variable":"$.x","IsNull":true}],"Variable":"$.x","IsNull":true,"Next":"B"}])",
       "Field 'Variable' is not supported at /States/A/Choices[0]\nField 'IsNull' is not supported at /States/A/Choices[0]"},
      {R"([{"Not":{"Variable":"$.x","IsNull":true},"Or":[{"Variable":"$.x","IsNull":true}],"Next":"B"}])",
       "Field 'Not' is not supported at /States/A/Choices[0]"},
      {R"([{"Next":"B","Comment":"c","Not":{"IsNull":true,"Comment":"c","Variable":"$.x"}}])", ""},
  };
  for (const auto& [rules, expected] : cases) EXPECT_EQ(choice(rules), expected) << rules;
}

TEST(Definition, WaitAndFail) {
  const auto* const which =
      "There should only be one of the following fields: [Seconds, SecondsPath, Timestamp, TimestampPath] at /States/A";
  expectAll({
      {R"({"Type":"Wait","End":true})", "These fields are required: [Seconds, SecondsPath, Timestamp, TimestampPath] at /States/A"},
      {R"({"Type":"Wait","End":true,"Seconds":1,"SecondsPath":"$.s"})",
       "There should only be one of the following fields: [Seconds, SecondsPath] at /States/A"},
      {R"({"Type":"Wait","End":true,"Seconds":100000000})", "Maximum value is 99999999 at /States/A/Seconds"},
      {R"({"Type":"Wait","End":true,"SecondsPath":"$$.State.RetryCount"})", "Value is not a Reference Path at /States/A/SecondsPath"},
      {R"({"Type":"Wait","End":true,"Seconds":1,"Timestamp":"2024-01-01T00:00:00Z"})", which},
      {R"({"Type":"Wait","End":true,"Seconds":-1})", "Minimum value is 0 at /States/A/Seconds"},
      {R"({"Type":"Wait","End":true,"Seconds":"$.x"})", "Expected value of type Integer at /States/A/Seconds"},
      {R"({"Type":"Wait","End":true,"Timestamp":"2024-01-01"})", "String does not match RFC3339 timestamp at /States/A/Timestamp"},
      {R"({"Type":"Wait","End":true,"TimestampPath":"x"})",
       "Value is not a Reference Path: Reference path didn't start with '$' at /States/A/TimestampPath"},
      {R"({"Type":"Fail","Error":1})", "Expected value of type String at /States/A/Error"},
      {R"({"Type":"Fail","Error":"E","ErrorPath":"$.e"})",
       "There should only be one of the following fields: [Error, ErrorPath] at /States/A"},
      {R"({"Type":"Fail","CausePath":"x"})",
       "The value for the field 'CausePath' must be a valid JSONPath or a valid intrinsic function call at /States/A/CausePath"},
      {R"({"Type":"Fail","CausePath":"'x'"})",
       "The value for the field 'CausePath' must be a valid JSONPath or a valid intrinsic function call at /States/A/CausePath"},
  });
  const auto longest = [](std::string_view one_character, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += one_character;
    return told(one(fmt::format(R"({{"Type":"Fail","Error":"{}"}})", text)));
  };
  EXPECT_EQ(longest("é", 256), "");
  EXPECT_EQ(longest("é", 257), "The value for the field 'Error' is longer than 256 characters at /States/A/Error");
}

TEST(Definition, ScopesWithin) {
  const auto* const body = R"("StartAt":"B","States":{"B":{"Type":"Succeed"}})";
  const auto parallel = [](std::string_view branch) {
    return told(one(fmt::format(R"({{"Type":"Parallel","Branches":[{}],"End":true}})", branch)));
  };
  const auto map = [](std::string_view fields) { return told(one(fmt::format(R"({{"Type":"Map",{},"End":true}})", fields))); };
  EXPECT_EQ(told(one(R"({"Type":"Parallel","End":true})")), "These fields are required: [Branches] at /States/A");
  EXPECT_EQ(told(one(R"({"Type":"Parallel","Branches":[],"End":true})")), "Value cannot be empty at /States/A/Branches");
  EXPECT_EQ(parallel("1"), "Expected value of type Object at /States/A/Branches[0]");
  EXPECT_EQ(parallel("{}"), "These fields are required: [States, StartAt] at /States/A/Branches[0]");
  EXPECT_EQ(parallel(R"({"StartAt":"B","States":{"B":{"Type":"Pass","Next":"A"}}})"),
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: A at /States/A/Branches[0]/States/B/Next\nMISSING_END_STATE: Workflow has "
            "no terminal state at /States/A/Branches[0]");
  EXPECT_EQ(parallel(fmt::format(R"({{{},"Comment":"c","TimeoutSeconds":1}})", body)),
            "Field 'TimeoutSeconds' is not supported at /States/A/Branches[0]");
  EXPECT_EQ(parallel(R"({"StartAt":"B","States":{"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","Next":"B"},"D":{"Type":"Succeed"}}})"),
            "MISSING_TRANSITION_TARGET: State \"D\" is not reachable. at /States/A/Branches[0]/States/D");
  // A name stands once in the whole machine.
  EXPECT_EQ(
      parallel(
          R"({"StartAt":"B","States":{"B":{"Type":"Succeed"}}},{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Fail"}}})"),
      "DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A/Branches[1]/States/A\nDUPLICATE_STATE_NAME: Duplicate State name: B at "
      "/States/A/Branches[1]/States/B");
  EXPECT_EQ(map(R"("ItemsPath":"$")"), "These fields are required: [ItemProcessor] at /States/A");
  EXPECT_EQ(map(fmt::format(R"("ItemProcessor":{{{0}}},"Iterator":{{{0}}})", body)),
            "There should only be one of the following fields: [ItemProcessor, Iterator] at /States/A");
  EXPECT_EQ(map(fmt::format(R"("ItemProcessor":{{{}}},"ItemSelector":{{}},"Parameters":{{}})", body)),
            "There should only be one of the following fields: [ItemSelector, Parameters] at /States/A");
  EXPECT_EQ(map(fmt::format(R"("Iterator":{{{},"Foo":1,"ProcessorConfig":{{"Mode":"DISTRIBUTED","Bar":1}}}})", body)),
            "Field 'Foo' is not supported at /States/A/Iterator\nField 'Bar' is not supported at /States/A/Iterator/ProcessorConfig\nField "
            "'Mode' is not supported with a value other than 'INLINE' at /States/A/Iterator/ProcessorConfig/Mode");
  EXPECT_EQ(map(fmt::format(R"("ItemProcessor":{{{},"ProcessorConfig":1}})", body)),
            "Expected value of type Object at /States/A/ItemProcessor/ProcessorConfig");
  const std::vector<std::pair<const char*, const char*>> numbers = {
      {R"("MaxConcurrency":-1)", "Minimum value is 0 at /States/A/MaxConcurrency"},
      {R"("MaxConcurrency":1,"MaxConcurrencyPath":"$.c")",
       "There should only be one of the following fields: [MaxConcurrency, MaxConcurrencyPath] at /States/A"},
      {R"("ToleratedFailurePercentage":100.5)", "Maximum value is 100.0 at /States/A/ToleratedFailurePercentage"},
      {R"("ToleratedFailurePercentage":5,"ToleratedFailurePercentagePath":"$.c")",
       "There should only be one of the following fields: [ToleratedFailurePercentage, ToleratedFailurePercentagePath] at /States/A"},
      {R"("ToleratedFailureCount":0.5)", "Expected value of type Integer at /States/A/ToleratedFailureCount"},
      {R"("ItemsPath":1)", "Expected value of type String at /States/A/ItemsPath"},
      {R"("ItemReader":{})",
       "Field 'ItemReader' is not supported: it belongs to the distributed Map, this server runs inline Maps at /States/A"},
      {R"("ToleratedFailurePercentage":33.3,"ToleratedFailureCountPath":"$.c","MaxConcurrency":0)", ""},
  };
  for (const auto& [fields, expected] : numbers)
    EXPECT_EQ(map(fmt::format(R"({},"ItemProcessor":{{{}}})", fields, body)), expected) << fields;
}

TEST(Definition, WhatExpressMachinesMayNotWaitFor) {
  const auto told_of = [](std::string_view resource) {
    const auto made =
        compileNew(one(fmt::format(R"({{"Type":"Task","Resource":"{}","End":true}})", resource)), {.type = MachineType::express});
    return made ? "" : describe(made.error());
  };
  const auto refused = [](std::string_view what) {
    return fmt::format(
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does not support {} at /States/A/Resource'",
        what);
  };
  EXPECT_EQ(told_of("arn:aws:states:::states:startExecution.sync"), refused("'.sync' service integration"));
  EXPECT_EQ(told_of("arn:aws:states:::states:startExecution.sync:2"), refused("'.sync' service integration"));
  EXPECT_EQ(told_of("arn:aws:states:::lambda:invoke.waitForTaskToken"), refused("'.waitForTaskToken' service integration "));
  EXPECT_EQ(told_of("arn:aws:states:us-east-1:000000000000:activity:a"), refused("Activity ARN"));
  EXPECT_EQ(told_of("arn:aws:states:::states:startExecution"), "");
}

// Data with members given twice does not crowd them out.
TEST(Definition, AllStatesOfOneNameAreCounted) {
  std::string states = R"("B":{"Type":"Pass","Result":{"x":0)";
  for (int i = 0; i < 30; ++i) states += R"(,"x":1)";
  states += R"(},"End":true})";
  for (int i = 0; i < 150; ++i) states += R"(,"B":{"Type":"Succeed"})";
  const auto made = compileNew(fmt::format(R"({{"StartAt":"B","States":{{{}}}}})", states));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().size(), 150U);
  EXPECT_THAT(describe(made.error()), testing::EndsWith(", and 130 more'"));
}

// 60,000 problems at a place whose name has 300 KB would be 18 GB.
TEST(Definition, ProblemsAreBoundedWhateverTheirPlace) {
  std::string fields;
  for (int i = 0; i < 60'000; ++i) fields += fmt::format(R"("{}":1,)", i);
  const std::string name(300'000, 'x');
  const auto made = compileNew(fmt::format(R"({{"StartAt":"A","States":{{"{}":{{{}"Type":"Succeed"}}}}}})", name, fields));
  ASSERT_FALSE(made);
  EXPECT_LT(made.error().size(), 100U);
}

TEST(Definition, ManyProblemsAreToldUpToTwenty) {
  std::string fields;
  for (int i = 0; i < 30; ++i) fields += fmt::format(R"("F{}":1,)", i);
  const auto made = compile(one(fmt::format(R"({{{}"Type":"Succeed"}})", fields)));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().size(), 30U);
  EXPECT_THAT(describe(made.error()), testing::EndsWith("at /States/A, and 10 more'"));
}

}  // namespace
}  // namespace sp::asl
