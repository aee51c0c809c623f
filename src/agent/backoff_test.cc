#include "agent/backoff.h"

#include <limits>
#include <set>

#include <gtest/gtest.h>

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, TheLimitGrowsByHalfWithEachFailure) {
  EXPECT_EQ(backoffLimit(0, true), milliseconds(100));
  EXPECT_EQ(backoffLimit(1, true), milliseconds(150));
  EXPECT_EQ(backoffLimit(2, true), milliseconds(225));
  for (int failures = 0; failures < 14; ++failures) {
    const auto next = static_cast<double>(backoffLimit(failures + 1, false).count());
    EXPECT_NEAR(next / static_cast<double>(backoffLimit(failures, false).count()), 1.5, 0.01) << failures;
  }
}

TEST(Backoff, TheLimitEndsSoonerOnTheServersOwnHost) {
  EXPECT_EQ(backoffLimit(9, true), milliseconds(3844));
  EXPECT_EQ(backoffLimit(10, true), milliseconds(5'000));
  EXPECT_EQ(backoffLimit(14, false), milliseconds(29'192));
  EXPECT_EQ(backoffLimit(15, false), milliseconds(30'000));
  for (const int failures : {100, 100'000, std::numeric_limits<int>::max()}) {
    EXPECT_EQ(backoffLimit(failures, true), milliseconds(5'000)) << failures;
    EXPECT_EQ(backoffLimit(failures, false), milliseconds(30'000)) << failures;
  }
}

TEST(Backoff, ADelayIsAnywhereUpToTheLimit) {
  constexpr int kDraws = 4000;
  SeededRandom random(11);
  for (const bool loopback : {true, false})
    for (const int failures : {0, 1, 5, 12, 1000}) {
      const auto limit = backoffLimit(failures, loopback);
      std::set<milliseconds> seen;
      milliseconds sum{0};
      for (int i = 0; i < kDraws; ++i) {
        const auto delay = backoffDelay(failures, loopback, random);
        ASSERT_GE(delay, milliseconds(1));
        ASSERT_LE(delay, limit);
        seen.insert(delay);
        sum += delay;
      }
      const auto most = static_cast<double>(limit.count());
      // The mean of so many uniform draws is off by more than a twentieth of the half once in a million.
      EXPECT_NEAR(static_cast<double>(sum.count()) / kDraws, most / 2, most / 40) << failures;
      EXPECT_GT(seen.size(), std::size_t{80}) << failures;
      EXPECT_LT(static_cast<double>(seen.begin()->count()), most / 20 + 1) << "short ones too, after many failures as well";
      EXPECT_GT(static_cast<double>(seen.rbegin()->count()), most * 0.95) << failures;
    }
}

TEST(Backoff, TwoAgentsDoNotComeTogether) {
  SeededRandom one(1);
  SeededRandom other(2);
  int together = 0;
  for (int failures = 0; failures < 100; ++failures)
    if (backoffDelay(failures, false, one) == backoffDelay(failures, false, other)) ++together;
  EXPECT_LT(together, 5);
}

}  // namespace
}  // namespace sp::agent
