#include "services/events/chains.h"

#include <gtest/gtest.h>

namespace sp::services::events {
namespace {

TEST(EventChains, AChainIsStoppedOnce) {
  ChainCounts counts(2, 2);
  using enum ChainCounts::Verdict;
  EXPECT_EQ(counts.count("a"), deliver);
  EXPECT_EQ(counts.count("b"), deliver);
  EXPECT_EQ(counts.count("a"), deliver);
  EXPECT_EQ(counts.count("a"), stopped);
  EXPECT_EQ(counts.count("a"), over);
  EXPECT_EQ(counts.count("b"), deliver) << "each on its own";
}

TEST(EventChains, NoMoreThanSoManyAreCounted) {
  ChainCounts counts(1, 2);
  using enum ChainCounts::Verdict;
  counts.count("a");
  counts.count("b");
  EXPECT_EQ(counts.count("c"), deliver);
  EXPECT_EQ(counts.count("a"), deliver) << "counted anew";
}

TEST(EventChains, TheLongerOne) {
  EXPECT_EQ(furthest({1, "a"}, {2, "b"}).root, "b");
  EXPECT_EQ(furthest({2, "a"}, {2, "b"}).root, "a");
}

}  // namespace
}  // namespace sp::services::events
