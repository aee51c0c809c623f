#include "services/events/chains.h"

#include <gtest/gtest.h>

namespace sp::services::events {
namespace {

TEST(EventChains, AChainIsStoppedOnce) {
  ChainCounts counts(2, 100, 2);
  using enum ChainCounts::Verdict;
  EXPECT_EQ(counts.count("a", 1), deliver);
  EXPECT_EQ(counts.count("b", 1), deliver);
  EXPECT_EQ(counts.count("a", 1), deliver);
  EXPECT_EQ(counts.count("a", 1), stopped);
  EXPECT_EQ(counts.count("a", 1), over);
  EXPECT_EQ(counts.count("b", 1), deliver) << "each on its own";
}

TEST(EventChains, NoMoreThanSoManyAreCounted) {
  ChainCounts counts(1, 100, 2);
  using enum ChainCounts::Verdict;
  counts.count("a", 1);
  counts.count("b", 1);
  EXPECT_EQ(counts.count("c", 1), deliver);
  EXPECT_EQ(counts.count("a", 1), deliver) << "counted anew";
}

TEST(EventChains, LargeEventsStopAChainSooner) {
  ChainCounts counts(1'000, 100, 8);
  using enum ChainCounts::Verdict;
  EXPECT_EQ(counts.count("a", 60), deliver);
  EXPECT_EQ(counts.count("a", 40), deliver);
  EXPECT_EQ(counts.count("a", 1), stopped);
  EXPECT_EQ(counts.count("a", 0), over);
  EXPECT_EQ(counts.delivered("a"), 2);
}

TEST(EventChains, TheLongerOne) {
  EXPECT_EQ(furthest({1, "a"}, {2, "b"}).root, "b");
  EXPECT_EQ(furthest({2, "a"}, {2, "b"}).root, "a");
}

}  // namespace
}  // namespace sp::services::events
