#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/context_rig.h"
#include "asl/definition.h"

namespace sp::asl {
namespace {

using testing::HasSubstr;

const auto* const kDocument = R"({"a":{"b":[10,20,30],"c d":1},"list":[{"n":1,"s":"x"},{"n":2,"s":"y"},{"n":3}],"z":null})";

std::string problems(std::string_view text, const Surroundings& surroundings = {}) {
  const auto made = compileNew(text, surroundings);
  return made ? "" : describe(made.error());
}

TEST(Compile, TakesEveryState) {
  EXPECT_EQ(problems(R"j({"Comment":"c","StartAt":"P","TimeoutSeconds":9,"Version":"1.0","States":{
    "P":{"Type":"Pass","Result":1,"ResultPath":"$.r","Next":"T"},
    "T":{"Type":"Task","Resource":"arn:aws:states:::x:y","TimeoutSeconds":10,"HeartbeatSecondsPath":"$.h","Parameters":{"a.$":"$.x"},"ResultSelector":{"b.$":"$.y"},
      "Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":0,"BackoffRate":1.5,"MaxDelaySeconds":5,"JitterStrategy":"FULL"}],
      "Catch":[{"ErrorEquals":["A","B"],"ResultPath":"$.e","Next":"C"}],"Next":"C"},
    "C":{"Type":"Choice","Choices":[{"Next":"W","And":[{"Variable":"$.x","IsPresent":true},{"Not":{"Variable":"$.x","NumericGreaterThanPath":"$.y"}}]}],"Default":"F"},
    "W":{"Type":"Wait","Timestamp":"2030-01-01T00:00:00Z","Next":"M"},
    "M":{"Type":"Map","ItemsPath":"$.l","MaxConcurrency":2,"Iterator":{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}},"Next":"L"},
    "L":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Succeed"}}}],"Next":"S"},
    "S":{"Type":"Succeed"},"F":{"Type":"Fail","ErrorPath":"$.e","CausePath":"States.Format('{}', $.c)"}}})j"),
            "");
}

TEST(Compile, TellsEveryProblemWithItsPlace) {
  EXPECT_EQ(problems("{"),
            "Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: Unexpected end-of-input: expected close marker for "
            "Object (start marker at [Source: (String)\"{\"; line: 1, column: 1])\n at [Source: (String)\"{\"; line: 1, column: 2] at /'");
  EXPECT_EQ(problems("{}"),
            "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /'");
  EXPECT_EQ(problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"x"}}})"),
            "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: x at /States/A/Next, "
            "MISSING_END_STATE: Workflow has no terminal state at null'");
  EXPECT_EQ(problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"C":{"Type":"Succeed"}}})"),
            "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C'");
  EXPECT_EQ(problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"A"}}})"),
            "Invalid State Machine Definition: 'MISSING_END_STATE: Workflow has no terminal state at null'");
  const auto many =
      problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":"nope"},"Foo":1,"End":true},"B":{"Type":"Nap"}}})");
  EXPECT_THAT(many, HasSubstr("Field 'Foo' is not supported at /States/A,"));
  EXPECT_THAT(
      many,
      HasSubstr("The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/x.$"));
  EXPECT_THAT(
      many,
      HasSubstr(
          "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/B/Type"));
}

TEST(Compile, RefusesWhatIsNotServedByName) {
  const auto with = [](std::string_view field) {
    return problems(fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Pass","{}":{{}},"End":true}}}}}})", field));
  };
  for (const auto* field : {"Arguments", "Output", "Items", "Condition"})
    EXPECT_THAT(with(field), HasSubstr(fmt::format("The QueryLanguage is set to 'JSONPath', but field '{}' is only supported for the "
                                                   "'JSONata' QueryLanguage at /States/A'",
                                                   field)));
  EXPECT_THAT(with("Assign"), HasSubstr("Field 'Assign' is not supported: this server has no variables at /States/A'"));
  EXPECT_THAT(problems(R"({"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Succeed"}}})"),
              HasSubstr("'QueryLanguage' is not supported"));
  EXPECT_THAT(problems(R"({"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::no:no","End":true}}})",
                       {.knows = [](auto) { return false; }}),
              HasSubstr("The resource provided arn:aws:states:::no:no is not recognized."));
}

TEST(Compile, IsBoundedWhateverComes) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += R"({"StartAt":"A","States":{"A":{"Type":"Parallel","End":true,"Branches":[)";
  EXPECT_THAT(problems(deep), HasSubstr("INVALID_JSON_DESCRIPTION"));
  EXPECT_THAT(problems(std::string(2'000'000, ' ')), HasSubstr("larger than 1048576 bytes"));
}

// Texts near to good ones are where parsers break: none may crash, hang or be taken and then fail to be read.
TEST(Compile, SurvivesDamagedTexts) {
  const std::vector<std::string> good = {
      R"j({"StartAt":"P","States":{"P":{"Type":"Pass","Parameters":{"a.$":"States.Format('{}', $.x[0])"},"Next":"C"},
        "C":{"Type":"Choice","Choices":[{"Variable":"$.l[?(@.n > 1)]","IsPresent":true,"Next":"S"}],"Default":"S"},"S":{"Type":"Succeed"}}})j",
      "$.list[?(@.n > 1 && !(@.s == 'y'))]..['a','b'][1:-1:2]",
      "States.Format('{} \\'{}', States.Array(1, $.a['b c'], null), $$.State.Name)"};
  Dice dice(7);
  Context context;
  const auto document = *json::parse(kDocument);
  for (int round = 0; round < 20'000; ++round) {
    auto text = good[dice.next() % good.size()];
    for (auto changes = 1 + dice.next() % 4; changes > 0; --changes) {
      const auto at = dice.next() % text.size();
      constexpr std::string_view kMarks = "$.[]()'\"\\,:?@*!&|{}0 ";
      if (dice.next() % 3 == 0) text.erase(at, 1 + dice.next() % 3);
      else text.insert(at, 1, kMarks[dice.next() % kMarks.size()]);
      if (text.empty()) text = "$";
    }
    if (compileNew(text)) EXPECT_TRUE(compile(text)) << text;
    if (const auto path = Path::parse(text)) static_cast<void>(path->read(document));
    if (const auto expression = Expression::parse(text)) static_cast<void>(expression->evaluate({document, context, dice}, "f"));
  }
}

}  // namespace
}  // namespace sp::asl
