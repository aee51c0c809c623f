// Integers beyond 64 bits: Boost.JSON has no kind for them and would make doubles of them, which lose digits. parseExact()
// holds each as its digits behind a byte that no JSON text can hold (0xFF is never UTF-8), toText() writes these digits again.
// Whoever may be given such values asks isText() and isNumber() instead of is_string() and is_number().
#pragma once
#include <compare>
#include <string_view>

#include "json/json.h"

namespace sp::json {

/// Like parse(), but integers beyond 64 bits keep all their digits.
Result<Value> parseExact(std::string_view text, std::size_t max_depth = 512);

/// `digits`: a JSON number without fraction and exponent, below -2^63 or above 2^64-1.
String bigInteger(std::string_view digits);
/// What isBigInteger() asks of the few texts that begin with the mark.
bool isMarkedInteger(const String& s);
inline bool isBigInteger(const String& s) { return !s.empty() && s.front() == '\xff' && isMarkedInteger(s); }
inline bool isBigInteger(const Value& value) { return value.is_string() && isBigInteger(value.get_string()); }
/// "-18446744073709551616": of what isBigInteger.
inline std::string_view digitsOf(const String& s) { return toView(s).substr(1); }

inline bool isText(const Value& value) { return value.is_string() && !isBigInteger(value.get_string()); }
inline bool isNumber(const Value& value) { return value.is_number() || isBigInteger(value); }

/// Two numbers of any kind in their exact order: nothing is rounded to be compared.
std::strong_ordering compareNumbers(const Value& a, const Value& b);
/// The nearest double of a number of any kind, infinite beyond them; nullopt: no number.
std::optional<double> numberOf(const Value& value);

/// For those who know Boost.JSON's kinds only: integers beyond 64 bits become doubles, as parse() makes them (the largest
/// double for what is beyond all).
void roundBigIntegers(Value& value);
void roundBigIntegers(Object& object);

}  // namespace sp::json
