#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asl/definition.h"
#include "base/strings.h"

namespace sp::asl {
namespace {

using testing::HasSubstr;

const auto* const kDocument = R"({"a":{"b":[10,20,30],"c d":1},"list":[{"n":1,"s":"x"},{"n":2,"s":"y"},{"n":3}],"z":null})";

std::string readText(std::string_view path, std::string_view document = kDocument) {
  const auto parsed = Path::parse(path);
  if (!parsed) return "BAD " + parsed.error().message;
  const auto value = parsed->read(*json::parse(document));
  return value ? json::toText(*value) : "NONE " + value.error();
}

TEST(Path, NamesOnePlace) {
  EXPECT_EQ(readText("$.a.b[1]"), "20");
  EXPECT_EQ(readText("$.a.b[-1]"), "30");
  EXPECT_EQ(readText("$['a']['c d']"), "1");
  EXPECT_EQ(readText("$[\"a\"].b[0]"), "10");
  EXPECT_EQ(readText("$.z"), "null");
  EXPECT_EQ(readText("$", "7"), "7");
}

TEST(Path, NamesMany) {
  EXPECT_EQ(readText("$.a.b[*]"), "[10,20,30]");
  EXPECT_EQ(readText("$.a.b[0,2]"), "[10,30]");
  EXPECT_EQ(readText("$.a.b[1:]"), "[20,30]");
  EXPECT_EQ(readText("$.a.b[-2:]"), "[20,30]");
  EXPECT_EQ(readText("$.a.b[:2]"), "[10,20]");
  EXPECT_EQ(readText("$.a.b[0:3:2]"), "[10,30]");
  EXPECT_EQ(readText("$..n"), "[1,2,3]");
  EXPECT_EQ(readText("$.list[*].s"), "[\"x\",\"y\"]");
  EXPECT_EQ(readText("$.nothing[*]"), "[]");
  EXPECT_EQ(readText("$.list[0]['n','s']"), "[1,\"x\"]");
}

TEST(Path, Filters) {
  EXPECT_EQ(readText("$.list[?(@.n > 1)].n"), "[2,3]");
  EXPECT_EQ(readText("$.list[?(@.s == 'y')].n"), "[2]");
  EXPECT_EQ(readText("$.list[?(@.s)].n"), "[1,2]");
  EXPECT_EQ(readText("$.list[?(!(@.s))].n"), "[3]");
  EXPECT_EQ(readText("$.list[?(@.n == 1 || @.n >= 3 && @.n != 4)].n"), "[1,3]");
  EXPECT_EQ(readText("$.list[?(@.n in [1,3])].n"), "[1,3]");
}

TEST(Path, SaysWhatIsMissing) {
  EXPECT_EQ(readText("$.no"), "NONE No results for path: $['no']");
  EXPECT_EQ(readText("$.no.x"), "NONE Missing property in path $['no']");
  EXPECT_EQ(readText("$.a.b[9]"), "NONE No results for path: $['a']['b'][9]");
}

TEST(Path, RefusesWhatIsNone) {
  for (const auto* text :
       {"", "a", "$a", "$.", "$.a[", "$.a[]", "$.a['x]", "$.a[x]", "$.a[1:2:0]", "$.a[?(]", "$.a[?(@.b ==)]", "$...a", "$.a b"})
    EXPECT_FALSE(Path::parse(text)) << text;
  std::string deep = "$.a[?(";
  for (int i = 0; i < 5000; ++i) deep += "!(";
  EXPECT_FALSE(Path::parse(deep + ")]"));
  // Filters within filters: each is a path again.
  std::string filters = "$";
  for (int i = 0; i < 100'000; ++i) filters += "[?(@";
  for (int i = 0; i < 100'000; ++i) filters += ")]";
  EXPECT_FALSE(Path::parse(filters));
  EXPECT_TRUE(Path::parse("$.a[?(@.b[?(@.c > 1)])]"));
}

TEST(Path, WritesMakeObjectsOnTheWay) {
  const auto write = [](std::string_view path, std::string_view document) {
    auto value = *json::parse(document);
    return Path::parse(path)->write(value, json::Value(9)) ? json::toText(value) : "NO";
  };
  EXPECT_EQ(write("$.a.b.c", "{\"x\":1}"), R"({"x":1,"a":{"b":{"c":9}}})");
  EXPECT_EQ(write("$.x", "{\"x\":1}"), R"({"x":9})");
  EXPECT_EQ(write("$.l[1]", "{\"l\":[1,2]}"), R"({"l":[1,9]})");
  EXPECT_EQ(write("$.l[2]", "{\"l\":[1,2]}"), "NO");
  EXPECT_EQ(write("$.x.y", "{\"x\":1}"), "NO");
}

class Context final : public ContextSource {
 public:
  const json::Value& context(bool) override { return value; }
  json::Value value = *json::parse(R"({"State":{"Name":"S"}})");
};

std::string call(std::string_view text, std::string_view input = "{}") {
  const auto parsed = Expression::parse(text);
  if (!parsed) return "BAD";
  Context context;
  Dice dice(1);
  const auto document = *json::parse(input);
  const auto value = parsed->evaluate({document, context, dice}, "f.$");
  return value ? json::toText(*value) : value.error().error + ": " + value.error().cause;
}

TEST(Intrinsics, AllOfThem) {
  EXPECT_EQ(call("States.Format('Hi {}, \\{\\} {} it\\'s', $.n, 3)", R"({"n":"Bo"})"), R"("Hi Bo, {} 3 it's")");
  EXPECT_EQ(call("States.StringToJson($.t)", R"({"t":"{\"a\":1}"})"), R"({"a":1})");
  EXPECT_EQ(call("States.JsonToString($)", R"({"t":1})"), R"("{\"t\":1}")");
  EXPECT_EQ(call("States.Array(1, 'a', true, null, $.x)", R"({"x":[]})"), R"([1,"a",true,null,[]])");
  EXPECT_EQ(call("States.ArrayPartition($.a, 2)", R"({"a":[1,2,3]})"), "[[1,2],[3]]");
  EXPECT_EQ(call("States.ArrayContains($.a, 2)", R"({"a":[1,2,3]})"), "true");
  EXPECT_EQ(call("States.ArrayRange(1, 9, 2)"), "[1,3,5,7,9]");
  EXPECT_EQ(call("States.ArrayRange(3, 1, -1)"), "[3,2,1]");
  EXPECT_EQ(call("States.ArrayGetItem($.a, 1)", R"({"a":[1,2,3]})"), "2");
  EXPECT_EQ(call("States.ArrayLength($.a)", R"({"a":[1,2,3]})"), "3");
  EXPECT_EQ(call("States.ArrayUnique($.a)", R"({"a":[1,2,1]})"), "[1,2]");
  EXPECT_EQ(call("States.Base64Encode('Data to encode')"), R"("RGF0YSB0byBlbmNvZGU=")");
  EXPECT_EQ(call("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')"), R"("Data to encode")");
  EXPECT_EQ(call("States.Hash('input data', 'SHA-1')"), R"("aaff4a450a104cd177d28d18d74485e8cae074b7")");
  EXPECT_EQ(call("States.JsonMerge($.a, $.b, false)", R"({"a":{"x":1,"y":1},"b":{"y":2}})"), R"({"x":1,"y":2})");
  EXPECT_EQ(call("States.MathAdd(111, -1)"), "110");
  EXPECT_EQ(call("States.StringSplit('1,2.3', '.,')"), R"(["1","2","3"])");
  EXPECT_EQ(call("States.UUID()").size(), 38U);
  EXPECT_EQ(call("States.MathRandom(1, 2)"), "1");
  EXPECT_EQ(call("States.MathRandom(1, 999, 5)"), call("States.MathRandom(1, 999, 5)"));
}

TEST(Intrinsics, NestAndFail) {
  EXPECT_EQ(call("States.Format('{}', States.ArrayLength(States.Array(1, 2)))"), R"("2")");
  EXPECT_EQ(call("States.Format('{}', $$.State.Name)"), R"("S")");
  EXPECT_THAT(call("States.Format('{} {}', 1)"), HasSubstr("States.IntrinsicFailure"));
  EXPECT_THAT(call("States.ArrayRange(1, 5000, 1)"), HasSubstr("States.IntrinsicFailure"));
  EXPECT_THAT(call("States.StringToJson('{')"), HasSubstr("States.IntrinsicFailure"));
  EXPECT_THAT(
      call("States.ArrayLength($.no)"),
      HasSubstr("The function 'States.ArrayLength($.no)' had the following error: The JsonPath argument for the field '$.no' could not be "
                "found in the input '{}'"));
  for (const auto* text :
       {"States.No()", "States.MathAdd(1)", "States.Format('x'", "States.Format('x) ", "States.Format('x') y", "States.MathAdd(1,)"})
    EXPECT_EQ(call(text), "BAD") << text;
}

std::string problems(std::string_view text, const ResourceCheck& knows = nullptr) {
  const auto made = compile(text, knows);
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
            "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: x at /States/A/Next'");
  EXPECT_EQ(problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"C":{"Type":"Succeed"}}})"),
            "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C'");
  EXPECT_EQ(problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","Next":"A"}}})"),
            "Invalid State Machine Definition: 'MISSING_END_STATE: Workflow has no terminal state at null'");
  const auto many =
      problems(R"({"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":"nope"},"Foo":1,"End":true},"B":{"Type":"Nap"}}})");
  EXPECT_THAT(many, HasSubstr("Field 'Foo' is not supported at /States/A/Foo"));
  EXPECT_THAT(
      many,
      HasSubstr("The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters/x.$"));
  EXPECT_THAT(
      many,
      HasSubstr(
          "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/B/Type"));
}

TEST(Compile, RefusesWhatIsNotServedByName) {
  for (const auto* field : {"Arguments", "Assign", "Output"})
    EXPECT_THAT(problems(fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Pass","{}":{{}},"End":true}}}}}})", field)),
                HasSubstr(fmt::format("Field '{}' is not supported: it belongs to JSONata", field)));
  EXPECT_THAT(problems(R"({"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Succeed"}}})"),
              HasSubstr("'QueryLanguage' is not supported"));
  EXPECT_THAT(problems(R"({"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::no:no","End":true}}})",
                       [](auto) { return false; }),
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
    static_cast<void>(compile(text));
    if (const auto path = Path::parse(text)) static_cast<void>(path->read(document));
    if (const auto expression = Expression::parse(text)) static_cast<void>(expression->evaluate({document, context, dice}, "f"));
  }
}

bool chooses(std::string_view rule, std::string_view input) {
  const auto text =
      fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{{{},"Next":"B"}}]}},"B":{{"Type":"Succeed"}}}}}})", rule);
  const auto made = compile(text);
  if (!made) ADD_FAILURE() << describe(made.error());
  if (!made) return false;
  Context context;
  Dice dice(1);
  const auto document = *json::parse(input);
  const auto& states = (*made)->states;
  const auto at = std::ranges::find(states, StateType::choice, &StateDef::type);
  const auto held = at->rules.front().holds({document, context, dice});
  return held && *held;
}

TEST(Choice, Comparisons) {
  EXPECT_TRUE(chooses(R"("Variable":"$.a","StringEquals":"x")", R"({"a":"x"})"));
  EXPECT_FALSE(chooses(R"("Variable":"$.a","StringEquals":"x")", R"({"a":1})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","StringLessThanPath":"$.b")", R"({"a":"x","b":"y"})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","NumericEquals":1)", R"({"a":1.0})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","NumericGreaterThanEqualsPath":"$.b")", R"({"a":2,"b":2})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","BooleanEquals":false)", R"({"a":false})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","TimestampLessThan":"2024-01-01T01:00:00+01:00")", R"({"a":"2023-12-31T23:59:59.5Z"})"));
  EXPECT_FALSE(chooses(R"("Variable":"$.a","TimestampEquals":"2024-01-01T00:00:00Z")", R"({"a":"2024-01-01"})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","StringMatches":"log-*.t\\*t")", R"({"a":"log-2024.t*t"})"));
  EXPECT_FALSE(chooses(R"("Variable":"$.a","StringMatches":"log-*.txt")", R"({"a":"log-2024.csv"})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","IsNull":true)", R"({"a":null})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","IsPresent":false)", R"({})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","IsNumeric":true)", R"({"a":1})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","IsString":false)", R"({"a":1})"));
  EXPECT_TRUE(chooses(R"("Variable":"$.a","IsTimestamp":true)", R"({"a":"2024-01-01T00:00:00Z"})"));
  EXPECT_TRUE(chooses(R"("Or":[{"Variable":"$.a","IsNull":true},{"Not":{"Variable":"$.a","NumericLessThan":0}}])", R"({"a":1})"));
}

}  // namespace
}  // namespace sp::asl
