// Unpredictable and unique values.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "base/clock.h"

namespace sp {

/// Where chance comes from. Safe to call from any thread.
class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out` with bytes fit for keys.
  virtual void fill(std::span<std::uint8_t> out) = 0;

  /// `digits` lower-case hex digits.
  std::string hex(std::size_t digits);
  /// A version 4 UUID, lower case with dashes.
  std::string uuid();
  /// A version 7 UUID: those of later milliseconds sort behind it. https://www.rfc-editor.org/rfc/rfc9562#section-5.7
  std::string orderedUuid(Instant now);
  /// Uniform in [0, bound), bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

/// The kernel's generator (OpenSSL's RAND_bytes).
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

/// The same sequence for the same seed; for tests and simulation. Not thread-safe, not fit for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace sp
