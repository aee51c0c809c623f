// libFuzzer target: any text as JSON. What is taken is written to a text that gives the same value and the same text again.
#include <cstdint>

#include "base/assert.h"
#include "json/big_integer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  const auto value = json::parse({reinterpret_cast<const char*>(data), size}, 64);
  if (!value) return 0;
  const auto text = json::toText(*value);
  const auto again = json::parse(text, 64);
  SP_ASSERT(again.has_value() && json::toText(*again) == text);
  SP_ASSERT(json::parse(json::toPrettyText(*value), 64).has_value());
  // With integers of any length it is the same.
  const auto exact = json::parseExact({reinterpret_cast<const char*>(data), size}, 64);
  SP_ASSERT(exact.has_value());
  const auto digits = json::toText(*exact);
  const auto exact_again = json::parseExact(digits, 64);
  SP_ASSERT(exact_again.has_value() && *exact_again == *exact && json::toText(*exact_again) == digits);
  auto rounded = *exact;
  json::roundBigIntegers(rounded);
  SP_ASSERT(json::toText(rounded) == text);
  const auto quoted = json::parse(json::quote(text));
  SP_ASSERT(quoted.has_value() && json::toStd(quoted->get_string()) == text);
  return 0;
}
