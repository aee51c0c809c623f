#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/context_rig.h"
#include "asl/intrinsics/expression.h"

namespace sp::asl {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace sp::asl
