#include "schedule/expression.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::schedule {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::local_days;
using std::chrono::month;
using std::chrono::weekday;
using std::chrono::year;
using std::chrono::year_month;
using std::chrono::year_month_day;

// A hundred years: nothing that is to run later is a schedule.
constexpr std::int64_t kMostDays = 36'525;

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekDays = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct Field {
  std::string_view name;
  unsigned low;
  unsigned high;
  /// Names of the values from `low` on; empty: numbers alone.
  const std::string_view* names = nullptr;
  std::size_t name_count = 0;
  bool steps = true;
};

constexpr Field kMinuteField{"minutes", 0, 59};
constexpr Field kHourField{"hours", 0, 23};
constexpr Field kMonthDayField{"day-of-month", 1, 31};
constexpr Field kMonthField{"month", 1, 12, kMonths.data(), kMonths.size()};
constexpr Field kWeekDayField{"day-of-week", 1, 7, kWeekDays.data(), kWeekDays.size(), false};
constexpr Field kYearField{"year", 1970, 2199};

std::unexpected<Error> bad(const Field& field, std::string_view text, std::string_view why) {
  return fail("schedule.cron", fmt::format("The {} field '{}' {}.", field.name, text, why));
}

// Digits alone: no sign, no blank.
std::optional<unsigned> digits(std::string_view text) {
  if (text.empty() || text.size() > 4 || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return static_cast<unsigned>(*parseInt(text));
}

Result<unsigned> value(const Field& field, std::string_view text) {
  for (std::size_t i = 0; i < field.name_count; ++i)
    if (equalsIgnoreCase(field.names[i], text)) return field.low + static_cast<unsigned>(i);
  const auto number = digits(text);
  if (!number) return bad(field, text, "is not a value");
  if (*number < field.low || *number > field.high) return bad(field, text, fmt::format("is not from {} to {}", field.low, field.high));
  return *number;
}

// One element of a list: "*", "5", "5-9", "20-2" (wraps), each with a step ("/3"); a single value with a step goes to the end.
template <std::size_t N>
Result<void> readPart(const Field& field, std::string_view part, unsigned offset, std::bitset<N>& out) {
  const auto slash = part.find('/');
  unsigned step = 1;
  auto range = part;
  if (slash != std::string_view::npos) {
    if (!field.steps) return bad(field, part, "has a step, which this field does not know");
    range = part.substr(0, slash);
    const auto given = digits(part.substr(slash + 1));
    if (!given || *given == 0 || *given > field.high - (field.low == 0 ? 0 : field.low - 1))
      return bad(field, part, fmt::format("has a step that is not from 1 to {}", field.high - (field.low == 0 ? 0 : field.low - 1)));
    step = *given;
  }
  unsigned from = field.low;
  unsigned to = field.high;
  if (range != "*") {
    const auto dash = range.find('-');
    SP_TRY(from, value(field, range.substr(0, dash)));
    if (dash != std::string_view::npos) {
      SP_TRY(to, value(field, range.substr(dash + 1)));
    } else if (slash == std::string_view::npos) {
      to = from;
    }
  }
  const unsigned span = field.high - field.low + 1;
  const unsigned length = to >= from ? to - from : to + span - from;
  for (unsigned i = 0; i <= length; i += step) out.set((from - field.low + i) % span + field.low - offset);
  return {};
}

template <std::size_t N>
Result<void> readList(const Field& field, std::string_view text, unsigned offset, std::bitset<N>& out) {
  for (const auto part : split(text, ',')) SP_CHECK_OK(readPart(field, part, offset, out));
  return {};
}

bool isWorkday(weekday w) { return w != std::chrono::Saturday && w != std::chrono::Sunday; }

unsigned lengthOf(year_month month) { return static_cast<unsigned>((month / std::chrono::last).day()); }

weekday weekdayOf(year_month month, unsigned d) { return weekday(local_days(month / day(d))); }

// Within its month: the Saturday's is the Friday before, the Sunday's the Monday after, unless that is another month's.
unsigned nearestWorkday(year_month month, unsigned d) {
  const auto w = weekdayOf(month, d);
  if (w == std::chrono::Saturday) return d > 1 ? d - 1 : d + 2;
  if (w == std::chrono::Sunday) return d < lengthOf(month) ? d + 1 : d - 2;
  return d;
}

}  // namespace

Result<Rate> Rate::parse(std::string_view inside, Plurals plurals) {
  const auto wrong = [&](std::string_view why) { return fail("schedule.expression", fmt::format("rate({}) {}.", inside, why)); };
  const auto words = split(inside, ' ');
  if (words.size() != 2) return wrong("is not a value and a unit");
  const auto all_digits =
      !words[0].empty() && words[0].size() <= 9 && std::ranges::all_of(words[0], [](char c) { return c >= '0' && c <= '9'; });
  if (!all_digits || *parseInt(words[0]) == 0) return wrong("has a value that is not a whole number above 0");
  const auto count = *parseInt(words[0]);
  auto unit = words[1];
  if (plurals == Plurals::any ? unit.ends_with('s') : count > 1) {
    if (!unit.ends_with('s')) return wrong("needs its unit in the plural");
    unit.remove_suffix(1);
  }
  std::chrono::minutes one{};
  if (unit == "minute") one = std::chrono::minutes(1);
  else if (unit == "hour") one = std::chrono::hours(1);
  else if (unit == "day") one = std::chrono::hours(24);
  else return wrong("has a unit that is none of minute, minutes, hour, hours, day, days, or not in its singular with 1");
  const auto period = one * count;
  if (period > std::chrono::hours(24 * kMostDays)) return wrong("is longer than a hundred years");
  return Rate{period};
}

Result<void> Cron::readMonthDays(std::string_view field) {
  if (equalsIgnoreCase(field, "L")) {
    days_ = LastDay{};
  } else if (equalsIgnoreCase(field, "LW")) {
    days_ = LastWorkday{};
  } else if (field.size() > 1 && (field.back() == 'W' || field.back() == 'w')) {
    SP_TRY(const auto number, value(kMonthDayField, field.substr(0, field.size() - 1)));
    days_ = NearestWorkday{number};
  } else {
    Days set;
    SP_CHECK_OK(readList(kMonthDayField, field, 0, set.set));
    days_ = set;
  }
  return {};
}

Result<void> Cron::readWeekDays(std::string_view field) {
  if (const auto hash = field.find('#'); hash != std::string_view::npos) {
    SP_TRY(const auto which, value(kWeekDayField, field.substr(0, hash)));
    const auto nth = digits(field.substr(hash + 1));
    if (!nth || *nth < 1 || *nth > 5) return bad(kWeekDayField, field, "needs one number from 1 to 5 behind '#'");
    days_ = NthWeekDay{which, *nth};
  } else if (equalsIgnoreCase(field, "L")) {
    WeekDays set;
    set.set.set(7);
    days_ = set;
  } else if (field.size() > 1 && (field.back() == 'L' || field.back() == 'l')) {
    SP_TRY(const auto which, value(kWeekDayField, field.substr(0, field.size() - 1)));
    days_ = LastWeekDay{which};
  } else {
    WeekDays set;
    SP_CHECK_OK(readList(kWeekDayField, field, 0, set.set));
    days_ = set;
  }
  return {};
}

Result<Cron> Cron::parse(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const auto field : split(text, ' '))
    if (!field.empty()) fields.push_back(field);
  if (fields.size() != 6) return fail("schedule.cron", fmt::format("cron({}) has {} fields, not 6.", text, fields.size()));
  Cron cron;
  SP_CHECK_OK(readList(kMinuteField, fields[0], 0, cron.minutes_));
  SP_CHECK_OK(readList(kHourField, fields[1], 0, cron.hours_));
  SP_CHECK_OK(readList(kMonthField, fields[3], 0, cron.months_));
  SP_CHECK_OK(readList(kYearField, fields[5], kFirstYear, cron.years_));
  if ((fields[2] == "?") == (fields[4] == "?"))
    return fail("schedule.cron", fmt::format("cron({}) needs '?' in one of day-of-month and day-of-week, and only in one.", text));
  if (fields[4] == "?") SP_CHECK_OK(cron.readMonthDays(fields[2]));
  else SP_CHECK_OK(cron.readWeekDays(fields[4]));
  return cron;
}

std::bitset<32> Cron::daysOf(year_month month) const {
  std::bitset<32> out;
  const auto length = lengthOf(month);
  // 1 (Sunday) to 7.
  const auto first = weekdayOf(month, 1).c_encoding() + 1;
  const auto kind = [&](unsigned d) { return (first - 1 + d - 1) % 7 + 1; };
  if (const auto* set = std::get_if<Days>(&days_)) {
    for (unsigned d = 1; d <= length; ++d) out[d] = set->set[d];
  } else if (std::holds_alternative<LastDay>(days_)) {
    out.set(length);
  } else if (std::holds_alternative<LastWorkday>(days_)) {
    auto d = length;
    while (!isWorkday(weekdayOf(month, d))) --d;
    out.set(d);
  } else if (const auto* nearest = std::get_if<NearestWorkday>(&days_)) {
    if (nearest->day <= length) out.set(nearestWorkday(month, nearest->day));
  } else if (const auto* week = std::get_if<WeekDays>(&days_)) {
    for (unsigned d = 1; d <= length; ++d) out[d] = week->set[kind(d)];
  } else if (const auto* last = std::get_if<LastWeekDay>(&days_)) {
    auto d = length;
    while (kind(d) != last->day) --d;
    out.set(d);
  } else if (const auto* nth = std::get_if<NthWeekDay>(&days_)) {
    const auto d = 1 + (nth->day + 7 - first) % 7 + 7 * (nth->nth - 1);
    if (d <= length) out.set(d);
  }
  return out;
}

std::optional<LocalMinutes> Cron::next(LocalMinutes after) const {
  const auto start = std::max(after + std::chrono::minutes(1), LocalMinutes(local_days(year(kFirstYear) / 1 / 1)));
  const auto start_day = std::chrono::floor<days>(start);
  const year_month_day date(start_day);
  const auto minute_of_day = static_cast<std::size_t>((start - start_day).count());
  auto at = year_month(date.year(), date.month());
  const auto first_month = at;
  for (; static_cast<int>(at.year()) <= kLastYear; at += std::chrono::months(1)) {
    if (!years_[static_cast<std::size_t>(static_cast<int>(at.year()) - kFirstYear)]) {
      at = year_month(at.year(), month(12));
      continue;
    }
    if (!months_[static_cast<unsigned>(at.month())]) continue;
    const auto wanted = daysOf(at);
    const bool same_month = at == first_month;
    for (unsigned d = same_month ? static_cast<unsigned>(date.day()) : 1; d < wanted.size(); ++d) {
      if (!wanted[d]) continue;
      const auto from = same_month && d == static_cast<unsigned>(date.day()) ? minute_of_day : 0;
      for (auto h = from / 60; h < hours_.size(); ++h) {
        if (!hours_[h]) continue;
        for (auto m = h == from / 60 ? from % 60 : 0; m < minutes_.size(); ++m)
          if (minutes_[m]) return LocalMinutes(local_days(at / day(d))) + std::chrono::minutes(h * 60 + m);
      }
    }
  }
  return std::nullopt;
}

Result<Expression> Expression::parse(std::string_view text) {
  const auto inside = [&](std::string_view name) -> std::optional<std::string_view> {
    if (!text.starts_with(name) || !text.ends_with(')') || text.size() < name.size() + 1) return std::nullopt;
    return text.substr(name.size(), text.size() - name.size() - 1);
  };
  Expression out;
  if (const auto fields = inside("cron(")) {
    SP_TRY(out.what_, Cron::parse(*fields));
  } else if (const auto rate = inside("rate(")) {
    SP_TRY(out.what_, Rate::parse(*rate, Rate::Plurals::exact));
  } else {
    return fail("schedule.expression", fmt::format("'{}' is neither rate(…) nor cron(…).", text));
  }
  return out;
}

std::optional<Instant> Expression::next(Instant anchor, Instant after) const {
  if (const auto* rate = std::get_if<Rate>(&what_)) {
    if (after < anchor) return anchor + rate->period;
    return anchor + ((after - anchor) / rate->period + 1) * rate->period;
  }
  // UTC is a wall clock of its own.
  const auto wall = LocalMinutes(std::chrono::floor<std::chrono::minutes>(after).time_since_epoch());
  const auto found = std::get<Cron>(what_).next(wall);
  if (!found) return std::nullopt;
  return Instant(found->time_since_epoch());
}

}  // namespace sp::schedule
