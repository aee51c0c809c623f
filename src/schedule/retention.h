// Which recovery points a lifecycle ends: a pure function of the points of one machine in one vault, and of the time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace sp::schedule {

/// So many good points stay whatever their age: nobody is left with nothing because backups have failed for a month.
inline constexpr std::size_t kLastGoodKept = 3;

/// One recovery point.
struct Aged {
  Instant created;
  /// 0: kept for ever.
  std::int64_t delete_after_days = 0;
  /// Complete, and not on its way out.
  bool good = false;
  /// A restore reads it, or is about to.
  bool used = false;
};

enum class Fate {
  /// Its time has not come.
  kept,
  expired,
  /// Its time has come, but it is one of the last good ones.
  kept_as_last,
  /// Its time has come, but it is in use.
  kept_in_use,
};

/// When its lifecycle ends a point; only if delete_after_days is above 0.
Instant deleteAt(Instant created, std::int64_t delete_after_days);

/// The fate of each of `points` (all of one machine in one vault, in any order), at its place. The newest kLastGoodKept of those
/// that are good never expire; of two that were made in the same moment the later in the list counts as the newer.
std::vector<Fate> fatesOf(const std::vector<Aged>& points, Instant now);

}  // namespace sp::schedule
