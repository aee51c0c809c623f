// What a schedule's fields mean, written a second time for tests: slow, plain, and nothing of it shared with what is tested.
#pragma once
#include <string>
#include <vector>

#include "base/strings.h"

namespace sp::schedule {

/// A calendar of its own: counts days from 1970-01-01, a Thursday, and asks each minute whether it is one of the schedule's.
struct Calendar {
  int year = 1970, month = 1, day = 1;
  int weekday = 5;
  static bool leap(int y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }
  static int length(int y, int m) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return m == 2 && leap(y) ? 29 : lengths[m - 1];
  }
  void tomorrow() {
    weekday = weekday % 7 + 1;
    if (++day > length(year, month)) {
      day = 1;
      if (++month > 12) month = 1, ++year;
    }
  }
  int weekdayOf(int d) const { return ((weekday - 1 + d - day) % 7 + 7) % 7 + 1; }
  bool work(int d) const { return d >= 1 && d <= length(year, month) && weekdayOf(d) != 1 && weekdayOf(d) != 7; }
};

inline int number(const std::string& text, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return static_cast<int>(i) + 1;
  return std::stoi(text);
}

inline const std::vector<std::string> kMonthNames = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
inline const std::vector<std::string> kDayNames = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/// Whether `value` is one of what the field says, read anew for each question.
inline bool inField(const std::string& field, int value, int low, int high, const std::vector<std::string>& names = {}) {
  for (const auto part : split(field, ',')) {
    std::string text(part);
    int step = 1;
    const auto slash = text.find('/');
    if (slash != std::string::npos) step = std::stoi(text.substr(slash + 1)), text.resize(slash);
    int from = low, to = high;
    if (text != "*") {
      const auto dash = text.find('-');
      from = number(text.substr(0, dash), names);
      to = dash != std::string::npos ? number(text.substr(dash + 1), names) : slash != std::string::npos ? high : from;
    }
    for (int v = from, steps = 0;; v = v == high ? low : v + 1, ++steps) {
      if (steps % step == 0 && v == value) return true;
      if (v == to) break;
    }
  }
  return false;
}

inline bool dayMatches(const Calendar& c, const std::string& dom, const std::string& dow) {
  const int length = Calendar::length(c.year, c.month);
  if (dow == "?") {
    if (dom == "L") return c.day == length;
    if (dom == "LW") {
      if (!c.work(c.day)) return false;
      for (int d = c.day + 1; d <= length; ++d)
        if (c.work(d)) return false;
      return true;
    }
    if (dom.back() == 'W') {
      const int wanted = std::stoi(dom);
      if (wanted > length) return false;
      // The working day of this month that is nearest; of two, the earlier of a Saturday and the later of a Sunday are.
      for (int distance = 0;; ++distance)
        for (const int d : {wanted - distance, wanted + distance})
          if (c.work(d)) return c.day == d;
    }
    return inField(dom, c.day, 1, 31);
  }
  if (dow == "L") return c.weekday == 7;
  if (const auto hash = dow.find('#'); hash != std::string::npos)
    return c.weekday == number(dow.substr(0, hash), kDayNames) && (c.day - 1) / 7 + 1 == std::stoi(dow.substr(hash + 1));
  if (dow.back() == 'L') return c.weekday == number(dow.substr(0, dow.size() - 1), kDayNames) && c.day + 7 > length;
  return inField(dow, c.weekday, 1, 7, kDayNames);
}

}  // namespace sp::schedule
