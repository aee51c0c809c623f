#include "fleet/attempts.h"

#include <gtest/gtest.h>

namespace sp::fleet {
namespace {

class AttemptsTest : public testing::Test {
 protected:
  ManualClock clock_{Instant{}};
  Attempts attempts_{clock_, {3, std::chrono::seconds(60), 2}};
  void fail(std::string_view address, int times) {
    for (int i = 0; i < times; ++i) attempts_.failed(address);
  }
};

TEST_F(AttemptsTest, AFewFailuresAreForgiven) {
  fail("a", 2);
  EXPECT_EQ(attempts_.wait("a"), Duration::zero());
}

TEST_F(AttemptsTest, AnAddressWaitsUntilItsFirstFailureIsOld) {
  fail("a", 1);
  clock_.advance(std::chrono::seconds(10));
  fail("a", 2);
  EXPECT_EQ(attempts_.wait("a"), Duration(std::chrono::seconds(50)));
  EXPECT_EQ(attempts_.wait("b"), Duration::zero());
  clock_.advance(std::chrono::seconds(50));
  EXPECT_EQ(attempts_.wait("a"), Duration::zero());
}

TEST_F(AttemptsTest, AJumpOfTheClockChangesNothing) {
  fail("a", 3);
  clock_.jump(std::chrono::hours(24));
  EXPECT_GT(attempts_.wait("a"), Duration::zero());
}

TEST_F(AttemptsTest, ItHoldsSoManyAddressesOnly) {
  fail("a", 3);
  clock_.advance(std::chrono::seconds(1));
  fail("b", 3);
  clock_.advance(std::chrono::seconds(1));
  fail("c", 3);
  EXPECT_EQ(attempts_.wait("a"), Duration::zero());
  EXPECT_GT(attempts_.wait("b"), Duration::zero());
  EXPECT_GT(attempts_.wait("c"), Duration::zero());
}

TEST(AddressPart, LeavesThePortAway) {
  EXPECT_EQ(addressPart("10.0.0.7:50312"), "10.0.0.7");
  EXPECT_EQ(addressPart("[fe80::1]:50312"), "[fe80::1]");
}

}  // namespace
}  // namespace sp::fleet
