#include "schedule/time_zone.h"

#include <algorithm>
#include <array>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

namespace sp::schedule {
namespace {

// Files of the database that are no zone of the world, and what the library adds of its own.
constexpr std::array<std::string_view, 6> kNoZones = {"localtime", "posixrules", "Factory", "posix/", "right/", "Fixed/"};

bool isName(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find("..") != std::string_view::npos) return false;
  if (std::ranges::any_of(kNoZones, [&](std::string_view other) { return other.ends_with('/') ? name.starts_with(other) : name == other; }))
    return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

}  // namespace

struct TimeZone::Rules {
  absl::TimeZone zone;
};

std::optional<TimeZone> TimeZone::find(std::string_view name) {
  absl::TimeZone zone;
  if (!isName(name) || !absl::LoadTimeZone(std::string(name), &zone)) return std::nullopt;
  return TimeZone(std::make_shared<const Rules>(zone));
}

TimeZone TimeZone::utc() { return TimeZone(std::make_shared<const Rules>(absl::UTCTimeZone())); }

LocalSeconds TimeZone::local(Instant at) const {
  const auto whole = std::chrono::floor<std::chrono::seconds>(at);
  return LocalSeconds(whole.time_since_epoch() + std::chrono::seconds(rules_->zone.At(absl::FromChrono(whole)).offset));
}

std::optional<Instant> TimeZone::instant(LocalSeconds wall) const {
  const auto civil = absl::CivilSecond(1970, 1, 1) + wall.time_since_epoch().count();
  const auto found = rules_->zone.At(civil);
  if (found.kind == absl::TimeZone::TimeInfo::SKIPPED) return std::nullopt;
  // Of a time that is shown twice, `pre` is the first.
  return Instant(std::chrono::seconds(absl::ToUnixSeconds(found.pre)));
}

}  // namespace sp::schedule
