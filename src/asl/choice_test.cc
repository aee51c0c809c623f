#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/context_rig.h"
#include "asl/definition.h"

namespace sp::asl {
namespace {

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

/// "yes", "no", or what it fails with, of a rule without its Next.
std::string judged(std::string_view rule, std::string_view input) {
  const auto text =
      fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{{{},"Next":"B"}}]}},"B":{{"Type":"Succeed"}}}}}})", rule);
  const auto made = compile(text);
  if (!made) return describe(made.error());
  Context context;
  Dice dice(1);
  const auto document = *json::parse(input);
  const auto at = std::ranges::find((*made)->states, StateType::choice, &StateDef::type);
  const auto held = at->rules.front().holds({document, context, dice});
  if (!held) return held.error().error + ": " + held.error().cause;
  return *held ? "yes" : "no";
}

// Two values in the order of the kind; each comparison of three kinds, against the value and against a path to it.
TEST(Choice, EveryComparisonAndItsPathTwin) {
  struct Kind {
    const char* name;
    const char* low;
    const char* high;
  };
  constexpr Kind kKinds[] = {{"Numeric", "-1.5", "2"},
                             {"Numeric", "9223372036854775806", "9223372036854775807"},
                             {"Numeric", "9223372036854775807", "9223372036854775808"},
                             {"String", "\"\"", "\"a\""},
                             {"String", "\"Z\"", "\"a\""},
                             {"String", "\"a\"", "\"ab\""},
                             {"String", "\"z\"", "\"é\""},
                             {"Timestamp", "\"2024-01-01T00:00:00Z\"", "\"2024-01-01T00:00:00.001Z\""},
                             {"Timestamp", "\"2024-01-01T02:00:00+03:00\"", "\"2024-01-01T00:00:00Z\""}};
  struct Form {
    const char* name;
    // Of low to high, of a value to itself, of high to low.
    std::string_view below, same, above;
  };
  constexpr Form kForms[] = {{"Equals", "no", "yes", "no"},
                             {"LessThan", "yes", "no", "no"},
                             {"GreaterThan", "no", "no", "yes"},
                             {"LessThanEquals", "yes", "yes", "no"},
                             {"GreaterThanEquals", "no", "yes", "yes"}};
  for (const auto& kind : kKinds)
    for (const auto& form : kForms) {
      const auto both = [&](const char* left, const char* right, std::string_view expected) {
        const auto input = fmt::format(R"({{"l":{},"r":{}}})", left, right);
        EXPECT_EQ(judged(fmt::format(R"("Variable":"$.l","{}{}":{})", kind.name, form.name, right), input), expected)
            << left << " " << kind.name << form.name << " " << right;
        EXPECT_EQ(judged(fmt::format(R"("Variable":"$.l","{}{}Path":"$.r")", kind.name, form.name), input), expected)
            << left << " " << kind.name << form.name << "Path " << right;
      };
      both(kind.low, kind.high, form.below);
      both(kind.low, kind.low, form.same);
      both(kind.high, kind.high, form.same);
      both(kind.high, kind.low, form.above);
      // A value of another kind is never equal, less or greater.
      for (const auto* other : {"null", "true", "[]", "{}", kind.name == std::string_view("Numeric") ? "\"1\"" : "1"})
        EXPECT_EQ(judged(fmt::format(R"("Variable":"$","{}{}":{})", kind.name, form.name, kind.low), other), "no")
            << other << " " << kind.name << form.name;
      EXPECT_EQ(judged(fmt::format(R"("Variable":"$.l","{}{}Path":"$.r")", kind.name, form.name),
                       fmt::format(R"({{"l":{},"r":null}})", kind.low)),
                "no");
    }
}

struct RuleCase {
  const char* rule;
  const char* input;
  const char* expected;
};

TEST(Choice, KindsAndEdges) {
  const auto* const lost = "States.Runtime: Invalid path '$.x': The choice state's condition path references an invalid value.";
  const std::vector<RuleCase> cases = {
      {R"("Variable":"$.x","BooleanEquals":true)", R"({"x":true})", "yes"},
      {R"("Variable":"$.x","BooleanEquals":false)", R"({"x":true})", "no"},
      {R"("Variable":"$.x","BooleanEquals":true)", R"({"x":"true"})", "no"},
      {R"("Variable":"$.x","BooleanEqualsPath":"$.y")", R"({"x":false,"y":false})", "yes"},
      {R"("Variable":"$.x","BooleanEqualsPath":"$.y")", R"({"x":false,"y":0})", "no"},
      {R"("Variable":"$.x","NumericEquals":1.0)", R"({"x":1})", "yes"},
      {R"("Variable":"$.x","NumericEquals":1000)", R"({"x":1e3})", "yes"},
      {R"("Variable":"$.x","NumericEquals":0)", R"({"x":-0})", "yes"},
      {R"("Variable":"$.x","NumericEquals":0)", R"({"x":-0.0})", "yes"},
      {R"("Variable":"$.x","NumericEquals":0.3)", R"({"x":0.30000000000000004})", "no"},
      {R"("Variable":"$.x","TimestampEquals":"2024-01-01T00:00:00Z")", R"({"x":"2024-01-01T00:00:00.000000+00:00"})", "yes"},
      {R"("Variable":"$.x","TimestampEquals":"2024-01-01T00:00:00Z")", R"({"x":"2024-01-01T00:00:00"})", "no"},
      {R"("Variable":"$.x","IsPresent":true)", R"({"x":null})", "yes"},
      {R"("Variable":"$.x","IsPresent":true)", "{}", "no"},
      {R"("Variable":"$.x","IsPresent":false)", "{}", "yes"},
      {R"("Variable":"$.x.y.z","IsPresent":true)", "{}", "no"},
      {R"("Variable":"$.x[3]","IsPresent":true)", R"({"x":[1]})", "no"},
      {R"("Variable":"$.x[*]","IsPresent":true)", R"({"x":[]})", "no"},
      {R"("Variable":"$.x[*]","IsPresent":true)", R"({"x":[1]})", "yes"},
      {R"("Variable":"$.x[?(@.n == 1)]","IsPresent":true)", R"({"x":[{"n":1}]})", "yes"},
      {R"("Variable":"$$.State.Name","StringEquals":"S")", "{}", "yes"},
      {R"("Variable":"$.x","StringEqualsPath":"$$.State.Name")", R"({"x":"S"})", "yes"},
      {R"("Variable":"$.x","IsNull":true)", R"({"x":null})", "yes"},
      {R"("Variable":"$.x","IsNull":false)", R"({"x":0})", "yes"},
      {R"("Variable":"$.x","IsNumeric":true)", R"({"x":"1"})", "no"},
      {R"("Variable":"$.x","IsNumeric":true)", R"({"x":1e3})", "yes"},
      {R"("Variable":"$.x","IsString":true)", R"({"x":""})", "yes"},
      {R"("Variable":"$.x","IsString":true)", R"({"x":null})", "no"},
      {R"("Variable":"$.x","IsBoolean":true)", R"({"x":false})", "yes"},
      {R"("Variable":"$.x","IsBoolean":false)", R"({"x":"false"})", "yes"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14T01:59:00Z"})", "yes"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14T01:59:00.123456789-08:00"})", "yes"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14"})", "no"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14T01:59Z"})", "no"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14 01:59:00Z"})", "no"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-02-30T01:59:00Z"})", "no"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14t01:59:00z"})", "no"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":"2016-03-14T01:59:00+0800"})", "no"},
      {R"("Variable":"$.x","IsTimestamp":true)", R"({"x":1457920740})", "no"},
      {R"("Variable":"$.x","StringEquals":"a")", "{}", lost},
      {R"("Variable":"$.x","IsNull":true)", "{}", lost},
      {R"("Variable":"$.x","IsString":false)", "{}", lost},
      {R"("Variable":"$.x","NumericEqualsPath":"$.y")", "{}", lost},
      {R"("Variable":"$.y","NumericEqualsPath":"$.x")", R"({"y":1})", lost},
      {R"("And":[{"Variable":"$.x","IsPresent":true},{"Variable":"$.x","IsString":true}])", "{}", "no"},
      {R"("And":[{"Variable":"$.a","IsNull":true},{"Variable":"$.a","IsPresent":true}])", R"({"a":null})", "yes"},
      {R"("Or":[{"Variable":"$.a","IsNull":true},{"Variable":"$.x","IsNull":true}])", R"({"a":null})", "yes"},
      {R"("Or":[{"Variable":"$.a","IsNull":false},{"Variable":"$.x","IsNull":true}])", R"({"a":null})", lost},
      {R"("Or":[{"Variable":"$.a","IsString":true},{"Variable":"$.a","IsBoolean":true}])", R"({"a":null})", "no"},
      {R"("Not":{"Not":{"Variable":"$.a","IsNull":true}})", R"({"a":null})", "yes"},
      {R"("Not":{"And":[{"Or":[{"Variable":"$.a","IsNull":true}]},{"Not":{"Variable":"$.b","IsPresent":true}}]})", R"({"a":null,"b":1})",
       "yes"},
      {R"("Not":{"Variable":"$.x","IsNull":true})", "{}", lost},
  };
  for (const auto& [rule, input, expected] : cases) EXPECT_EQ(judged(rule, input), expected) << rule << " of " << input;
}

TEST(Choice, StringMatches) {
  const std::vector<RuleCase> cases = {
      {"", "", "yes"},
      {"", "a", "no"},
      {"*", "", "yes"},
      {"*", "anything", "yes"},
      {"**", "x", "yes"},
      {"a*c", "abc", "yes"},
      {"a*c", "ac", "yes"},
      {"a*c", "acb", "no"},
      {"*.log", "a.log.log", "yes"},
      {"log-*-*.txt", "log-1-2.txt", "yes"},
      {"log-*-*.txt", "log-1.txt", "no"},
      {"a?c", "abc", "no"},
      {"a.c", "abc", "no"},
      {R"(a\\*c)", "a*c", "yes"},
      {R"(a\\*c)", "abc", "no"},
      {R"(a\\\\c)", R"(a\\c)", "yes"},
      {R"(\\**)", "*x", "yes"},
      {R"(\\**)", "x", "no"},
      {R"(*\\*)", "ab*", "yes"},
      {R"(*\\*)", "ab", "no"},
      {R"(\\\\*)", R"(\\x)", "yes"},
      {"größe*", "größe-1", "yes"},
      {"*👍", "x👍", "yes"},
      {"A", "a", "no"},
  };
  for (const auto& [pattern, text, expected] : cases)
    EXPECT_EQ(judged(fmt::format(R"("Variable":"$","StringMatches":"{}")", pattern), fmt::format("\"{}\"", text)), expected)
        << pattern << " on " << text;
  EXPECT_EQ(judged(R"("Variable":"$","StringMatches":"*")", "1"), "no");
}

}  // namespace
}  // namespace sp::asl
