#include "cli/views/schedule_words.h"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

#include "base/time_format.h"

namespace sp::cli {
namespace {

Instant at(std::string_view text) { return *parseIso8601(text); }

class InBerlin : public testing::Test {
 protected:
  InBerlin() {
    ::setenv("TZ", "Europe/Berlin", 1);
    ::tzset();
  }
  ~InBerlin() override {
    ::unsetenv("TZ");
    ::tzset();
  }
};

TEST_F(InBerlin, Days) {
  // A Saturday, 23:30 by the wall.
  const auto now = at("2026-11-28T22:30:00Z");
  EXPECT_EQ(dayInWords(at("2026-11-28T22:59:00Z"), now), "today 23:59");
  EXPECT_EQ(dayInWords(at("2026-11-28T23:00:00Z"), now), "tomorrow 00:00");
  EXPECT_EQ(dayInWords(at("2026-12-02T01:30:15Z"), now), "Wednesday 02:30:15");
  EXPECT_EQ(dayInWords(at("2026-12-05T01:30:00Z"), now), "Saturday 5 December 2026 02:30");
  EXPECT_EQ(dayInWords(at("2027-07-01T00:30:00Z"), now), "Thursday 1 July 2027 02:30");
}

TEST_F(InBerlin, HowLongUntilThen) {
  const auto now = at("2026-11-28T22:30:00Z");
  EXPECT_EQ(untilInWords(now, now), "now");
  EXPECT_EQ(untilInWords(now + std::chrono::milliseconds(200), now), "in 1 second");
  EXPECT_EQ(untilInWords(now + std::chrono::minutes(90), now), "in 90 minutes");
  EXPECT_EQ(untilInWords(now + std::chrono::hours(13), now), "in 13 hours");
  EXPECT_EQ(untilInWords(now + std::chrono::hours(24 * 5 + 1), now), "in 5 days");
}

TEST_F(InBerlin, LocalTimesTellTheirOffset) {
  EXPECT_EQ(localIso8601(at("2026-12-02T01:30:00Z")), "2026-12-02T02:30:00+01:00");
  EXPECT_EQ(localIso8601(at("2026-07-02T01:30:00Z")), "2026-07-02T03:30:00+02:00");
  ::setenv("TZ", "America/St_Johns", 1);
  ::tzset();
  EXPECT_EQ(localIso8601(at("2026-12-02T01:30:00Z")), "2026-12-01T22:00:00-03:30");
}

}  // namespace
}  // namespace sp::cli
