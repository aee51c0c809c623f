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

constexpr std::string_view kPromise = "0f8fad5b-d9cb-469f-a165-708677280000";

TEST(GuardCommand, APromiseMakesOneCommandForEachAttempt) {
  for (const std::int64_t attempt : {1, 2, 15, 16, 4095, 65'535}) {
    const auto id = guardCommandId(kPromise, attempt);
    EXPECT_EQ(id.size(), kPromise.size());
    const auto made = promiseOf(id);
    ASSERT_TRUE(made) << id;
    EXPECT_EQ(made->promise, kPromise);
    EXPECT_EQ(made->attempt, attempt);
  }
  EXPECT_EQ(guardCommandId(kPromise, 70'000), guardCommandId(kPromise, kGuardAttemptsMost));
}

TEST(GuardCommand, WhatNoPromiseMakes) {
  for (const std::string_view id :
       {std::string_view(""), std::string_view("0001"), kPromise, std::string_view("0f8fad5b-d9cb-469f-a165-70867728000G"),
        std::string_view("0f8fad5b-d9cb-469f-a165-70867728000F"), std::string_view("0f8fad5b-d9cb-469f-a165-708677280001x")})
    EXPECT_FALSE(promiseOf(id)) << id;
}

}  // namespace
}  // namespace sp::agentwire
