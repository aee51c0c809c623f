#include "services/dynamodb/number.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace sp::dynamodb {
namespace {

std::string normal(std::string_view text) {
  const auto number = Decimal::parse(text);
  return number ? number->text() : number.error().message;
}

TEST(Number, HasOneText) {
  EXPECT_EQ(normal("1"), "1");
  EXPECT_EQ(normal("+1.50"), "1.5");
  EXPECT_EQ(normal("-0.0"), "0");
  EXPECT_EQ(normal("000123.4500"), "123.45");
  EXPECT_EQ(normal(".5"), "0.5");
  EXPECT_EQ(normal("5."), "5");
  EXPECT_EQ(normal("1e3"), "1000");
  EXPECT_EQ(normal("1E+3"), "1000");
  EXPECT_EQ(normal("-12.5e-4"), "-0.00125");
  EXPECT_EQ(normal("0e999999"), "0");
  EXPECT_EQ(normal("12345678901234567890123456789012345678"), "12345678901234567890123456789012345678");
  EXPECT_EQ(normal("1e125"), "1" + std::string(125, '0'));
  EXPECT_EQ(normal("1e-130"), "0." + std::string(129, '0') + "1");
}

TEST(Number, RefusesWhatDynamoDbRefuses) {
  for (const auto* text : {"abc", "1e", "--1", "1.2.3", ".", "-", "e5", " 1", "1 ", "0x1", "NaN", "Infinity"})
    EXPECT_EQ(normal(text), std::string("The parameter cannot be converted to a numeric value: ") + text);
  EXPECT_EQ(normal(""), "The parameter cannot be converted to a numeric value");
  EXPECT_EQ(normal("1e126"), "Number overflow. Attempting to store a number with magnitude larger than supported range");
  EXPECT_EQ(normal("-1e99999999999"), "Number overflow. Attempting to store a number with magnitude larger than supported range");
  EXPECT_EQ(normal("1e-131"), "Number underflow. Attempting to store a number with magnitude smaller than supported range");
  EXPECT_EQ(normal("123456789012345678901234567890123456789"), "Attempting to store more than 38 significant digits in a Number");
  EXPECT_EQ(normal("9.9999999999999999999999999999999999999E+125"), "99999999999999999999999999999999999999" + std::string(88, '0'));
}

TEST(Number, CountsAsAwsCounts) {
  EXPECT_EQ(Decimal::parse("0")->size(), 1U);
  EXPECT_EQ(Decimal::parse("12")->size(), 2U);
  EXPECT_EQ(Decimal::parse("123")->size(), 3U);
  EXPECT_EQ(Decimal::parse("-123")->size(), 4U);
}

// Magnitude first, then digit by digit: the order of numbers without any encoding.
int compareByDigits(const Decimal& a, const Decimal& b) {
  const auto sign = [](const Decimal& d) { return d.digits.empty() ? 0 : d.negative ? -1 : 1; };
  if (sign(a) != sign(b)) return sign(a) < sign(b) ? -1 : 1;
  if (sign(a) == 0) return 0;
  int magnitude = 0;
  if (a.exponent != b.exponent) magnitude = a.exponent < b.exponent ? -1 : 1;
  for (std::size_t i = 0; magnitude == 0 && i < std::max(a.digits.size(), b.digits.size()); ++i) {
    const char x = i < a.digits.size() ? a.digits[i] : '0';
    const char y = i < b.digits.size() ? b.digits[i] : '0';
    if (x != y) magnitude = x < y ? -1 : 1;
  }
  return sign(a) * magnitude;
}

Decimal anyNumber(Random& random) {
  if (random.below(20) == 0) return {};
  std::string text = random.below(2) == 0 ? "-" : "";
  // Few digits and near exponents, so that neighbours and equal prefixes come often.
  const auto digits = 1 + random.below(random.below(4) == 0 ? 38 : 4);
  for (std::uint64_t i = 0; i < digits; ++i) text += static_cast<char>('0' + random.below(random.below(2) == 0 ? 10 : 2));
  const auto span = random.below(3) == 0 ? 170U : 3U;
  const auto exponent = static_cast<std::int64_t>(random.below(2 * span)) - static_cast<std::int64_t>(span);
  const auto number = Decimal::parse(text + "e" + std::to_string(exponent));
  return number ? *number : Decimal{};
}

TEST(Number, SortKeysKeepTheOrderAndTheNumber) {
  SeededRandom random(4711);
  for (int i = 0; i < 200000; ++i) {
    const auto a = anyNumber(random);
    const auto b = anyNumber(random);
    const int wanted = compareByDigits(a, b);
    const int got = a.sortKey().compare(b.sortKey());
    ASSERT_EQ(wanted, got < 0 ? -1 : got > 0 ? 1 : 0) << a.text() << " and " << b.text();
    ASSERT_EQ(fromSortKey(a.sortKey()).text(), a.text());
    ASSERT_EQ(Decimal::parse(a.text())->text(), a.text());
  }
}

TEST(Number, TheEndsOfTheRangeKeepTheOrder) {
  std::string before;
  for (const auto* text : {"-9.9999999999999999999999999999999999999e125", "-1e125", "-1", "-1e-130", "0", "1e-130", "1.1e-130", "1",
                           "1e125", "9.9999999999999999999999999999999999999e125"}) {
    const auto key = Decimal::parse(text)->sortKey();
    EXPECT_LT(before, key) << text;
    before = key;
  }
}

// Sums of what fits in 64 bits against machine arithmetic, at many scales.
TEST(Number, SumsAreExact) {
  SeededRandom random(99);
  const auto anyWhole = [&] {
    const auto bits = 1 + random.below(60);
    const auto value = static_cast<std::int64_t>(random.below(std::uint64_t{1} << bits));
    return random.below(2) == 0 ? value : -value;
  };
  for (int i = 0; i < 100000; ++i) {
    const auto a = anyWhole();
    const auto b = anyWhole();
    const auto scale = "e" + std::to_string(static_cast<std::int64_t>(random.below(200)) - 100);
    const auto of = [&](std::int64_t value) { return *Decimal::parse(std::to_string(value) + scale); };
    ASSERT_EQ(of(a).plus(of(b))->text(), of(a + b).text()) << a << " + " << b << scale;
    ASSERT_EQ(of(a).minus(of(b))->text(), of(a - b).text()) << a << " - " << b << scale;
  }
}

}  // namespace
}  // namespace sp::dynamodb
