#include "agent/outbox.h"

#include <gtest/gtest.h>

#include "agentwire/messages.h"
#include "os/process.h"

namespace sp::agent {
namespace {

class OutboxTest : public ::testing::Test {
 protected:
  OutboxTest() { outbox_.setOnline(true); }

  /// Types and ids of what goes to the server now.
  std::string taken() {
    std::string told;
    const auto frames = outbox_.take();
    for (std::size_t at = 0; at + 4 <= frames.size();) {
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i) length = (length << 8U) | static_cast<unsigned char>(frames[at + i]);
      const auto message = json::parse(frames.substr(at + 4, length));
      told += json::textOr(message->get_object(), "type") + " " + json::textOr(message->get_object(), "id") + "; ";
      at += 4 + length;
    }
    return told;
  }

  void send(std::string_view type, std::string_view id) { outbox_.send({{"type", type}, {"id", id}}); }

  Outbox outbox_;
};

TEST_F(OutboxTest, AnAnswerMakesItsAcceptedNeedless) {
  send(agentwire::kAccepted, "a");
  send(agentwire::kAccepted, "b");
  EXPECT_EQ(taken(), "");
  send(agentwire::kCommandResult, "a");
  EXPECT_EQ(taken(), "command.result a; ");
  send(agentwire::kRefused, "b");
  EXPECT_EQ(taken(), "refused b; ");
  EXPECT_FALSE(outbox_.untilDue());
}

TEST_F(OutboxTest, AcceptedComesBeforeAnythingElseAboutItsRequest) {
  send(agentwire::kAccepted, "a");
  send(agentwire::kProgress, "b");
  EXPECT_EQ(taken(), "progress b; ");
  send(agentwire::kProgress, "a");
  send(agentwire::kCommandResult, "a");
  EXPECT_EQ(taken(), "accepted a; progress a; command.result a; ");
}

TEST_F(OutboxTest, WithoutAnAnswerAcceptedGoesWhenItsTimeIsOver) {
  send(agentwire::kAccepted, "a");
  std::string told;
  while (told.empty()) {
    const auto left = outbox_.untilDue();
    ASSERT_TRUE(left);
    EXPECT_LE(*left, Outbox::kHeld);
    os::waitReadable(outbox_.wakeFd(), *left);
    told = taken();
  }
  EXPECT_EQ(told, "accepted a; ");
  EXPECT_FALSE(outbox_.untilDue());
}

TEST_F(OutboxTest, WhatWasHeldGoesWithTheConnection) {
  send(agentwire::kAccepted, "a");
  outbox_.setOnline(false);
  outbox_.setOnline(true);
  EXPECT_FALSE(outbox_.untilDue());
  EXPECT_EQ(taken(), "");
}

}  // namespace
}  // namespace sp::agent
