#include "schedule/retention.h"

#include <random>

#include <gtest/gtest.h>

namespace sp::schedule {
namespace {

const Instant kNow = fromMicros(1'800'000'000'000'000);

Aged aged(std::int64_t days, std::int64_t delete_after, bool good = true, bool used = false) {
  return {kNow - std::chrono::days(days), delete_after, good, used};
}

TEST(Retention, TheLastThreeGoodOnesStay) {
  const std::vector<Aged> points{aged(50, 7), aged(40, 7), aged(30, 7), aged(20, 7), aged(10, 7)};
  EXPECT_EQ(fatesOf(points, kNow),
            (std::vector<Fate>{Fate::expired, Fate::expired, Fate::kept_as_last, Fate::kept_as_last, Fate::kept_as_last}));
}

TEST(Retention, BadOnesDoNotCountAndAreNotKept) {
  const std::vector<Aged> points{aged(50, 7), aged(40, 7), aged(30, 7), aged(20, 7, false), aged(10, 7, false)};
  EXPECT_EQ(fatesOf(points, kNow),
            (std::vector<Fate>{Fate::kept_as_last, Fate::kept_as_last, Fate::kept_as_last, Fate::expired, Fate::expired}));
}

TEST(Retention, OnesThatAreKeptForEverCountAmongTheLast) {
  const std::vector<Aged> points{aged(9, 7), aged(5, 0), aged(4, 0), aged(3, 0)};
  EXPECT_EQ(fatesOf(points, kNow)[0], Fate::expired);
}

TEST(Retention, ToTheMoment) {
  auto points = std::vector<Aged>{aged(7, 7), aged(1, 0), aged(1, 0), aged(1, 0)};
  EXPECT_EQ(fatesOf(points, kNow)[0], Fate::expired);
  EXPECT_EQ(fatesOf(points, kNow - Duration(1))[0], Fate::kept);
  points[0].used = true;
  EXPECT_EQ(fatesOf(points, kNow)[0], Fate::kept_in_use);
  EXPECT_EQ(fatesOf({}, kNow), std::vector<Fate>());
}

// Whatever the points: none goes before its time, none that is kept for ever or in use goes, and as many good ones are left as there
// were, or three; what is left is never older than what went, among good ones of one lifecycle.
TEST(Retention, WhateverThePoints) {
  std::mt19937 random(20261129);  // NOLINT(*-msc51-cpp): the same cases each time
  for (int round = 0; round < 5000; ++round) {
    std::vector<Aged> points;
    for (auto left = random() % 12; left > 0; --left)
      points.push_back(aged(random() % 6, static_cast<std::int64_t>(random() % 4), random() % 3 != 0, random() % 5 == 0));
    const auto fates = fatesOf(points, kNow);
    ASSERT_EQ(fates.size(), points.size());
    std::size_t good = 0;
    std::size_t left = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const bool due = points[i].delete_after_days > 0 && points[i].created + std::chrono::days(points[i].delete_after_days) <= kNow;
      EXPECT_EQ(fates[i] != Fate::kept, due);
      if (points[i].good) ++good;
      if (points[i].good && fates[i] != Fate::expired) ++left;
      if (fates[i] != Fate::expired) continue;
      EXPECT_FALSE(points[i].used);
      // At least three good ones that are as new are still there.
      std::size_t newer = 0;
      for (std::size_t j = 0; j < points.size(); ++j)
        if (j != i && points[j].good && fates[j] != Fate::expired && points[j].created >= points[i].created) ++newer;
      if (points[i].good) { EXPECT_GE(newer, kLastGoodKept); }
    }
    EXPECT_GE(left, std::min(good, kLastGoodKept));
  }
}

}  // namespace
}  // namespace sp::schedule
