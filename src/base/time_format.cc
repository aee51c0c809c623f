#include "base/time_format.h"

#include <array>

#include <fmt/format.h>

namespace sp {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct Parts {
  int year;
  unsigned month, day;
  int hour, minute, second, millisecond;
  unsigned weekday;
};

Parts split(Instant t) {
  const auto day = floor<days>(t);
  const year_month_day date{day};
  const hh_mm_ss time{floor<milliseconds>(t - day)};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<int>(time.hours().count()),
          static_cast<int>(time.minutes().count()),
          static_cast<int>(time.seconds().count()),
          static_cast<int>(time.subseconds().count()),
          weekday{day}.c_encoding()};
}

/// Reads digits off a text, remembering whether all fitted.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  int number(std::size_t digits) {
    if (text_.size() < digits) return bad();
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return bad();
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  bool accept(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) ok_ = false;
  }
  void expect(std::string_view word) {
    if (text_.starts_with(word)) text_.remove_prefix(word.size());
    else ok_ = false;
  }
  bool digitNext() const { return !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; }
  bool atEnd() const { return text_.empty(); }
  bool ok() const { return ok_; }
  std::string_view rest() const { return text_; }
  void skip(std::size_t n) { text_.remove_prefix(std::min(n, text_.size())); }
  int bad() {
    ok_ = false;
    return 0;
  }

 private:
  std::string_view text_;
  bool ok_ = true;
};

std::unexpected<Error> notATime(std::string_view text, std::string_view form) {
  return fail("time.format", fmt::format("'{}' is not a time of the form {}", text.substr(0, 64), form));
}

Result<Instant> assemble(std::string_view text, std::string_view form, int y, int mo, int d, int h, int mi, int s, Duration rest) {
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return notATime(text, form);
  return Instant(sys_days{date}) + hours(h) + minutes(mi) + seconds(s) + rest;
}

}  // namespace

std::string toIso8601Millis(Instant t) {
  const auto p = split(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", p.year, p.month, p.day, p.hour, p.minute, p.second, p.millisecond);
}

std::string toIso8601Seconds(Instant t) {
  const auto p = split(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", p.year, p.month, p.day, p.hour, p.minute, p.second);
}

std::string toBasicIso8601(Instant t) {
  const auto p = split(t);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", p.year, p.month, p.day, p.hour, p.minute, p.second);
}

std::string toBasicDate(Instant t) {
  const auto p = split(t);
  return fmt::format("{:04}{:02}{:02}", p.year, p.month, p.day);
}

std::string toHttpDate(Instant t) {
  const auto p = split(t);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays.at(p.weekday), p.day, kMonths.at(p.month - 1), p.year, p.hour,
                     p.minute, p.second);
}

Result<Instant> parseIso8601(std::string_view text) {
  constexpr std::string_view kForm = "2024-01-31T01:02:03Z";
  Scanner in(text);
  const int y = in.number(4);
  in.expect('-');
  const int mo = in.number(2);
  in.expect('-');
  const int d = in.number(2);
  if (in.ok() && in.atEnd()) return assemble(text, kForm, y, mo, d, 0, 0, 0, Duration(0));
  in.expect('T');
  const int h = in.number(2);
  in.expect(':');
  const int mi = in.number(2);
  in.expect(':');
  const int s = in.number(2);
  Duration rest{0};
  if (in.accept('.')) {
    std::int64_t micros = 0;
    int digits = 0;
    for (; in.digitNext(); ++digits) {
      const int digit = in.number(1);
      if (digits < 6) micros = micros * 10 + digit;
    }
    if (digits == 0 || digits > 9) return notATime(text, kForm);
    for (int i = digits; i < 6; ++i) micros *= 10;
    rest += Duration(micros);
  }
  if (!in.accept('Z')) {
    const bool minus = in.accept('-');
    if (!minus) in.expect('+');
    const int zone_hours = in.number(2);
    in.accept(':');
    const int zone_minutes = in.number(2);
    if (zone_hours > 18 || zone_minutes > 59) return notATime(text, kForm);
    const Duration zone = hours(zone_hours) + minutes(zone_minutes);
    rest += minus ? zone : -zone;
  }
  if (!in.ok() || !in.atEnd()) return notATime(text, kForm);
  return assemble(text, kForm, y, mo, d, h, mi, s, rest);
}

Result<Instant> parseBasicIso8601(std::string_view text) {
  constexpr std::string_view kForm = "20240131T010203Z";
  Scanner in(text);
  const int y = in.number(4);
  const int mo = in.number(2);
  const int d = in.number(2);
  in.expect('T');
  const int h = in.number(2);
  const int mi = in.number(2);
  const int s = in.number(2);
  in.expect('Z');
  if (!in.ok() || !in.atEnd()) return notATime(text, kForm);
  return assemble(text, kForm, y, mo, d, h, mi, s, Duration(0));
}

Result<Instant> parseHttpDate(std::string_view text) {
  constexpr std::string_view kForm = "Wed, 31 Jan 2024 01:02:03 GMT";
  Scanner in(text);
  in.skip(3);
  in.expect(", ");
  const int d = in.number(2);
  in.expect(' ');
  const auto name = in.rest().substr(0, 3);
  const auto found = std::ranges::find(kMonths, name);
  if (found == kMonths.end()) return notATime(text, kForm);
  in.skip(3);
  in.expect(' ');
  const int y = in.number(4);
  in.expect(' ');
  const int h = in.number(2);
  in.expect(':');
  const int mi = in.number(2);
  in.expect(':');
  const int s = in.number(2);
  in.expect(" GMT");
  if (!in.ok() || !in.atEnd()) return notATime(text, kForm);
  return assemble(text, kForm, y, static_cast<int>(found - kMonths.begin()) + 1, d, h, mi, s, Duration(0));
}

}  // namespace sp
