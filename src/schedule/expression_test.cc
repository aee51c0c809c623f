#include "schedule/expression.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "schedule/calendar_test.h"
#include "schedule/catch_up.h"

namespace sp::schedule {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

Instant at(std::string_view text) { return *parseIso8601(text); }

std::string nextAfter(std::string_view expression, std::string_view after) {
  const auto parsed = Expression::parse(expression);
  if (!parsed) return parsed.error().message;
  const auto found = parsed->next(at(after), at(after));
  return found ? toIso8601Seconds(*found) : "never";
}

CatchUp caughtUp(const Expression& expression, Instant anchor, Instant due, Instant now) {
  return catchUp([&](Instant after) { return expression.next(anchor, after); }, due, now);
}

struct NextCase {
  const char* expression;
  const char* after;
  const char* next;
};

class Next : public testing::TestWithParam<NextCase> {};

TEST_P(Next, Run) { EXPECT_EQ(nextAfter(GetParam().expression, GetParam().after), GetParam().next); }

INSTANTIATE_TEST_SUITE_P(Cron, Next,
                         testing::Values(NextCase{"cron(0 10 * * ? *)", "2024-02-28T10:00:00Z", "2024-02-29T10:00:00Z"},
                                         NextCase{"cron(0 10 * * ? *)", "2023-02-28T10:00:00Z", "2023-03-01T10:00:00Z"},
                                         NextCase{"cron(15 12 29 2 ? *)", "2021-01-01T00:00:00Z", "2024-02-29T12:15:00Z"},
                                         NextCase{"cron(15 12 29 2 ? *)", "2096-03-01T00:00:00Z", "2104-02-29T12:15:00Z"},
                                         NextCase{"cron(0 18 ? * MON-FRI *)", "2024-03-01T18:00:00Z", "2024-03-04T18:00:00Z"},
                                         NextCase{"cron(0 8 1 * ? *)", "2024-12-31T23:59:59Z", "2025-01-01T08:00:00Z"},
                                         NextCase{"cron(0/15 * * * ? *)", "2024-01-01T00:15:00Z", "2024-01-01T00:30:00Z"},
                                         NextCase{"cron(5/20 8-9 ? * 2 *)", "2024-01-01T08:45:00Z", "2024-01-01T09:05:00Z"},
                                         NextCase{"cron(0 20-2 ? * * *)", "2024-01-01T02:00:00Z", "2024-01-01T20:00:00Z"},
                                         NextCase{"cron(0 0 L * ? *)", "2024-02-01T00:00:00Z", "2024-02-29T00:00:00Z"},
                                         NextCase{"cron(0 0 LW * ? *)", "2024-03-01T00:00:00Z", "2024-03-29T00:00:00Z"},
                                         NextCase{"cron(0 0 1W * ? *)", "2024-05-31T00:00:00Z", "2024-06-03T00:00:00Z"},
                                         NextCase{"cron(0 0 31W * ? *)", "2024-03-01T00:00:00Z", "2024-03-29T00:00:00Z"},
                                         NextCase{"cron(0 0 15W * ? *)", "2024-06-01T00:00:00Z", "2024-06-14T00:00:00Z"},
                                         NextCase{"cron(0 0 ? * 5L *)", "2024-02-01T00:00:00Z", "2024-02-29T00:00:00Z"},
                                         NextCase{"cron(0 0 ? * L *)", "2024-02-01T00:00:00Z", "2024-02-03T00:00:00Z"},
                                         NextCase{"cron(0 0 ? * 6#3 *)", "2024-02-17T00:00:00Z", "2024-03-15T00:00:00Z"},
                                         NextCase{"cron(0 0 ? * FRI#5 *)", "2024-04-01T00:00:00Z", "2024-05-31T00:00:00Z"},
                                         NextCase{"cron(0 0 ? * FRI-MON *)", "2024-02-06T00:00:00Z", "2024-02-09T00:00:00Z"},
                                         NextCase{"cron(0 0 1 JAN,jul ? *)", "2024-02-06T00:00:00Z", "2024-07-01T00:00:00Z"},
                                         NextCase{"cron(0 0 1 1 ? 2030/5)", "2024-02-06T00:00:00Z", "2030-01-01T00:00:00Z"},
                                         NextCase{"cron(0 0 1 1 ? 2199)", "2199-01-01T00:00:00Z", "never"},
                                         NextCase{"cron(0 0 30 2 ? *)", "2024-01-01T00:00:00Z", "never"},
                                         NextCase{"cron(59 23 31 12 ? *)", "2024-12-31T23:58:59Z", "2024-12-31T23:59:00Z"},
                                         NextCase{"rate(1 minute)", "2024-12-31T23:59:30Z", "2025-01-01T00:00:30Z"},
                                         NextCase{"rate(7 days)", "2024-02-26T10:00:00Z", "2024-03-04T10:00:00Z"},
                                         NextCase{"rate(12 hours)", "2024-02-26T10:00:00Z", "2024-02-26T22:00:00Z"}));

TEST(Expression, RefusesWhatEventBridgeRefuses) {
  for (const auto* text : {"",
                           "rate()",
                           "rate(1 minutes)",
                           "rate(5 minute)",
                           "rate(0 minutes)",
                           "rate(-1 minutes)",
                           "rate(1.5 hours)",
                           "rate(10 seconds)",
                           "rate(2 years)",
                           "rate(2 Hours)",
                           "Rate(2 hours)",
                           "rate( 2 hours)",
                           "rate(2  hours)",
                           "rate(2 hours )",
                           "rate(5)",
                           "rate(minutes)",
                           "rate(99999999 days)",
                           " rate(1 minute)",
                           "rate(1 minute) ",
                           "rate(+5 minutes)",
                           "at(2024-01-01T00:00:00)",
                           "0 10 * * ? *",
                           "cron(0 10 * * ?)",
                           "cron(0 10 * * ? * *)",
                           "cron(0 10 * * * *)",
                           "cron(0 10 ? * ? *)",
                           "cron(71 10 * * ? *)",
                           "cron(*/60 10 * * ? *)",
                           "cron(0/0 10 * * ? *)",
                           "cron(0 24 * * ? *)",
                           "cron(0 10 0 * ? *)",
                           "cron(0 10 32 * ? *)",
                           "cron(0 10 * 13 ? *)",
                           "cron(0 10 * 0 ? *)",
                           "cron(0 10 ? * 0 *)",
                           "cron(0 10 ? * 8 *)",
                           "cron(0 10 ? * MON/2 *)",
                           "cron(0 10 ? * NOT *)",
                           "cron(0 10 * FOO ? *)",
                           "cron(0 10 ? * 2#1,3#2 *)",
                           "cron(0 10 ? * 2#6 *)",
                           "cron(0 10 ? * 2#0 *)",
                           "cron(0 10 ? * #1 *)",
                           "cron(0 10 W * ? *)",
                           "cron(0 10 32W * ? *)",
                           "cron(0 10 ? * 2W *)",
                           "cron(0 10 1L * ? *)",
                           "cron(? 10 * * ? *)",
                           "cron(0 ? * * ? *)",
                           "cron(0 10 * ? * *)",
                           "cron(0 10 * * ? ?)",
                           "cron(0 10 * * ? 1969)",
                           "cron(0 10 * * ? 2200)",
                           "cron(1, 10 * * ? *)",
                           "cron(1- 10 * * ? *)",
                           "cron(-1 10 * * ? *)",
                           "cron(1-2-3 10 * * ? *)",
                           "cron(0 10 L,1 * ? *)",
                           "cron()",
                           "cron(0 10 * * ? *"})
    EXPECT_FALSE(Expression::parse(text)) << text;
}

TEST(Expression, SaysWhatIsWrong) {
  EXPECT_EQ(Expression::parse("cron(71 10 * * ? *)").error().message, "The minutes field '71' is not from 0 to 59.");
  EXPECT_EQ(Expression::parse("rate(5 minute)").error().message, "rate(5 minute) needs its unit in the plural.");
}

std::string pick(Random& random, const std::vector<std::string>& from) { return from[random.below(from.size())]; }

TEST(Expression, AgreesWithABruteForceCalendar) {
  SeededRandom random(6);
  const std::vector<std::string> minute_fields = {"0", "59", "*", "*/7", "5/20", "10-20", "50-10", "1,2,58", "30-40/3", "0/59"};
  const std::vector<std::string> hour_fields = {"0", "23", "*", "*/5", "20-2", "8-17", "1,13", "22-4/2"};
  const std::vector<std::string> month_fields = {"*", "2", "FEB", "1-3", "NOV-FEB", "*/3", "2,6,DEC", "4/4"};
  const std::vector<std::string> dom_fields = {"*", "1", "29", "31", "L", "LW", "1W", "15W", "31W", "30W", "28-3", "*/9", "10/10", "29,30"};
  const std::vector<std::string> dow_fields = {"*", "1", "7", "SUN", "MON-FRI", "6-2", "L", "5L", "FRIL", "2#1", "SAT#5", "1#3", "TUE,THU"};
  const std::vector<std::string> year_fields = {"*", "2024", "2023-2024", "2000/4", "1999,2024,2025"};
  for (int round = 0; round < 400; ++round) {
    const bool by_month = random.below(2) == 0;
    const std::vector<std::string> f = {pick(random, minute_fields),
                                        pick(random, hour_fields),
                                        by_month ? pick(random, dom_fields) : "?",
                                        pick(random, month_fields),
                                        by_month ? "?" : pick(random, dow_fields),
                                        pick(random, year_fields)};
    const auto text = "cron(" + join(f, " ") + ")";
    const auto parsed = Expression::parse(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    // From a time between 1998 and 2026, the first match of the brute force within three years.
    const auto begin = at("1998-01-01T00:00:00Z") + minutes(random.below(28ULL * 365 * 1440));
    Calendar day;
    auto midnight = at("1970-01-01T00:00:00Z");
    for (; midnight + hours(24) <= begin; midnight += hours(24)) day.tomorrow();
    std::optional<Instant> expected;
    for (int days = 0; days < 1100 && !expected; ++days, midnight += hours(24), day.tomorrow()) {
      if (!inField(f[3], day.month, 1, 12, kMonthNames) || !inField(f[5], day.year, 1970, 2199) || !dayMatches(day, f[2], f[4])) continue;
      for (int h = 0; h < 24 && !expected; ++h) {
        if (!inField(f[1], h, 0, 23)) continue;
        for (int m = 0; m < 60 && !expected; ++m) {
          const auto candidate = midnight + hours(h) + minutes(m);
          if (candidate > begin && inField(f[0], m, 0, 59)) expected = candidate;
        }
      }
    }
    const auto found = parsed->next(begin, begin);
    if (expected)
      EXPECT_EQ(found ? toIso8601Seconds(*found) : "never", toIso8601Seconds(*expected)) << text << " after " << toIso8601Seconds(begin);
    else EXPECT_TRUE(!found || *found >= midnight) << text << " after " << toIso8601Seconds(begin);
  }
}

TEST(CatchUp, RunsTheLatestAndCountsTheOthers) {
  const auto daily = *Expression::parse("cron(0 2 * * ? *)");
  const auto anchor = at("2024-01-01T00:00:00Z");
  const auto due = at("2024-01-05T02:00:00Z");
  auto got = caughtUp(daily, anchor, due, due + std::chrono::seconds(1));
  EXPECT_EQ(got.run, due);
  EXPECT_EQ(got.missed, 0U);
  EXPECT_EQ(got.next, at("2024-01-06T02:00:00Z"));
  got = caughtUp(daily, anchor, due, at("2024-01-08T01:00:00Z"));
  EXPECT_EQ(got.run, at("2024-01-07T02:00:00Z"));
  EXPECT_EQ(got.missed, 2U);
  EXPECT_EQ(got.next, at("2024-01-08T02:00:00Z"));
}

TEST(CatchUp, OfARateThatWasMissedForAYear) {
  const auto often = *Expression::parse("rate(1 minute)");
  const auto anchor = at("2024-01-01T00:00:30Z");
  const auto got = caughtUp(often, anchor, at("2024-01-01T00:01:30Z"), at("2025-01-01T00:00:00Z"));
  EXPECT_EQ(got.run, at("2024-12-31T23:59:30Z"));
  EXPECT_EQ(got.missed, kMostCounted);
  EXPECT_EQ(got.next, at("2025-01-01T00:00:30Z"));
}

TEST(CatchUp, OfWhatNeverRunsAgain) {
  const auto once = *Expression::parse("cron(0 0 1 1 ? 2024)");
  const auto got = caughtUp(once, at("2023-01-01T00:00:00Z"), at("2024-01-01T00:00:00Z"), at("2024-06-01T00:00:00Z"));
  EXPECT_EQ(got.run, at("2024-01-01T00:00:00Z"));
  EXPECT_EQ(got.missed, 0U);
  EXPECT_FALSE(got.next);
}

}  // namespace
}  // namespace sp::schedule
