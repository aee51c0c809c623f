// When a schedule of EventBridge Scheduler runs, as pure functions of time.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "schedule/catch_up.h"
#include "schedule/expression.h"
#include "schedule/ran.h"
#include "schedule/time_zone.h"

namespace sp::schedule {

/// What a schedule says of its times.
struct RecurrenceSpec {
  /// "at(2024-11-20T13:00:00)", "rate(5 minutes)", "cron(0 2 ? * MON-FRI *)".
  std::string_view expression;
  /// Whose wall clock `at` and `cron` mean.
  TimeZone zone = TimeZone::utc();
  /// A rate without `start` begins here.
  Instant anchor{};
  /// Nothing of a rate or cron lies before or after; `at` knows neither.
  std::optional<Instant> start{};
  std::optional<Instant> end{};
  /// A run may begin so much later than its time.
  std::chrono::minutes window{0};
};

/// What becomes of a time of a schedule when its timer comes.
struct Due {
  /// The latest time that was due.
  Instant latest;
  /// The same, if it runs now; nullopt: it is too old, or has run.
  std::optional<Instant> run;
  /// How many were due and do not run; kMostCounted: that many or more.
  std::uint64_t missed = 0;
  /// The one after; nullopt: there is none.
  std::optional<Instant> next;
};

class Recurrence {
 public:
  /// Error code "schedule.expression" or "schedule.cron", which tells what is wrong with the expression.
  static Result<Recurrence> parse(const RecurrenceSpec& spec);

  /// The first time after `after`. Times that the zone's clock skips are none; of those that it shows twice the first is. A rate's days
  /// have 24 hours; its first time is its start. nullopt: there is none.
  std::optional<Instant> next(Instant after) const;

  /// The time `time` has come at or before `now`. What is still within its window runs; what came earlier runs if no other has come
  /// since, and a last one if it is no older than `oldest`. Times that have `ran` are left out of all that.
  Due due(Instant time, Instant now, Duration oldest, const Ran& ran = {}) const;

 private:
  struct Once {
    std::optional<Instant> at;
  };
  std::optional<Instant> nextOfAll(Instant after) const;

  std::variant<Once, Rate, Cron> what_;
  TimeZone zone_ = TimeZone::utc();
  Instant base_{};
  std::optional<Instant> start_;
  std::optional<Instant> end_;
  std::chrono::minutes window_{0};
};

/// How much later than its time a run begins: whole seconds, at least 0 and less than the window, the same for each question about it.
Duration delayIn(std::chrono::minutes window, std::string_view schedule, Instant time);

/// A UUID for one time of one schedule: the same however often it comes.
std::string occurrenceId(std::string_view schedule, Instant time);

/// What `<aws.scheduler.…>` stands for in a target's input.
struct ContextValues {
  std::string_view schedule_arn;
  Instant scheduled_time{};
  std::string_view execution_id;
  /// 1 for the first.
  std::int64_t attempt = 1;
};

/// The input with its context attributes filled in.
std::string fillContext(std::string_view input, const ContextValues& values);

}  // namespace sp::schedule
