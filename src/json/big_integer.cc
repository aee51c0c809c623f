#include "json/big_integer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace sp::json {
namespace {

constexpr char kMark = '\xff';
// -9223372036854775809 and 18446744073709551616 are the shortest.
constexpr std::size_t kFewestDigits = 19;

bool isNegative(std::string_view digits) { return digits.starts_with('-'); }

std::strong_ordering compareDigits(std::string_view a, std::string_view b) {
  if (isNegative(a) != isNegative(b)) return isNegative(a) ? std::strong_ordering::less : std::strong_ordering::greater;
  if (isNegative(a)) return compareDigits(b.substr(1), a.substr(1));
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

std::strong_ordering compareDigits(std::string_view digits, double other) {
  // What has a fraction is small; what is large is written in full.
  if (std::abs(other) < 0x1p63) return isNegative(digits) ? std::strong_ordering::less : std::strong_ordering::greater;
  char buffer[320];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, other, std::chars_format::fixed, 0).ptr;
  return compareDigits(digits, std::string_view(buffer, static_cast<std::size_t>(end - buffer)));
}

std::strong_ordering compareDoubles(double a, double b) {
  return a < b ? std::strong_ordering::less : a > b ? std::strong_ordering::greater : std::strong_ordering::equal;
}

template <class Integer>
std::strong_ordering compareInteger(Integer integer, double other) {
  // 2^63 and 2^64 are doubles; what lies between them and 0 is compared as an integer, then by the double's fraction.
  constexpr double kBeyond = std::is_signed_v<Integer> ? 0x1p63 : 0x1p64;
  if (other >= kBeyond) return std::strong_ordering::less;
  if (other < (std::is_signed_v<Integer> ? -0x1p63 : 0.0)) return std::strong_ordering::greater;
  const auto whole = std::trunc(other);
  if (const auto order = integer <=> static_cast<Integer>(whole); order != 0) return order;
  return compareDoubles(whole, other);
}

std::strong_ordering compareWithDouble(const Value& a, double b) {
  if (a.is_double()) return compareDoubles(a.get_double(), b);
  if (a.is_int64()) return compareInteger(a.get_int64(), b);
  if (a.is_uint64()) return compareInteger(a.get_uint64(), b);
  return compareDigits(digitsOf(a.get_string()), b);
}

std::strong_ordering reversed(std::strong_ordering order) { return 0 <=> order; }

}  // namespace

String bigInteger(std::string_view digits) {
  String made;
  made.reserve(digits.size() + 1);
  made.push_back(kMark);
  made.append(digits);
  return made;
}

// Texts that did not come from JSON may begin with any byte: only what bigInteger() makes is one.
bool isMarkedInteger(const String& s) {
  if (s.size() <= kFewestDigits || s.front() != kMark) return false;
  auto digits = digitsOf(s);
  if (isNegative(digits)) digits.remove_prefix(1);
  return digits.size() >= kFewestDigits && digits.front() != '0' &&
         std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

std::strong_ordering compareNumbers(const Value& a, const Value& b) {
  if (b.is_double()) return compareWithDouble(a, b.get_double());
  if (a.is_double()) return reversed(compareWithDouble(b, a.get_double()));
  if (a.is_string() && b.is_string()) return compareDigits(digitsOf(a.get_string()), digitsOf(b.get_string()));
  // Beyond whatever 64 bits hold.
  if (a.is_string()) return isNegative(digitsOf(a.get_string())) ? std::strong_ordering::less : std::strong_ordering::greater;
  if (b.is_string()) return reversed(compareNumbers(b, a));
  if (a.is_int64() && b.is_int64()) return a.get_int64() <=> b.get_int64();
  if (a.is_uint64() && b.is_uint64()) return a.get_uint64() <=> b.get_uint64();
  // Only what is no int64 is held as uint64.
  return a.is_int64() ? std::strong_ordering::less : std::strong_ordering::greater;
}

std::optional<double> numberOf(const Value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_double()) return value.get_double();
  if (!isBigInteger(value)) return std::nullopt;
  const auto digits = digitsOf(value.get_string());
  double nearest = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), nearest);
  if (read.ec == std::errc()) return nearest;
  return std::copysign(std::numeric_limits<double>::infinity(), isNegative(digits) ? -1 : 1);
}

void roundBigIntegers(Value& value) {
  if (auto* array = value.if_array()) {
    for (auto& element : *array) roundBigIntegers(element);
  } else if (auto* object = value.if_object()) {
    roundBigIntegers(*object);
  } else if (isBigInteger(value)) {
    constexpr double kMost = std::numeric_limits<double>::max();
    value = std::clamp(numberOf(value).value_or(0), -kMost, kMost);
  }
}

void roundBigIntegers(Object& object) {
  for (auto& member : object) roundBigIntegers(member.value());
}

}  // namespace sp::json
