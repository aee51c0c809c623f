#include "base/random.h"

#include <array>
#include <limits>

#include <openssl/rand.h>

#include "base/assert.h"
#include "base/hash.h"

namespace sp {

std::string Random::hex(std::size_t digits) {
  std::string bytes((digits + 1) / 2, '\0');
  fill(std::span(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()));
  auto text = toHex(bytes);
  text.resize(digits);
  return text;
}

std::string Random::uuid() {
  auto h = hex(32);
  h[12] = '4';
  constexpr std::string_view kVariant = "89ab";
  h[16] = kVariant[below(4)];
  return h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" + h.substr(16, 4) + "-" + h.substr(20);
}

std::uint64_t Random::below(std::uint64_t bound) {
  SP_ASSERT(bound > 0);
  // The part of the range that does not divide evenly is drawn again, so that no value is likelier than another.
  const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() - std::numeric_limits<std::uint64_t>::max() % bound;
  while (true) {
    std::array<std::uint8_t, 8> bytes{};
    fill(bytes);
    std::uint64_t value = 0;
    for (const auto byte : bytes) value = (value << 8U) | byte;
    if (value < limit) return value % bound;
  }
}

void SystemRandom::fill(std::span<std::uint8_t> out) { SP_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1); }

void SeededRandom::fill(std::span<std::uint8_t> out) {
  for (auto& byte : out) {
    // splitmix64: every seed, also 0, gives a good sequence.
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    byte = static_cast<std::uint8_t>((z ^ (z >> 31U)) >> 24U);
  }
}

}  // namespace sp
