#include "json/json.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace sp::json {
namespace {

TEST(Json, NumbersAreWrittenAsTheyWereMeant) {
  for (const auto* text : {"1", "-7", "18446744073709551615", "1.5", "0.1", "1.0E30", "100000.0", "1000000.0", "0.001", "1.0E-4", "1.0E7",
                           "12345678.5", "1732936800.123", "[1,2.25,{\"a\":null}]", "\"\\u0001\\n\\\"ü\""}) {
    EXPECT_EQ(toText(*parse(text)), text);
  }
  EXPECT_EQ(toText(*parse("1.0")), "1.0");
}

TEST(Json, HalvesOfSurrogatePairsAreNamed) {
  const auto refused = [](std::string_view text) { return parse(text).error().message; };
  const auto half = [](int at, std::string_view escape) {
    return fmt::format("invalid JSON at byte {}: {} is half of a surrogate pair without its other half, which no UTF-8 text can hold", at,
                       escape);
  };
  EXPECT_TRUE(parse(R"(["\ud83d\ude00","\\ud800","\u00fc"])"));
  EXPECT_EQ(refused(R"(["\\","\ud800"])"), half(7, R"(\ud800)"));
  EXPECT_EQ(refused(R"("\ud800x")"), half(1, R"(\ud800)"));
  EXPECT_EQ(refused(R"("\ud800\ud800")"), half(1, R"(\ud800)"));
  EXPECT_EQ(refused(R"("\ud800\n")"), half(1, R"(\ud800)"));
  EXPECT_EQ(refused(R"("\uDC00")"), half(1, R"(\uDC00)"));
  EXPECT_EQ(refused(R"({"\ude00":1})"), half(2, R"(\ude00)"));
  // What is wrong before it is told first.
  EXPECT_EQ(refused(R"([x,"\ud800"])").find("surrogate"), std::string::npos);
  EXPECT_EQ(parse("[[[1]]]", 2).error().message,
            "invalid JSON at byte 2: nested too deep, at most 2 arrays and objects within each other are taken");
}

// What is stored and read again a thousand times must not drift.
TEST(Json, DoublesAreReadExactly) {
  for (const auto* text : {"1.2345678901234568E29", "5e-324", "1.7976931348623157e+308", "8.41e+21", "9007199254740993.0",
                           "-2.2250738585072014e-308", "0.30000000000000004", "123456789012345680000.0"}) {
    const auto value = parse(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(value->get_double(), std::strtod(text, nullptr)) << text;
    EXPECT_EQ(toText(*parse(toText(*value))), toText(*value)) << text;
  }
  EXPECT_EQ(toText(*parse("123456789012345678901234567890")), "1.2345678901234568E29");
  EXPECT_EQ(toText(*parse("[1e-999,-1e-999,-0.0]")), "[0.0,-0.0,-0.0]");
}

TEST(Json, NumbersBeyondDoublesAreRefused) {
  for (const auto* text : {"1e999", "[-1e309]", "{\"a\":1e99999999999}"}) {
    const auto value = parse(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code, "json.syntax") << text;
  }
}

TEST(Json, DepthIsBounded) {
  EXPECT_TRUE(parse(std::string(100, '[') + std::string(100, ']')));
  EXPECT_EQ(parse(std::string(100000, '[')).error().code, "json.syntax");
}

// Every byte at every place of a text longer than a few words: written, read back the same, escaped only where it must be.
TEST(Json, EveryByteIsQuotedWhereverItStands) {
  for (int byte = 0; byte < 128; ++byte) {
    for (std::size_t at = 0; at < 21; ++at) {
      std::string text = "abcdefghijklmnopqrstu";
      text[at] = static_cast<char>(byte);
      const auto quoted = quote(text);
      const auto read = parse(quoted);
      ASSERT_TRUE(read && toView(read->get_string()) == text) << quoted;
      ASSERT_EQ(quoted.size() == text.size() + 2, byte >= 0x20 && byte != '"' && byte != '\\') << quoted;
    }
  }
  EXPECT_EQ(quote("\"\"\\\"ä\x7f"), R"("\"\"\\\"ä)"
                                    "\x7f\"");
}

TEST(Json, ErrorsNameThePosition) { EXPECT_NE(parse("{\"a\":}").error().message.find("byte 5"), std::string::npos); }

TEST(Reader, NamesThePathOfWhatIsWrong) {
  const auto value = *parse(R"({"Name":1,"Other":true})");
  Reader reader(value.get_object(), "Details");
  reader.text("Name");
  EXPECT_EQ(reader.finish().error().message, "Details.Name must be a string, not a number");

  Reader missing(value.get_object(), "Details");
  missing.integer("Count");
  EXPECT_EQ(missing.finish().error().message, "Details.Count is missing");

  Reader unknown(value.get_object());
  unknown.integer("Name");
  EXPECT_EQ(unknown.finish(true).error().message, "Other is not a known property");
}

}  // namespace
}  // namespace sp::json
