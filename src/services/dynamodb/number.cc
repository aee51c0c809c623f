#include "services/dynamodb/number.h"

#include <algorithm>

#include <fmt/format.h>

namespace sp::dynamodb {
namespace {

constexpr std::size_t kDigitsMax = 38;
// Exponents of "0.D1D2…": 1E-130 is 0.1E-129, 9.9…E+125 is 0.99…E+126.
constexpr int kExponentMin = -129;
constexpr int kExponentMax = 126;

constexpr unsigned char kNegative = 0x7f;
constexpr unsigned char kZero = 0x80;
constexpr unsigned char kPositive = 0x81;

bool isDigit(char c) { return c >= '0' && c <= '9'; }

std::unexpected<aws::ApiError> notANumber(std::string_view text) {
  if (text.empty()) return aws::refuse("ValidationException", "The parameter cannot be converted to a numeric value");
  return aws::refuse("ValidationException", fmt::format("The parameter cannot be converted to a numeric value: {}", text));
}

char toChar(unsigned value) { return static_cast<char>(static_cast<unsigned char>(value)); }

std::unexpected<aws::ApiError> overflow() {
  return aws::refuse("ValidationException", "Number overflow. Attempting to store a number with magnitude larger than supported range");
}
std::unexpected<aws::ApiError> underflow() {
  return aws::refuse("ValidationException", "Number underflow. Attempting to store a number with magnitude smaller than supported range");
}

// a ± b of digit texts of one length, a ≥ b if they are subtracted.
std::string addDigits(std::string_view a, std::string_view b, bool subtract) {
  std::string out(a.size() + 1, '0');
  int carry = 0;
  for (std::size_t i = a.size(); i > 0; --i) {
    const int right = (b[i - 1] - '0') + carry;
    int digit = (a[i - 1] - '0') + (subtract ? -right : right);
    carry = digit < 0 || digit > 9 ? 1 : 0;
    if (carry != 0) digit += subtract ? 10 : -10;
    out[i] = static_cast<char>('0' + digit);
  }
  out[0] = static_cast<char>('0' + carry);
  return out;
}

// Reads [+-]digits after the 'e'; false if it is not one. Huge exponents saturate: they are out of range anyway.
bool readExponent(std::string_view text, int& exponent) {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return false;
  int value = 0;
  for (const char c : text) {
    if (!isDigit(c)) return false;
    if (value < 100000) value = value * 10 + (c - '0');
  }
  exponent = negative ? -value : value;
  return true;
}

}  // namespace

std::expected<Decimal, aws::ApiError> Decimal::parse(std::string_view text) {
  Decimal number;
  std::string_view rest = text;
  if (!rest.empty() && (rest.front() == '+' || rest.front() == '-')) {
    number.negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  int written = 0;
  if (const auto e = rest.find_first_of("eE"); e != std::string_view::npos) {
    if (!readExponent(rest.substr(e + 1), written)) return notANumber(text);
    rest = rest.substr(0, e);
  }
  const auto point = rest.find('.');
  const auto whole = rest.substr(0, point);
  const auto fraction = point == std::string_view::npos ? std::string_view() : rest.substr(point + 1);
  if (whole.empty() && fraction.empty()) return notANumber(text);
  number.digits.reserve(whole.size() + fraction.size());
  for (const auto part : {whole, fraction}) {
    for (const char c : part) {
      if (!isDigit(c)) return notANumber(text);
      number.digits += c;
    }
  }
  const auto first = number.digits.find_first_not_of('0');
  if (first == std::string::npos) return Decimal{};
  number.digits.erase(number.digits.find_last_not_of('0') + 1);
  number.digits.erase(0, first);
  const auto exponent = static_cast<std::int64_t>(whole.size()) - static_cast<std::int64_t>(first) + written;
  if (exponent > kExponentMax) return overflow();
  if (exponent < kExponentMin) return underflow();
  if (number.digits.size() > kDigitsMax)
    return aws::refuse("ValidationException", "Attempting to store more than 38 significant digits in a Number");
  number.exponent = static_cast<int>(exponent);
  return number;
}

std::expected<Decimal, aws::ApiError> Decimal::plus(const Decimal& other) const {
  if (digits.empty()) return other;
  if (other.digits.empty()) return *this;
  // Both as whole numbers of the same unit, the last digit of either.
  const int top = std::max(exponent, other.exponent);
  const auto last = [](const Decimal& number) { return number.exponent - static_cast<int>(number.digits.size()); };
  const int unit = std::min(last(*this), last(other));
  const auto spread = [&](const Decimal& number) {
    std::string text(static_cast<std::size_t>(top - number.exponent), '0');
    text += number.digits;
    text.append(static_cast<std::size_t>(last(number) - unit), '0');
    return text;
  };
  auto a = spread(*this);
  auto b = spread(other);
  const bool subtract = negative != other.negative;
  const bool swapped = subtract && a < b;
  if (swapped) std::swap(a, b);
  auto text = addDigits(a, b, subtract);
  const auto first = text.find_first_not_of('0');
  if (first == std::string::npos) return Decimal{};
  Decimal sum;
  sum.negative = swapped ? other.negative : negative;
  sum.exponent = top + 1 - static_cast<int>(first);
  text.erase(text.find_last_not_of('0') + 1);
  sum.digits = text.substr(first);
  // AWS tells too many digits in the words of an overflow, too.
  if (sum.digits.size() > kDigitsMax || sum.exponent > kExponentMax) return overflow();
  if (sum.exponent < kExponentMin) return underflow();
  return sum;
}

std::expected<Decimal, aws::ApiError> Decimal::minus(const Decimal& other) const {
  auto negated = other;
  negated.negative = !other.negative && !other.digits.empty();
  return plus(negated);
}

std::string Decimal::text() const {
  if (digits.empty()) return "0";
  std::string out;
  if (negative) out += '-';
  if (exponent <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-exponent), '0');
    return out + digits;
  }
  const auto whole = static_cast<std::size_t>(exponent);
  if (digits.size() <= whole) {
    out += digits;
    out.append(whole - digits.size(), '0');
    return out;
  }
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

// Sign byte, exponent, then two digits a byte (1…100) and a zero at the end; a negative number has all but the sign
// complemented, so that the greater magnitude comes first.
std::string Decimal::sortKey() const {
  if (digits.empty()) return std::string(1, toChar(kZero));
  std::string out(1, toChar(negative ? kNegative : kPositive));
  out += toChar(static_cast<unsigned>(exponent - kExponentMin));
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = digits[i] - '0';
    const int low = i + 1 < digits.size() ? digits[i + 1] - '0' : 0;
    out += toChar(static_cast<unsigned>(high * 10 + low + 1));
  }
  out += '\0';
  if (negative)
    for (std::size_t i = 1; i < out.size(); ++i) out[i] = toChar(~static_cast<unsigned>(static_cast<unsigned char>(out[i])) & 0xffU);
  return out;
}

Decimal fromSortKey(std::string_view key) {
  Decimal number;
  const auto sign = static_cast<unsigned char>(key.front());
  if (sign == kZero) return number;
  number.negative = sign == kNegative;
  const auto byteAt = [&](std::size_t i) {
    const unsigned byte = static_cast<unsigned char>(key[i]);
    return number.negative ? ~byte & 0xffU : byte;
  };
  number.exponent = static_cast<int>(byteAt(1)) + kExponentMin;
  for (std::size_t i = 2; i < key.size() && byteAt(i) != 0; ++i) {
    const auto pair = byteAt(i) - 1;
    number.digits += static_cast<char>('0' + pair / 10);
    number.digits += static_cast<char>('0' + pair % 10);
  }
  if (!number.digits.empty() && number.digits.back() == '0') number.digits.pop_back();
  return number;
}

std::size_t Decimal::size() const { return 1 + (digits.size() + 1) / 2 + (negative ? 1 : 0); }

}  // namespace sp::dynamodb
