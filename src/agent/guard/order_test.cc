#include "agent/guard/order.h"

#include <gtest/gtest.h>

#include "agent/freeze_rules.h"
#include "agentwire/messages.h"

namespace sp::agent {
namespace {

constexpr std::string_view kPromise = "0f8fad5b-d9cb-469f-a165-708677280000";

json::Object request() {
  return {{"type", "command.run"},
          {"freeze",
           json::Object{{"id", "f"}, {"phase", "freeze"}, {"lease", json::Object{{"leaseMs", 5000}, {"bootMs", 7000}, {"stops", true}}}}},
          {"thaw", json::Object{{"commandId", kPromise},
                                {"instance", "i-1"},
                                {"steps", json::Array{json::Object{{"script", "true"}}}},
                                {"environment", json::Object{{"PRE_STATUS", "unknown"}, {"JOB_ID", ""}}}}}};
}

GuardOrder order() { return GuardOrder::of(request()).value().value(); }

TEST(GuardOrder, OfARequestAndBackFromItsRecord) {
  auto made = order();
  made.attempts = 3;
  made.pre = "Success";
  made.boot = {{"bootId", "b"}, {"initStart", 4}};
  const auto read = GuardOrder::decode(made.encode());
  EXPECT_EQ(read.lease_ms, 5000);
  EXPECT_EQ(read.boot_ms, 7000);
  EXPECT_TRUE(read.stops);
  EXPECT_EQ(read.attempts, 3);
  EXPECT_EQ(read.pre, "Success");
  EXPECT_EQ(read.boot, made.boot);
  EXPECT_EQ(read.thaw, made.thaw);
}

TEST(GuardOrder, APreScriptWithoutAPostScriptIsNotGuarded) {
  auto plain = request();
  plain.erase("thaw");
  const auto none = GuardOrder::of(plain);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST(GuardOrder, WhatCannotBeCarriedOutIsRefused) {
  for (const char* missing : {"commandId", "instance", "steps"}) {
    auto broken = request();
    broken["thaw"].as_object().erase(missing);
    const auto refused = GuardOrder::of(broken);
    ASSERT_FALSE(refused) << missing;
    EXPECT_EQ(refused.error().code, "agent.guard");
  }
}

TEST(GuardOrder, EachThawOfItsOwnIsAnotherCommand) {
  auto known = order();
  known.pre = "Failed";
  const auto first = thawRequest(known, "f", "why");
  EXPECT_EQ(json::textOr(first, "commandId"), agentwire::guardCommandId(kPromise, 1));
  EXPECT_EQ(json::textOr(first, "id"), "cmd/" + agentwire::guardCommandId(kPromise, 1) + "/i-1");
  EXPECT_EQ(first.at("environment").as_object(), (json::Object{{"PRE_STATUS", "Failed"}, {"JOB_ID", ""}, {"ATTEMPT", "1"}}));
  const auto tag = FreezeTag::of(first);
  ASSERT_TRUE(tag);
  EXPECT_TRUE(tag->byGuard());
  known.attempts = 1;
  EXPECT_EQ(json::textOr(thawRequest(known, "f", "why"), "commandId"), agentwire::guardCommandId(kPromise, 2));
  known.attempts = agentwire::kGuardAttemptsMost;
  EXPECT_EQ(json::textOr(thawRequest(known, "f", "why"), "commandId"), agentwire::guardCommandId(kPromise, agentwire::kGuardAttemptsMost));
}

TEST(GuardOrder, PausesGrowAndEndAtAnHour) {
  EXPECT_EQ(retryPause(1), std::chrono::seconds(10));
  EXPECT_EQ(retryPause(2), std::chrono::seconds(20));
  EXPECT_EQ(retryPause(40), std::chrono::hours(1));
  for (int n = 1; n < 60; ++n) EXPECT_LE(retryPause(n), retryPause(n + 1));
}

TEST(FreezeRules, AGuardedFreezeIsHeldUntilAThawIsOrderedOrBegun) {
  EXPECT_FALSE(holdOf(std::nullopt, "f").held);
  Freeze freeze;
  EXPECT_FALSE(holdOf(freeze, "f").held) << "never guarded";
  freeze.guard = order();
  EXPECT_TRUE(holdOf(freeze, "f").held);
  const auto ordered = onAccept(freeze, FreezeTag{"f", true, 1}, "r");
  EXPECT_FALSE(holdOf(ordered, "f").held);
  EXPECT_EQ(ordered.broken, "") << "the server knows that it ordered it";
  const auto own = onAccept(freeze, FreezeTag{"f", true, -1}, "r", "the lease ended");
  EXPECT_FALSE(holdOf(own, "f").held);
  EXPECT_EQ(holdOf(own, "f").why, "the lease ended");
  EXPECT_EQ(own.guard->attempts, 1);
  EXPECT_TRUE(own.refused) << "its pre-script may not begin any more";
  EXPECT_EQ(onAccept(own, FreezeTag{"f", true, -2}, "r2", "again").broken, "the lease ended") << "the first reason counts";
}

TEST(FreezeRules, OnlyAThawThatSucceededEndsTheGuard) {
  Freeze freeze;
  freeze.guard = order();
  const auto prepared = onResult(freeze, FreezeTag{"f", false, 1}, {{"status", "Success"}});
  ASSERT_TRUE(prepared.guard);
  EXPECT_EQ(prepared.guard->pre, "Success");
  EXPECT_TRUE(onResult(prepared, FreezeTag{"f", true, -1}, {{"status", "Failed"}}).guard);
  EXPECT_FALSE(onResult(prepared, FreezeTag{"f", true, -2}, {{"status", "Success"}}).guard);
  EXPECT_FALSE(onResult(prepared, FreezeTag{"f", true, 1}, {{"status", "Success"}}).guard) << "the server's does too";
}

TEST(FreezeRules, TheRecordKeepsItsGuard) {
  Freeze freeze;
  freeze.guard = order();
  freeze.broken = "why";
  const auto read = Freeze::decode(freeze.encode());
  ASSERT_TRUE(read.guard);
  EXPECT_EQ(read.guard->thaw, freeze.guard->thaw);
  EXPECT_EQ(read.broken, "why");
}

}  // namespace
}  // namespace sp::agent
