// What becomes of the times of a schedule that came while nobody looked: the server was down, or its clock was put forward.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>

#include "base/clock.h"

namespace sp::schedule {

/// The first time of a schedule after the given one; nullopt: there is none.
using NextTime = std::function<std::optional<Instant>(Instant after)>;

/// Of missed times no more are counted.
inline constexpr std::uint64_t kMostCounted = 1'000;

/// What became due while nobody looked.
struct CatchUp {
  /// The latest time that was due: it is younger than its period and runs now.
  Instant run;
  /// How many times from `due` on lie before it and are not made up for; kMostCounted: that many or more.
  std::uint64_t missed = 0;
  /// When it runs next; nullopt: never.
  std::optional<Instant> next;
};

/// `due` has come at or before `now`.
CatchUp catchUp(const NextTime& next, Instant due, Instant now);

}  // namespace sp::schedule
