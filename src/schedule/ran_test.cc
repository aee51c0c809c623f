#include "schedule/ran.h"

#include <gtest/gtest.h>

#include "base/time_format.h"
#include "schedule/recurrence.h"

namespace sp::schedule {
namespace {

Instant at(std::string_view text) { return *parseIso8601(text); }

class RanTest : public testing::Test {
 protected:
  /// The days of January 2024 at noon.
  static Instant noon(int day) { return at("2024-01-01T12:00:00Z") + std::chrono::days(day - 1); }
  std::string next(Instant after) const {
    const auto found = ran_.next(next_, after);
    return found ? toIso8601Seconds(*found).substr(8, 2) : "none";
  }
  void run(int day) {
    ran_.add(next_, noon(day));
    // What is kept is the text.
    ran_ = Ran::parse(ran_.text());
  }

  Recurrence daily_ = *Recurrence::parse({"cron(0 12 * * ? *)"});
  NextTime next_ = [this](Instant after) { return daily_.next(after); };
  Ran ran_;
};

TEST_F(RanTest, NothingHasRunAtFirst) {
  EXPECT_EQ(ran_.text(), "");
  EXPECT_EQ(next(at("2024-01-05T00:00:00Z")), "05");
  EXPECT_FALSE(Ran::parse("x 1 2/y").has(Instant{}));
}

TEST_F(RanTest, AClockThatIsPutBackRunsNothingTwice) {
  for (int day = 3; day <= 6; ++day) run(day);
  EXPECT_EQ(next(noon(6) - std::chrono::seconds(10)), "07");
  EXPECT_EQ(next(noon(3) - std::chrono::hours(1)), "07");
  EXPECT_EQ(next(noon(1)), "02") << "it was not there then";
  EXPECT_TRUE(ran_.has(noon(4)));
  EXPECT_FALSE(ran_.has(noon(7)));
}

TEST_F(RanTest, WhatAClockPutForwardSkippedRunsOnceItIsPutBack) {
  run(3);
  run(20);
  run(21);
  EXPECT_EQ(next(noon(3)), "04");
  for (int day = 4; day < 20; ++day) {
    EXPECT_EQ(next(noon(day - 1)), toIso8601Seconds(noon(day)).substr(8, 2));
    run(day);
  }
  EXPECT_EQ(next(noon(19)), "22");
  EXPECT_EQ(ran_.text(), Ran::parse(ran_.text()).text());
  EXPECT_EQ(ran_.text().find(' '), std::string::npos) << "nothing lies between any more";
}

TEST_F(RanTest, FewStretchesAreKept) {
  for (int day = 1; day < 30; day += 2) run(day);
  EXPECT_FALSE(ran_.has(noon(1)));
  EXPECT_TRUE(ran_.has(noon(29)) && ran_.has(noon(27)) && ran_.has(noon(25)) && ran_.has(noon(23)));
  EXPECT_EQ(next(noon(22)), "24");
}

TEST_F(RanTest, WhatRunsBeforeAllThatIsKeptIsKept) {
  for (const int day : {10, 13, 16, 19}) run(day);
  run(5);
  EXPECT_TRUE(ran_.has(noon(5)));
  EXPECT_EQ(next(noon(4)), "06");
  for (const int day : {10, 13, 16, 19}) EXPECT_TRUE(ran_.has(noon(day))) << day;
  EXPECT_EQ(next(noon(13)), "14");
  run(8);
  EXPECT_TRUE(ran_.has(noon(8)) && ran_.has(noon(10))) << "the clock has gone by the fifth";
}

TEST_F(RanTest, CatchesUpWithWhatHasNotRun) {
  for (int day = 5; day <= 7; ++day) run(day);
  const auto hour = std::chrono::hours(1);
  auto caught = ran_.catchUp(next_, noon(3), noon(7) + hour);
  ASSERT_TRUE(caught);
  EXPECT_EQ(caught->run, noon(4));
  EXPECT_EQ(caught->missed, 1U);
  EXPECT_EQ(caught->next, noon(8));
  caught = ran_.catchUp(next_, noon(6), noon(9));
  ASSERT_TRUE(caught);
  EXPECT_EQ(caught->run, noon(9));
  EXPECT_EQ(caught->missed, 1U);
  EXPECT_FALSE(ran_.catchUp(next_, noon(5), noon(7) + hour));
}

TEST_F(RanTest, UpToAMoment) {
  ran_ = Ran::upTo(noon(5));
  EXPECT_EQ(next(noon(1)), "06");
  run(6);
  EXPECT_EQ(next(noon(1)), "07");
}

}  // namespace
}  // namespace sp::schedule
