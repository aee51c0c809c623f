#include "schedule/recurrence.h"

#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "schedule/calendar_test.h"

namespace sp::schedule {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Instant at(std::string_view text) { return *parseIso8601(text); }
std::string shown(const std::optional<Instant>& t) { return t ? toIso8601Seconds(*t) : "never"; }

Recurrence recurrence(std::string_view expression, std::string_view zone = "UTC") {
  RecurrenceSpec spec{expression};
  spec.zone = *TimeZone::find(zone);
  return *Recurrence::parse(spec);
}

struct ZoneCase {
  const char* expression;
  const char* zone;
  const char* after;
  const char* next;
};

class InZones : public testing::TestWithParam<ZoneCase> {};

TEST_P(InZones, Next) { EXPECT_EQ(shown(recurrence(GetParam().expression, GetParam().zone).next(at(GetParam().after))), GetParam().next); }

INSTANTIATE_TEST_SUITE_P(Known, InZones,
                         testing::Values(
                             // Winter and summer.
                             ZoneCase{"cron(0 2 * * ? *)", "Europe/Berlin", "2024-01-10T00:00:00Z", "2024-01-10T01:00:00Z"},
                             ZoneCase{"cron(0 2 * * ? *)", "Europe/Berlin", "2024-07-10T00:00:00Z", "2024-07-11T00:00:00Z"},
                             // 02:30 does not come on 2024-03-31, and comes twice on 2024-10-27.
                             ZoneCase{"cron(30 2 * * ? *)", "Europe/Berlin", "2024-03-30T02:00:00Z", "2024-04-01T00:30:00Z"},
                             ZoneCase{"cron(30 2 * * ? *)", "Europe/Berlin", "2024-10-26T23:00:00Z", "2024-10-27T00:30:00Z"},
                             ZoneCase{"cron(30 2 * * ? *)", "Europe/Berlin", "2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"},
                             ZoneCase{"cron(30 1 * * ? *)", "America/New_York", "2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"},
                             ZoneCase{"cron(0 * * * ? *)", "America/New_York", "2024-11-03T05:00:00Z", "2024-11-03T07:00:00Z"},
                             // Half an hour's daylight saving, offsets of quarters of an hour, and a day that was left out.
                             ZoneCase{"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2024-10-05T14:00:00Z", "2024-10-06T15:15:00Z"},
                             ZoneCase{"cron(45 5 * * ? *)", "Asia/Kathmandu", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z"},
                             ZoneCase{"cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"},
                             // The last day of a leap February, by the zone's calendar.
                             ZoneCase{"cron(0 0 L * ? *)", "Asia/Tokyo", "2024-02-28T00:00:00Z", "2024-02-28T15:00:00Z"},
                             ZoneCase{"cron(59 23 L * ? *)", "Pacific/Honolulu", "2024-02-28T00:00:00Z", "2024-03-01T09:59:00Z"},
                             // The rules go on when the database's table has ended.
                             ZoneCase{"cron(0 12 1 7 ? *)", "America/New_York", "2060-01-01T00:00:00Z", "2060-07-01T16:00:00Z"},
                             ZoneCase{"at(2024-03-31T02:30:00)", "Europe/Berlin", "2024-01-01T00:00:00Z", "never"},
                             ZoneCase{"at(2024-10-27T02:30:00)", "Europe/Berlin", "2024-01-01T00:00:00Z", "2024-10-27T00:30:00Z"},
                             ZoneCase{"at(2024-10-27T02:30:15)", "America/New_York", "2024-01-01T00:00:00Z", "2024-10-27T06:30:15Z"},
                             ZoneCase{"at(2024-10-27T02:30:15)", "UTC", "2024-10-27T02:30:15Z", "never"}));

TEST(TimeZone, KnowsTheZonesOfTheWorldAndNoFilesBesideThem) {
  for (const auto* name : {"UTC", "Etc/UTC", "GMT", "Etc/GMT+5", "US/Eastern", "America/Argentina/Buenos_Aires", "EST5EDT", "Asia/Kolkata"})
    EXPECT_TRUE(TimeZone::find(name)) << name;
  for (const auto* name : {"", "Mars/Base", "europe/berlin", "Europe", "Europe/", "/usr/share/zoneinfo/Europe/Berlin", "../zoneinfo/UTC",
                           "posix/Europe/Berlin", "right/UTC", "localtime", "posixrules", "Factory", "zone.tab", "Fixed/UTC+01:00:00",
                           "UTC+1", "Europe/Berlin ", "tzdata.zi"})
    EXPECT_FALSE(TimeZone::find(name)) << name;
}

/// What libc's own reading of the time zones says of each minute of some days.
struct Wall {
  Instant at;
  int year, month, day, hour, minute, weekday;
};

std::vector<Wall> walk(const std::string& zone, Instant from, int count_of_days) {
  ::setenv("TZ", zone.c_str(), 1);
  ::tzset();
  std::vector<Wall> out;
  std::set<std::array<int, 5>> seen;
  for (auto t = from; t < from + days(count_of_days); t += minutes(1)) {
    const std::time_t when = t.time_since_epoch() / seconds(1);
    std::tm tm{};
    ::localtime_r(&when, &tm);
    // A minute that the wall shows a second time is none.
    if (!seen.insert({tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min}).second) continue;
    out.push_back({t, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_wday + 1});
  }
  ::unsetenv("TZ");
  ::tzset();
  return out;
}

std::vector<std::string> wanted(const std::vector<Wall>& walls, const std::string& expression) {
  std::vector<std::string> f;
  const std::string inside = expression.substr(5, expression.size() - 6);
  for (const auto field : split(inside, ' ')) f.emplace_back(field);
  std::vector<std::string> out;
  for (const auto& w : walls) {
    Calendar day;
    day.year = w.year, day.month = w.month, day.day = w.day, day.weekday = w.weekday;
    if (inField(f[0], w.minute, 0, 59) && inField(f[1], w.hour, 0, 23) && inField(f[3], w.month, 1, 12, kMonthNames) &&
        inField(f[5], w.year, 1970, 2199) && dayMatches(day, f[2], f[4]))
      out.push_back(toIso8601Seconds(w.at));
  }
  return out;
}

std::vector<std::string> got(const Recurrence& recurrence, Instant from, Instant before) {
  std::vector<std::string> out;
  for (auto t = recurrence.next(from - Duration(1)); t && *t < before; t = recurrence.next(*t)) out.push_back(toIso8601Seconds(*t));
  return out;
}

class TenZones : public testing::TestWithParam<const char*> {};

// Around the ends of months, a leap day, and the changes of the clock on both halves of the world.
TEST_P(TenZones, AgreeWithAWalkThroughEachMinute) {
  const std::vector<std::string> expressions = {"cron(30 2 * * ? *)",      "cron(0 2 * * ? *)",         "cron(0 0 1 * ? *)",
                                                "cron(59 23 L * ? *)",     "cron(0 3 LW * ? *)",        "cron(30 1 ? * SUN *)",
                                                "cron(15 2 ? * 1L *)",     "cron(0 4 29 2 ? *)",        "cron(0/20 0-4 ? * SAT-SUN *)",
                                                "cron(45 1 15W * ? *)",    "cron(10 23-3 ? * MON#1 *)", "cron(* 2 ? * 1 *)",
                                                "cron(5,35 */6 31 * ? *)", "cron(0 0 ? * * 2024)",      "cron(30 2 30W * ? *)"};
  for (const auto* begin : {"2023-10-27T00:00:00Z", "2024-02-26T00:00:00Z", "2024-03-28T00:00:00Z", "2024-04-03T00:00:00Z",
                            "2024-09-26T00:00:00Z", "2024-10-25T00:00:00Z", "2024-12-30T00:00:00Z"}) {
    const auto from = at(begin);
    const auto walls = walk(GetParam(), from, 12);
    for (const auto& expression : expressions)
      EXPECT_EQ(got(recurrence(expression, GetParam()), from, from + days(12)), wanted(walls, expression))
          << expression << " in " << GetParam() << " from " << begin;
  }
}

INSTANTIATE_TEST_SUITE_P(Recurrence, TenZones,
                         testing::Values("UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns",
                                         "America/Santiago", "Australia/Lord_Howe", "Pacific/Auckland", "Africa/Casablanca",
                                         "Asia/Kolkata"));

TEST(Recurrence, AYearOfEveryHour) {
  const auto from = at("2024-01-01T00:00:00Z");
  for (const auto* zone : {"Europe/Berlin", "America/New_York"})
    EXPECT_EQ(got(recurrence("cron(7 * ? * * *)", zone), from, from + days(366)).size(), 366U * 24U - 1U)
        << "the hour that comes twice runs once";
}

TEST(Recurrence, RefusesWhatSchedulerRefuses) {
  for (const auto* text : {"",
                           "at()",
                           "at(2024-01-01)",
                           "at(2024-01-01T00:00:00Z)",
                           "at(2024-01-01T00:00:00.000)",
                           "at(2024-01-01T00:00)",
                           "at(2024-02-30T00:00:00)",
                           "at(2023-02-29T00:00:00)",
                           "at(2024-01-01T24:00:00)",
                           "at(2024-01-01T00:60:00)",
                           "at(2024-01-01 00:00:00)",
                           "at(24-01-01T00:00:00)",
                           "at( 2024-01-01T00:00:00)",
                           "at(2024-01-01T00:00:00",
                           "rate(10 seconds)",
                           "rate(2 years)",
                           "rate( 5 minutes)",
                           "rate(5  minutes)",
                           "rate(5 minutes )",
                           "rate(-5 minutes)",
                           "rate(0 minutes)",
                           "rate(5)",
                           "rate(minutes)",
                           "rate(1 minutess)",
                           "rate(1 s)",
                           "rate(1.5 hours)",
                           "cron(0 10 * * * *)",
                           "cron(71 10 * * ? *)",
                           "cron(0 10 * * ?)",
                           "every day",
                           " rate(1 minute)"})
    EXPECT_FALSE(Recurrence::parse({text})) << text;
  for (const auto* text : {"rate(1 minutes)", "rate(5 minute)", "rate(1 day)", "rate(2 hour)", "cron(0 10 * * ? *)"})
    EXPECT_TRUE(Recurrence::parse({text})) << text;
}

TEST(Recurrence, ARateBeginsWithItsStart) {
  RecurrenceSpec spec{"rate(1 day)"};
  spec.zone = *TimeZone::find("Europe/Berlin");
  spec.anchor = at("2024-03-30T10:00:00Z");
  auto rate = *Recurrence::parse(spec);
  EXPECT_EQ(got(rate, spec.anchor, at("2024-04-02T00:00:00Z")),
            (std::vector<std::string>{"2024-03-30T10:00:00Z", "2024-03-31T10:00:00Z", "2024-04-01T10:00:00Z"}));
  spec.start = at("2024-03-31T00:00:30Z");
  spec.end = at("2024-04-02T00:00:30Z");
  rate = *Recurrence::parse(spec);
  EXPECT_EQ(got(rate, spec.anchor, at("2025-01-01T00:00:00Z")),
            (std::vector<std::string>{"2024-03-31T00:00:30Z", "2024-04-01T00:00:30Z", "2024-04-02T00:00:30Z"}));
}

TEST(Recurrence, NothingLiesBeforeItsStartOrBehindItsEnd) {
  RecurrenceSpec spec{"cron(0 12 * * ? *)"};
  spec.start = at("2024-05-01T12:00:00Z");
  spec.end = at("2024-05-03T11:59:59Z");
  EXPECT_EQ(got(*Recurrence::parse(spec), at("2024-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z")),
            (std::vector<std::string>{"2024-05-01T12:00:00Z", "2024-05-02T12:00:00Z"}));
  spec.expression = "at(2024-06-01T00:00:00)";
  EXPECT_EQ(shown(Recurrence::parse(spec)->next(at("2024-01-01T00:00:00Z"))), "2024-06-01T00:00:00Z");
}

constexpr Duration kDay = hours(24);

TEST(Due, TheLatestRunsAndTheOthersAreCounted) {
  const auto daily = recurrence("cron(0 2 * * ? *)");
  auto due = daily.due(at("2024-01-05T02:00:00Z"), at("2024-01-05T02:00:01Z"), kDay);
  EXPECT_EQ(shown(due.run), "2024-01-05T02:00:00Z");
  EXPECT_EQ(due.missed, 0U);
  EXPECT_EQ(shown(due.next), "2024-01-06T02:00:00Z");
  due = daily.due(at("2024-01-05T02:00:00Z"), at("2024-01-08T01:00:00Z"), kDay);
  EXPECT_EQ(shown(due.run), "2024-01-07T02:00:00Z");
  EXPECT_EQ(due.missed, 2U);
  EXPECT_EQ(shown(due.next), "2024-01-08T02:00:00Z");
}

TEST(Due, ALastTimeRunsUnlessItIsTooOld) {
  const auto once = recurrence("at(2024-01-05T02:00:00)");
  auto due = once.due(at("2024-01-05T02:00:00Z"), at("2024-01-06T01:00:00Z"), kDay);
  EXPECT_EQ(shown(due.run), "2024-01-05T02:00:00Z");
  EXPECT_FALSE(due.next);
  due = once.due(at("2024-01-05T02:00:00Z"), at("2024-01-06T03:00:00Z"), kDay);
  EXPECT_FALSE(due.run);
  EXPECT_EQ(due.missed, 1U);
  RecurrenceSpec spec{"rate(1 hour)"};
  spec.anchor = at("2024-01-01T00:00:00Z");
  spec.end = at("2024-01-01T05:30:00Z");
  const auto ended = *Recurrence::parse(spec);
  due = ended.due(at("2024-01-01T04:00:00Z"), at("2024-01-01T05:59:00Z"), kDay);
  EXPECT_EQ(shown(due.run), "2024-01-01T05:00:00Z");
  EXPECT_EQ(due.missed, 1U);
  EXPECT_FALSE(due.next);
  // By then another would have come, were it not for the end.
  due = ended.due(at("2024-01-01T04:00:00Z"), at("2024-01-01T06:00:00Z"), kDay);
  EXPECT_FALSE(due.run);
  EXPECT_EQ(due.missed, 2U);
}

TEST(Due, WhatHasRunIsNeitherMissedNorMadeUpFor) {
  const auto daily = recurrence("cron(0 2 * * ? *)");
  Ran ran;
  for (const auto* time : {"2024-01-06T02:00:00Z", "2024-01-07T02:00:00Z"})
    ran.add([&](Instant after) { return daily.next(after); }, at(time));
  auto due = daily.due(at("2024-01-04T02:00:00Z"), at("2024-01-07T03:00:00Z"), kDay, ran);
  EXPECT_EQ(shown(due.run), "2024-01-05T02:00:00Z");
  EXPECT_EQ(due.missed, 1U);
  EXPECT_EQ(shown(due.next), "2024-01-08T02:00:00Z");
  due = daily.due(at("2024-01-06T02:00:00Z"), at("2024-01-07T03:00:00Z"), kDay, ran);
  EXPECT_FALSE(due.run);
  EXPECT_EQ(due.missed, 0U);
  EXPECT_EQ(shown(due.next), "2024-01-08T02:00:00Z");
}

TEST(Due, WithinItsWindowEachRuns) {
  RecurrenceSpec spec{"rate(10 minutes)"};
  spec.anchor = at("2024-01-01T00:00:00Z");
  spec.window = minutes(60);
  const auto often = *Recurrence::parse(spec);
  // Others have come since, but its own window is still open.
  auto due = often.due(at("2024-01-01T00:00:00Z"), at("2024-01-01T00:55:00Z"), kDay);
  EXPECT_EQ(shown(due.run), "2024-01-01T00:00:00Z");
  EXPECT_EQ(shown(due.next), "2024-01-01T00:10:00Z");
  EXPECT_EQ(due.missed, 0U);
  // Down for three hours: the one whose window closes now is the first that still runs.
  due = often.due(at("2024-01-01T00:00:00Z"), at("2024-01-01T03:00:00Z"), kDay);
  EXPECT_EQ(shown(due.run), "2024-01-01T02:00:00Z");
  EXPECT_EQ(due.missed, 12U);
  spec.expression = "cron(0 2 * * ? *)";
  // Yesterday's is older than today's, whose window is open.
  due = Recurrence::parse(spec)->due(at("2024-01-04T02:00:00Z"), at("2024-01-06T02:30:00Z"), kDay);
  EXPECT_FALSE(due.run);
  EXPECT_EQ(due.missed, 2U);
  EXPECT_EQ(shown(due.next), "2024-01-06T02:00:00Z");
}

TEST(Delay, IsTheSameEachTimeAndSpreadsOverTheWindow) {
  std::set<Duration> delays;
  for (int n = 0; n < 1000; ++n) {
    const auto time = at("2024-01-01T00:00:00Z") + n * kDay;
    const auto delay = delayIn(minutes(10), "schedule", time);
    EXPECT_EQ(delay, delayIn(minutes(10), "schedule", time));
    EXPECT_GE(delay, Duration(0));
    EXPECT_LT(delay, minutes(10));
    delays.insert(delay);
  }
  EXPECT_GT(delays.size(), 400U);
  EXPECT_EQ(delayIn(minutes(0), "schedule", at("2024-01-01T00:00:00Z")), Duration(0));
}

TEST(Occurrence, HasAnIdOfItsOwn) {
  const auto time = at("2024-01-01T00:00:00Z");
  EXPECT_EQ(occurrenceId("a", time), occurrenceId("a", time));
  EXPECT_NE(occurrenceId("a", time), occurrenceId("b", time));
  EXPECT_NE(occurrenceId("a", time), occurrenceId("a", time + minutes(1)));
  EXPECT_EQ(occurrenceId("a", time).size(), 36U);
}

TEST(Context, IsFilledIn) {
  const ContextValues values{"arn:s", at("2024-01-01T00:00:00Z"), "id-1", 3};
  EXPECT_EQ(fillContext(R"({"a":"<aws.scheduler.schedule-arn>","t":"<aws.scheduler.scheduled-time>"})", values),
            R"({"a":"arn:s","t":"2024-01-01T00:00:00Z"})");
  EXPECT_EQ(fillContext("<aws.scheduler.execution-id><aws.scheduler.attempt-number>", values), "id-13");
  EXPECT_EQ(fillContext("<<aws.scheduler.other> < aws.scheduler.execution-id>", values),
            "<<aws.scheduler.other> < aws.scheduler.execution-id>");
  EXPECT_EQ(fillContext("", values), "");
}

}  // namespace
}  // namespace sp::schedule
