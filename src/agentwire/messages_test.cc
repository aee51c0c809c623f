#include "agentwire/messages.h"

#include <gtest/gtest.h>

namespace sp::agentwire {
namespace {

json::Object hello(std::int64_t least, std::int64_t most) { return {{"protocol", json::Object{{"least", least}, {"most", most}}}}; }

TEST(ChooseProtocol, TheGreatestCommonVersion) {
  EXPECT_EQ(chooseProtocol(hello(1, kProtocolMost)).value_or(-1), kProtocolMost);
  EXPECT_EQ(chooseProtocol(hello(1, 1)).value_or(-1), 1);
  EXPECT_EQ(chooseProtocol(hello(kProtocolMost, kProtocolMost + 5)).value_or(-1), kProtocolMost);
}

TEST(ChooseProtocol, AnAgentThatDoesNotTellSpeaksTheFirst) { EXPECT_EQ(chooseProtocol({{"version", 1}}).value_or(-1), 1); }

TEST(ChooseProtocol, TooOldAndTooNewAreErrorsOfTheirOwn) {
  const auto old = chooseProtocol(hello(0, 0));
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, kProtocolTooOld);
  const auto fresh = chooseProtocol(hello(kProtocolMost + 1, kProtocolMost + 2));
  ASSERT_FALSE(fresh);
  EXPECT_EQ(fresh.error().code, kProtocolTooNew);
  EXPECT_NE(fresh.error().message.find("upgrade the server"), std::string::npos);
}

}  // namespace
}  // namespace sp::agentwire
