#include "cli/views/schedule_words.h"

#include <array>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>

namespace sp::cli {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::array<const char*, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                                 "July",    "August",   "September", "October", "November", "December"};

std::tm wallOf(Instant at) {
  const std::time_t when = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  std::tm wall{};
  ::localtime_r(&when, &wall);
  return wall;
}

std::chrono::sys_days dateOf(const std::tm& wall) {
  return std::chrono::sys_days(std::chrono::year(wall.tm_year + 1900) / (wall.tm_mon + 1) / wall.tm_mday);
}

std::string counted(std::int64_t count, std::string_view unit) { return fmt::format("in {} {}{}", count, unit, count == 1 ? "" : "s"); }

}  // namespace

std::string untilInWords(Instant at, Instant now) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(at - now).count();
  if (seconds <= 0) return "now";
  if (seconds < 120) return counted(seconds, "second");
  if (seconds < 7'200) return counted(seconds / 60, "minute");
  if (seconds < 172'800) return counted(seconds / 3'600, "hour");
  return counted(seconds / 86'400, "day");
}

std::string dayInWords(Instant at, Instant now) {
  const auto wall = wallOf(at);
  const auto days = (dateOf(wall) - dateOf(wallOf(now))).count();
  auto time = fmt::format("{:02}:{:02}", wall.tm_hour, wall.tm_min);
  if (wall.tm_sec != 0) time += fmt::format(":{:02}", wall.tm_sec);
  const auto* const name = kDays.at(static_cast<std::size_t>(wall.tm_wday));
  if (days == 0) return "today " + time;
  if (days == 1) return "tomorrow " + time;
  if (days > 1 && days < 7) return fmt::format("{} {}", name, time);
  return fmt::format("{} {} {} {} {}", name, wall.tm_mday, kMonths.at(static_cast<std::size_t>(wall.tm_mon)), wall.tm_year + 1900, time);
}

std::string localIso8601(Instant at) {
  const auto wall = wallOf(at);
  const auto offset = wall.tm_gmtoff / 60;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{:02}:{:02}", wall.tm_year + 1900, wall.tm_mon + 1, wall.tm_mday, wall.tm_hour,
                     wall.tm_min, wall.tm_sec, offset < 0 ? '-' : '+', std::abs(offset) / 60, std::abs(offset) % 60);
}

}  // namespace sp::cli
