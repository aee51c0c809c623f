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

}  // namespace
}  // namespace sp::asl
