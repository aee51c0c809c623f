#include "base/random.h"

#include <unistd.h>

#include <algorithm>
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

namespace {

using UuidBytes = std::array<std::uint8_t, 16>;

std::string uuidText(UuidBytes bytes, unsigned version) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | (version << 4U));
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
  auto text = toHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (const std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, 1, '-');
  return text;
}

}  // namespace

std::string Random::uuid() {
  UuidBytes bytes{};
  fill(bytes);
  return uuidText(bytes, 4);
}

std::string Random::orderedUuid(Instant now) {
  UuidBytes bytes{};
  fill(std::span(bytes).subspan(6));
  auto millis = static_cast<std::uint64_t>(toMicros(now) / 1000);
  for (std::size_t i = 6; i-- > 0; millis >>= 8U) bytes[i] = static_cast<std::uint8_t>(millis);
  return uuidText(bytes, 7);
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

namespace {

void fromKernel(std::span<std::uint8_t> out) { SP_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1); }

/// A draw costs microseconds whatever its size, so small ones share it. Used up from the end and wiped.
struct Pool {
  std::array<std::uint8_t, 1024> bytes{};
  std::size_t left = 0;
  /// A forked process must not draw what its parent draws.
  pid_t owner = 0;
};

}  // namespace

void SystemRandom::fill(std::span<std::uint8_t> out) {
  static thread_local Pool pool;
  constexpr std::size_t kSmall = 32;
  if (out.size() > kSmall) return fromKernel(out);
  if (const auto self = ::getpid(); pool.left < out.size() || pool.owner != self) {
    fromKernel(pool.bytes);
    pool.left = pool.bytes.size();
    pool.owner = self;
  }
  pool.left -= out.size();
  const auto drawn = std::span(pool.bytes).subspan(pool.left, out.size());
  std::ranges::copy(drawn, out.begin());
  std::ranges::fill(drawn, std::uint8_t{0});
}

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
