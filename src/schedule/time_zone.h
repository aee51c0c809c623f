// The world's time zones, by the rules of the system's tzdata: what a wall clock shows at an instant, and back.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sp::schedule {

/// Wall clock time, of whatever zone.
using LocalSeconds = std::chrono::local_time<std::chrono::seconds>;

/// Safe to use from any thread; cheap to copy.
class TimeZone {
 public:
  /// By its IANA name ("Europe/Berlin", "UTC"), spelled as there; nullopt: there is no such zone. A zone's rules are read once.
  static std::optional<TimeZone> find(std::string_view name);
  static TimeZone utc();

  /// What its wall clock shows.
  LocalSeconds local(Instant at) const;
  /// When its wall clock shows that, the first time if it does so twice; nullopt: never, the clock was put forward over it.
  std::optional<Instant> instant(LocalSeconds wall) const;

 private:
  struct Rules;
  explicit TimeZone(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}
  std::shared_ptr<const Rules> rules_;
};

}  // namespace sp::schedule
