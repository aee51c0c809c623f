#include "agent/machines/init.h"

#include <gtest/gtest.h>

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

TEST(RestartDelayTest, AServiceThatDoesNotComeUpWaitsLongerEachTimeUpToALimit) {
  auto delay = milliseconds(100);
  std::vector<milliseconds::rep> waited;
  for (int i = 0; i < 7; ++i) waited.push_back((delay = restartDelay(delay, milliseconds(20))).count());
  EXPECT_EQ(waited, (std::vector<milliseconds::rep>{200, 400, 800, 1600, 3200, 5000, 5000}));
}

TEST(RestartDelayTest, OneThatWasUpStartsAgainAtOnceHoweverOftenItDied) {
  EXPECT_EQ(restartDelay(milliseconds(5000), milliseconds(1000)), milliseconds(100));
  EXPECT_EQ(restartDelay(milliseconds(100), milliseconds(3'600'000)), milliseconds(100));
}

}  // namespace
}  // namespace sp::agent
