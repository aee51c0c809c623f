#include "json/big_integer.h"

#include <limits>

#include <gtest/gtest.h>

namespace sp::json {
namespace {

// 10^400: beyond doubles too.
std::string huge() { return "1" + std::string(400, '0'); }

TEST(BigInteger, KeepsAllItsDigits) {
  for (const auto& text :
       {std::string("18446744073709551616"), std::string("-9223372036854775809"), std::string("123456789012345678901234567890"),
        std::string("[1,{\"a\":-123456789012345678901234567890}]"), huge(), "-" + huge()}) {
    const auto value = parseExact(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(toText(*value), text);
    EXPECT_TRUE(toPrettyText(*value).ends_with(text.substr(text.size() - 1)));
  }
  EXPECT_EQ(kindName(*parseExact(huge())), "number");
}

// Everything else is what parse() makes of it.
TEST(BigInteger, NothingElseIsKept) {
  for (const auto* text : {"18446744073709551615", "-9223372036854775808", "0", "-0", "1.0", "1.10", "1e30",
                           "123456789012345678901234567890.0", "12345678901234567890123e0", "\"18446744073709551616\"", "null"}) {
    const auto exact = parseExact(text);
    ASSERT_TRUE(exact) << text;
    EXPECT_EQ(*exact, *parse(text)) << text;
    EXPECT_FALSE(isBigInteger(*exact)) << text;
  }
  EXPECT_FALSE(parseExact("1e400"));
  EXPECT_FALSE(parseExact("[0123456789012345678901234567890]"));
}

// A text that is no UTF-8 never becomes JSON of another form, nor a number unless it is the very one.
TEST(BigInteger, TextsThatBeginWithTheMark) {
  for (const auto* text : {"\xff", "\xff-",
                           "\xff"
                           "1",
                           "\xff"
                           "12345678901234567890x",
                           "\xff"
                           "12345678901234567890,\"a\":1",
                           "\xff"
                           "00000000000000000000"}) {
    const Value value = String(text);
    EXPECT_TRUE(isText(value)) << text;
    EXPECT_EQ(toText(value).front(), '"') << text;
  }
}

TEST(BigInteger, AllNumbersHaveOneOrder) {
  // Each below the next.
  const std::vector<std::string> rising = {"-" + huge(),
                                           "-1e300",
                                           "-18446744073709551617",
                                           "-18446744073709551616",
                                           "-9223372036854775809",
                                           "-9223372036854775808",
                                           "-9007199254740993",
                                           "-1.5",
                                           "-1",
                                           "0",
                                           "0.5",
                                           "1",
                                           "1.5",
                                           "9007199254740992.0",
                                           "9007199254740993",
                                           "9223372036854775807",
                                           "9223372036854775808",
                                           "18446744073709551615",
                                           "18446744073709551616.0",
                                           "18446744073709551617",
                                           "999999999999999999999999999999",
                                           "1000000000000000019884624838655",
                                           "1e30",
                                           "1000000000000000019884624838657",
                                           "1.7976931348623157e308",
                                           huge()};
  for (std::size_t i = 0; i < rising.size(); ++i)
    for (std::size_t j = 0; j < rising.size(); ++j) {
      const auto order = compareNumbers(*parseExact(rising[i]), *parseExact(rising[j]));
      EXPECT_EQ(order < 0, i < j) << rising[i] << " " << rising[j];
      EXPECT_EQ(order == 0, i == j) << rising[i] << " " << rising[j];
    }
  for (const auto& [a, b] :
       {std::pair("18446744073709551616", "18446744073709551616.0"), std::pair("1", "1.0"), std::pair("0", "-0.0"),
        std::pair("1000000000000000019884624838656", "1e30"), std::pair("18446744073709551615", "18446744073709551615")}) {
    EXPECT_TRUE(compareNumbers(*parseExact(a), *parseExact(b)) == 0) << a << " " << b;
    EXPECT_TRUE(compareNumbers(*parseExact(b), *parseExact(a)) == 0) << a << " " << b;
  }
}

TEST(BigInteger, Rounded) {
  auto value = *parseExact("[123456789012345678901234567890,{\"a\":[-" + huge() + "]},\"t\",1]");
  roundBigIntegers(value);
  EXPECT_EQ(toText(value), "[1.2345678901234568E29,{\"a\":[-1.7976931348623157E308]},\"t\",1]");
  EXPECT_EQ(numberOf(*parseExact("18446744073709551616")), 0x1p64);
  EXPECT_EQ(numberOf(*parseExact("-" + huge())), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(numberOf(Value("1")), std::nullopt);
}

// What reads members by their type takes it for no text.
TEST(BigInteger, IsNoTextToWhoReadsMembers) {
  const auto value = *parseExact(R"({"a":123456789012345678901234567890,"l":[123456789012345678901234567890]})");
  EXPECT_EQ(textOr(value.get_object(), "a", "none"), "none");
  Reader reader(value.get_object());
  reader.text("a");
  EXPECT_EQ(reader.finish().error().message, "a must be a string, not a number");
  Reader list(value.get_object());
  list.textsIf("l");
  EXPECT_FALSE(list.finish());
}

}  // namespace
}  // namespace sp::json
