// DynamoDB's numbers: decimal, exact, up to 38 significant digits, from 1E-130 to 9.9…9E+125 and their negatives.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "aws/api_error.h"

namespace sp::dynamodb {

/// A number as digits: 0.D1D2D3… × 10^exponent. Digits neither begin nor end with a zero; none at all is zero.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;

  /// Reads "-12.50", "1e3", ".5", "+7". Errors: ValidationException in AWS's words (not a number, more than 38 digits, out of range).
  static std::expected<Decimal, aws::ApiError> parse(std::string_view text);

  /// The exact sum. Errors: ValidationException in AWS's words if it has more than 38 digits or is out of range.
  std::expected<Decimal, aws::ApiError> plus(const Decimal& other) const;
  std::expected<Decimal, aws::ApiError> minus(const Decimal& other) const;

  /// The one text of this number, without exponent: what DynamoDB answers ("1000", "-0.05", "0").
  std::string text() const;
  /// Bytes whose order (memcmp, a shorter prefix first) is the numbers' order.
  std::string sortKey() const;
  /// What it counts for in an item's size, bytes.
  std::size_t size() const;
};

/// The number of a sort key; the key must come from sortKey().
Decimal fromSortKey(std::string_view key);

}  // namespace sp::dynamodb
