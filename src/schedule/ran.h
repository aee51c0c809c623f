// Which times of a schedule have run, so that a clock that is put back runs none of them twice, and none that did not run is left out.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "schedule/catch_up.h"

namespace sp::schedule {

/// Whoever puts the clock back by more than this corrects the date: what ran under the wrong dates says nothing of the right ones.
inline constexpr Duration kOtherDates = std::chrono::days(2);

class Ran {
 public:
  /// As text() wrote it; nothing has run for what cannot be read.
  static Ran parse(std::string_view text);
  /// All times up to `last`.
  static Ran upTo(Instant last);

  bool has(Instant time) const;
  /// The first time after `after` that has not run.
  std::optional<Instant> next(const NextTime& next, Instant after) const;
  /// As schedule::catchUp, of the times that have not run; nullopt: there is none from `due` to `now`.
  std::optional<CatchUp> catchUp(const NextTime& next, Instant due, Instant now) const;
  /// `time` runs now: has() says so from here on. `next`: of the same schedule.
  void add(const NextTime& next, Instant time);
  std::string text() const;

 private:
  /// Each of its times has run.
  struct Stretch {
    Instant first;
    Instant last;
  };
  /// In their order, and apart.
  std::vector<Stretch> stretches_;
};

}  // namespace sp::schedule
