// Events that stand once for all their deliveries, and those of earlier versions.
#include "services/events/events_test.h"

namespace sp::services::events {
namespace {

TEST_F(EventsTest, AnEventStandsOnceForAllItsDeliveries) {
  rules(20, 5);
  refusal_ = "ExecutionLimitExceeded";
  sendLarge("s");
  ASSERT_THAT(kept("event_waiting"), SizeIs(100));
  for (const auto& record : kept("event_waiting")) EXPECT_LT(record.body.size(), 1'000U) << record.body;
  EXPECT_THAT(kept("event_shared"), SizeIs(1));
  boot();
  refusal_.clear();
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_THAT(started_, SizeIs(100));
  EXPECT_THAT(names_, SizeIs(100)) << "each of its own";
  expectNothingKept();
}

TEST_F(EventsTest, AnEventOfMoreTargetsThanACommitTakesReachesEachOnce) {
  rules(230, 5);
  // However few commits there were before the server died.
  for (int commits = 1; commits < 8; ++commits) {
    store_.room = commits;
    call("PutEvents", {{"Entries", json::Array{json::Object{{"Source", "s"}, {"DetailType", "t"}, {"Detail", "{}"}}}}});
    store_.room.reset();
    boot();
    EXPECT_THAT(names_, SizeIs(1'150)) << commits;
    names_.clear();
    expectNothingKept();
  }
}

TEST_F(EventsTest, WhatIsDeliveredIsTheTargetAsItWasWhenTheEventCame) {
  rules(2, 1, {{"InputTransformer", json::Object{{"InputTemplate", R"({"time":"old"})"}}}});
  refusal_ = "ExecutionLimitExceeded";
  sendLarge("s");
  auto other = machine();
  other[0].get_object()["Id"] = "0";
  other[0].get_object()["Input"] = R"({"time":"new"})";
  call("PutTargets", {{"Rule", "r0"}, {"Targets", std::move(other)}});
  call("RemoveTargets", {{"Rule", "r1"}, {"Ids", json::Array{"0"}}});
  call("DeleteRule", {{"Name", "r1"}});
  refusal_.clear();
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_THAT(started_, ElementsAre("old", "old"));
  expectNothingKept();
}

TEST_F(EventsTest, ADeadLetterHoldsItsEvent) {
  rules(2, 1);
  refusal_ = "StateMachineDoesNotExist";
  sendLarge("s");
  EXPECT_EQ(letters(), 2U);
  expectNothingKept();
  refusal_.clear();
  core_->post([this](store::Txn& txn) {
    for (const auto& letter : delivery::DeadLetters::letters(txn, "q", "", 100)) {
      EXPECT_GT(deliveries_->messageOf(letter.delivery).size(), 20'000U);
      EXPECT_TRUE(deliveries_->resend(txn, "q", letter.id));
    }
    return true;
  });
  core_->runPending();
  EXPECT_THAT(names_, SizeIs(2));
  expectNothingKept();
}

TEST_F(EventsTest, DestinationsShareAnEvent) {
  hook("one", 300, aMinute());
  hook("two", 300, aMinute());
  for (const auto* name : {"one", "two"}) call("PutRule", {{"Name", name}, {"EventPattern", R"({"source":["s"]})"}});
  sendLarge("s");
  ASSERT_THAT(web_.held, SizeIs(2));
  EXPECT_THAT(kept("event_shared"), SizeIs(1));
  for (const auto& record : kept("event_hook")) EXPECT_LT(record.body.size(), 1'000U) << record.body;
  answerOne("one", 200);
  answerOne("two", 503);
  boot();
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_EQ(sentTo("one"), 0U);
  ASSERT_EQ(sentTo("two"), 1U);
  EXPECT_GT(web_.held[0].first.body.size(), 20'000U);
  answerOne("two", 400);
  EXPECT_EQ(letters(), 1U);
  expectNothingKept();
}

// Records as versions wrote them whose deliveries each held their event.
TEST_F(EventsTest, DeliveriesOfAnEarlierVersionAreMade) {
  const auto arn = hook("h", 300);
  const auto delivery = [&](std::string_view id, std::string_view to) {
    json::Object target = machine()[0].get_object();
    target["Arn"] = to;
    return json::Object{{"event", json::Object{{"version", "0"},
                                               {"id", id},
                                               {"detail-type", "t"},
                                               {"source", "s"},
                                               {"account", "000000000000"},
                                               {"time", id},
                                               {"region", "us-east-1"},
                                               {"resources", json::Array()},
                                               {"detail", json::Object{{"text", std::string(20'000, 'x')}}}}},
                        {"rule", "arn:aws:events:us-east-1:000000000000:rule/r"},
                        {"name", "r"},
                        {"target", std::move(target)},
                        {"hops", 0},
                        {"root", id},
                        {"attempts", 0},
                        {"since", toMicros(clock_.now())}};
  };
  const auto machine_arn = json::textOr(machine()[0].get_object(), "Arn");
  const auto key = [&](std::string_view id) { return fmt::format("{:020}/000000/{}/000000", toMicros(clock_.now()), id); };
  ASSERT_TRUE(store_.disk->run({[&](store::Txn& txn) {
                                 txn.records().put("event_delivery", key("ready"), json::toText(delivery("ready", machine_arn)));
                                 auto waiting = delivery("waiting", machine_arn);
                                 waiting["attempts"] = 1;
                                 waiting["next"] = toMicros(clock_.now() + seconds(1));
                                 txn.records().put("event_waiting", key("waiting"), json::toText(waiting));
                                 txn.timers().set({"event_retry", key("waiting"), clock_.now() + seconds(1), ""});
                                 auto under_way = delivery("under-way", arn);
                                 under_way["delivery-id"] = "d";
                                 txn.records().put("event_hook", fmt::format("{}\x1f{:020}/d", arn, toMicros(clock_.now())),
                                                   json::toText(under_way));
                                 return true;
                               }},
                               clock_.now()));
  boot();
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_THAT(started_, ElementsAre("ready", "waiting"));
  ASSERT_EQ(sentTo("h"), 1U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Stillpoint-Delivery-Id"), "d");
  EXPECT_GT(web_.held[0].first.body.size(), 20'000U);
  answerOne("h", 200);
  expectNothingKept();
}

}  // namespace
}  // namespace sp::services::events
