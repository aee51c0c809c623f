// Time as a port: what decides gets the time with its event; only the edges read a clock.
#pragma once
#include <chrono>
#include <cstdint>

namespace sp {

using Duration = std::chrono::microseconds;
/// A moment in UTC, microseconds since the Unix epoch.
using Instant = std::chrono::sys_time<Duration>;

/// Where time comes from. Safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock; may jump.
  virtual Instant now() const = 0;
  /// CLOCK_BOOTTIME: never jumps, counts suspend; deadlines are measured on it.
  virtual Duration boottime() const = 0;
};

/// The machine's own clock.
class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Duration boottime() const override;
};

/// A clock that moves only when told; for tests and simulation. Not thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : now_(start) {}
  Instant now() const override { return now_; }
  Duration boottime() const override { return boot_; }
  void advance(Duration by) {
    now_ += by;
    boot_ += by;
  }
  /// A jump of the wall clock alone.
  void jump(Duration by) { now_ += by; }

 private:
  Instant now_;
  Duration boot_{0};
};

inline std::int64_t toMicros(Instant t) { return t.time_since_epoch().count(); }
inline Instant fromMicros(std::int64_t us) { return Instant(Duration(us)); }
inline double toEpochSeconds(Instant t) {
  return static_cast<double>(std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch().count()) / 1000.0;
}

}  // namespace sp
