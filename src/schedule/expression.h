// When a schedule runs: the expressions of EventBridge, as pure functions of time.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
#pragma once
#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/result.h"

namespace sp::schedule {

/// Wall clock time, of whatever zone.
using LocalMinutes = std::chrono::local_time<std::chrono::minutes>;

/// cron(minutes hours day-of-month month day-of-week year).
class Cron {
 public:
  /// The six fields, without "cron(" and ")". Error code "schedule.cron", naming the field and what is wrong with it.
  static Result<Cron> parse(std::string_view fields);

  /// The first minute after `after`; nullopt: there is none until the end of 2199.
  std::optional<LocalMinutes> next(LocalMinutes after) const;

 private:
  static constexpr int kFirstYear = 1970;
  static constexpr int kLastYear = 2199;

  Result<void> readMonthDays(std::string_view field);
  Result<void> readWeekDays(std::string_view field);
  /// Bit d: the day d of that month.
  std::bitset<32> daysOf(std::chrono::year_month month) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<13> months_;
  std::bitset<kLastYear - kFirstYear + 1> years_;
  /// Days of the month: a set, the last one, the last working day, or the working day nearest to one.
  struct Days {
    std::bitset<32> set;
  };
  struct LastDay {};
  struct LastWorkday {};
  struct NearestWorkday {
    unsigned day;
  };
  /// Days of the week, 1 (Sunday) to 7: a set, the last one of a kind, or the n-th of a kind.
  struct WeekDays {
    std::bitset<8> set;
  };
  struct LastWeekDay {
    unsigned day;
  };
  struct NthWeekDay {
    unsigned day;
    unsigned nth;
  };
  std::variant<Days, LastDay, LastWorkday, NearestWorkday, WeekDays, LastWeekDay, NthWeekDay> days_;
};

/// rate(value unit).
struct Rate {
  /// EventBridge's rules want "1 minute" and "2 minutes", its Scheduler takes "1 minutes" and "2 minute" too.
  enum class Plurals { exact, any };
  /// What stands between "rate(" and ")". Error code "schedule.expression".
  static Result<Rate> parse(std::string_view inside, Plurals plurals);

  Duration period;
};

/// What a rule's ScheduleExpression says, read exactly as strictly as EventBridge reads it; times are UTC.
class Expression {
 public:
  /// "rate(5 minutes)", "cron(0 2 ? * MON-FRI *)". Error code "schedule.expression".
  static Result<Expression> parse(std::string_view text);

  /// The first run after `after`. A rate counts from `anchor` (creation of the rule); nullopt: it never runs again.
  std::optional<Instant> next(Instant anchor, Instant after) const;

 private:
  std::variant<Rate, Cron> what_;
};

}  // namespace sp::schedule
