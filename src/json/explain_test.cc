#include "json/explain.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "json/json.h"

namespace sp::json {
namespace {

std::string at(std::string_view text, int line, int column) {
  return fmt::format("\n at [Source: (String)\"{}\"; line: {}, column: {}]", text, line, column);
}
void expect(std::string_view text, std::string_view message, int column, int line = 1) {
  EXPECT_EQ(explainSyntax(text), std::string(message) + at(text, line, column)) << text;
  EXPECT_FALSE(parse(text)) << text;
}

TEST(Explain, WhatIsExpectedWhere) {
  constexpr const char* kWanted = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'";
  expect(R"({"a": "6225", "b": """, "c": "0"})", "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
         23);
  expect("{a: 1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name", 3);
  expect(R"({"a" 1})", "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value", 7);
  expect(R"({"a":1,})", "Unexpected character ('}' (code 125)): was expecting double-quote to start field name", 9);
  expect("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", 5);
  expect("[1}", "Unexpected close marker '}': expected ']' (for Array starting at [Source: (String)\"[1}\"; line: 1, column: 1])", 4);
  expect("nothing", fmt::format("Unrecognized token 'nothing': was expecting ({})", kWanted), 8);
  expect("{\n \"a\": =1}", fmt::format("Unexpected character ('=' (code 61)): expected a valid value ({})", kWanted), 8, 2);
  expect("[ä]", fmt::format("Unrecognized token 'ä': was expecting ({})", kWanted), 3);
  expect("{} {}", "Trailing token found after value", 5);
}

TEST(Explain, Ends) {
  expect("", "No content to map due to end-of-input", 1);
  expect("{", "Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)\"{\"; line: 1, column: 1])", 2);
  expect("[[1],", "Unexpected end-of-input within/between Array entries", 6);
  expect(R"({"a")", "Unexpected end-of-input within/between Object entries", 5);
  expect(R"({"a)", "Unexpected end-of-input in field name", 4);
  expect(R"("a)", "Unexpected end-of-input: was expecting closing quote for a string value", 3);
  expect("-", "Unexpected end-of-input in a Number value", 2);
}

TEST(Explain, NumbersAndTexts) {
  expect("-a", "Unexpected character ('a' (code 97)) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value",
         3);
  expect("01", "Invalid numeric value: Leading zeroes not allowed", 2);
  expect("1.x", "Unexpected character ('x' (code 120)) in numeric value: Decimal point not followed by a digit", 4);
  expect("1ex", "Unexpected character ('x' (code 120)) in numeric value: Exponent indicator not followed by a digit", 4);
  expect(R"("\q")", "Unrecognized character escape 'q' (code 113)", 4);
  expect(R"("\u12z")", "Unexpected character ('z' (code 122)): expected a hex-digit for character escape sequence", 7);
  expect("\"a\tb\"", "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using backslash to be included in string value",
         4);
  expect("{\"a\tb\":1}", "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using backslash to be included in name", 5);
}

TEST(Explain, LongTextsAreCut) {
  const auto told = explainSyntax(std::string(1000, ' ') + "x");
  EXPECT_NE(told.find("\"[truncated 501 chars]; line: 1, column: 1002]"), std::string::npos) << told;
  // Deep ones take no stack.
  EXPECT_NE(explainSyntax(std::string(1'000'000, '[')).find("expected close marker for Array"), std::string::npos);
}

TEST(Explain, FindsNothingWhereNothingIs) {
  for (const auto* text : {"{}", "[]", " 1 ", "-0.5e+7", "{\"a\":[true,null,{\"b\":\"\\u00e4\\n\"}],\"c\":{}}", "\"x\""})
    EXPECT_EQ(explainSyntax(text), "") << text;
}

}  // namespace
}  // namespace sp::json
