#include "services/events/events_test.h"

#include <set>

namespace sp::services::events {
namespace {

TEST_F(EventsTest, AClockThatIsSetBackOrForwardStartsNothingTwice) {
  schedule("cron(0 * * * ? *)");
  passUntil(at("2024-01-01T02:30:00Z"));
  EXPECT_THAT(started_, ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"));
  clock_.jump(-hours(24));
  core_->runPending();
  passUntil(at("2024-01-01T03:30:00Z"));
  // The hours of the day before, but not the two that have run.
  ASSERT_EQ(started_.size(), 25U);
  EXPECT_EQ(started_[2], "2023-12-31T03:00:00Z");
  EXPECT_EQ(started_[23], "2024-01-01T00:00:00Z");
  EXPECT_EQ(started_[24], "2024-01-01T03:00:00Z");
  // Put forward: the latest that it skipped runs, and the next when its time comes.
  clock_.jump(hours(24));
  core_->runPending();
  passUntil(at("2024-01-02T04:30:00Z"));
  ASSERT_EQ(started_.size(), 27U);
  EXPECT_EQ(started_[25], "2024-01-02T03:00:00Z");
  EXPECT_EQ(started_[26], "2024-01-02T04:00:00Z");
  // Put right: what was skipped runs at its time, what has run does not.
  clock_.jump(-hours(24));
  core_->runPending();
  passUntil(at("2024-01-02T05:30:00Z"));
  ASSERT_EQ(started_.size(), 50U);
  EXPECT_EQ(started_[27], "2024-01-01T05:00:00Z");
  EXPECT_EQ(started_[48], "2024-01-02T02:00:00Z");
  EXPECT_EQ(started_[49], "2024-01-02T05:00:00Z");
  EXPECT_EQ(std::set<std::string>(started_.begin(), started_.end()).size(), 50U);
  // A moment only: nothing.
  clock_.jump(-std::chrono::minutes(31));
  core_->runPending();
  passUntil(at("2024-01-02T05:59:00Z"));
  EXPECT_EQ(started_.size(), 50U);
}

TEST_F(EventsTest, WhatAClockPutForwardSkippedIsMadeUpForThoughLaterTimesHaveRun) {
  schedule("cron(0 * * * ? *)");
  passUntil(at("2024-01-01T02:30:00Z"));
  clock_.jump(-hours(24));
  core_->runPending();
  clock_.jump(hours(24));
  core_->runPending();
  EXPECT_THAT(started_, ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z", "2024-01-01T00:00:00Z"));
  passUntil(at("2024-01-01T03:30:00Z"));
  EXPECT_EQ(started_.back(), "2024-01-01T03:00:00Z");
  EXPECT_THAT(started_, SizeIs(4));
}

TEST_F(EventsTest, ARuleOutlivesAClockThatWasAYearAhead) {
  clock_.jump(hours(24 * 400));
  core_->runPending();
  schedule("rate(1 hour)");
  passUntil(clock_.now() + hours(3));
  const auto before = started_.size();
  EXPECT_EQ(before, 3U);
  clock_.jump(-hours(24 * 400));
  core_->runPending();
  passUntil(clock_.now() + hours(2));
  EXPECT_EQ(started_.size(), before + 2);
}

TEST_F(EventsTest, ARuleOutlivesAClockThatIsPutRightWhileTheServerIsDown) {
  for (const auto ahead : {hours(30), hours(24 * 400)}) {
    clock_.jump(ahead);
    core_->runPending();
    schedule("rate(1 hour)");
    passUntil(clock_.now() + hours(2));
    const auto before = started_.size();
    core_.reset();
    clock_.jump(-ahead);
    boot();
    passUntil(clock_.now() + minutes(11));
    passUntil(clock_.now() + hours(2));
    EXPECT_GE(started_.size(), before + 2) << ahead.count();
    call("RemoveTargets", {{"Rule", "r"}, {"Ids", json::Array{"1"}}});
    call("DeleteRule", {{"Name", "r"}});
  }
}

TEST_F(EventsTest, ARuleThatIsWrittenAsItComesDueRuns) {
  const json::Object same{{"Name", "r"}, {"ScheduleExpression", "cron(0 * * * ? *)"}, {"Description", "x"}};
  const json::Object other{{"Name", "r"}, {"ScheduleExpression", "cron(30 * * * ? *)"}};
  schedule("cron(0 * * * ? *)");
  passUntil(at("2024-01-01T00:59:00Z"));
  json::Object answer;
  for (const auto& [input, runs] : {std::pair(same, 1U), std::pair(other, 1U)}) {
    core_.reset();
    clock_.advance(minutes(2));
    boot([&] { post("PutRule", input, answer); });
    EXPECT_THAT(started_, SizeIs(runs));
    passUntil(clock_.now() + minutes(58) - seconds(1));
  }
}

TEST_F(EventsTest, WhatWaitsForAnotherTryDoesNotMindTheClock) {
  call("PutRule", {{"Name", "r"}, {"EventPattern", R"({"source":["s"]})"}});
  call("PutTargets", {{"Rule", "r"}, {"Targets", machine()}});
  refusal_ = "ExecutionLimitExceeded";
  for (const auto by : {-hours(24), hours(24)}) {
    started_.clear();
    send("s");
    EXPECT_THAT(started_, IsEmpty());
    clock_.jump(by);
    core_->runPending();
    refusal_.clear();
    // The second and a half that it waits at most are those of a clock that goes on.
    passUntil(clock_.now() + seconds(2), seconds(1));
    EXPECT_THAT(started_, SizeIs(1));
    refusal_ = "ExecutionLimitExceeded";
  }
  // A day more on the clock does not make it a day old.
  send("s");
  clock_.jump(hours(25));
  core_->runPending();
  passUntil(clock_.now() + minutes(5), seconds(30));
  EXPECT_EQ(letters(), 0U);
  passUntil(clock_.now() + hours(25), minutes(5));
  EXPECT_EQ(letters(), 1U);
}

TEST_F(EventsTest, AClockPutBackWhileTheServerIsDownKeepsNobodyWaiting) {
  call("PutRule", {{"Name", "r"}, {"EventPattern", R"({"source":["s"]})"}});
  call("PutTargets", {{"Rule", "r"}, {"Targets", machine()}});
  hook("h", 300, aMinute());
  refusal_ = "ExecutionLimitExceeded";
  send("s");
  send("h");
  core_.reset();
  clock_.jump(-hours(24));
  boot();
  refusal_.clear();
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_THAT(started_, SizeIs(1));
  ASSERT_EQ(sentTo("h"), 1U);
  // It is a minute old after a minute, not after a day.
  answerOne("h", 503);
  passUntil(clock_.now() + seconds(61), seconds(1));
  if (sentTo("h") > 0) answerOne("h", 503);
  EXPECT_EQ(letters(), 1U);
}

TEST_F(EventsTest, WhatWaitsForADestinationDoesNotMindTheClock) {
  for (const auto by : {-hours(24), hours(24)}) {
    const auto name = fmt::format("h{}", by.count() > 0);
    hook(name, 1, aMinute());
    send(name, 3);
    ASSERT_EQ(sentTo(name), 1U);
    clock_.jump(by);
    core_->runPending();
    answerOne(name, 200);
    for (int n = 0; n < 2; ++n) {
      passUntil(clock_.now() + seconds(1), seconds(1));
      ASSERT_EQ(sentTo(name), 1U) << "nothing is lost, and nothing comes twice";
      answerOne(name, 200);
    }
    passUntil(clock_.now() + minutes(2), seconds(30));
    EXPECT_EQ(sentTo(name), 0U);
    EXPECT_EQ(letters(), 0U);
  }
}

TEST_F(EventsTest, ADestinationThatHangsHoldsFewConnectionsAndNobodyElse) {
  hook("silent", 300);
  hook("good", 300);
  send("silent", 40);
  EXPECT_EQ(sentTo("silent"), 16U);
  send("good", 3);
  EXPECT_EQ(sentTo("good"), 3U);
  while (sentTo("silent") > 1) answerOne("silent", 0);
  EXPECT_EQ(sentTo("good"), 3U);
  // It answers again: twice as many at once with each answer.
  for (const std::size_t open : {2U, 4U, 8U, 16U}) {
    answerOne("silent", 200);
    EXPECT_EQ(sentTo("silent"), open);
  }
}

TEST_F(EventsTest, TheRateHoldsWhateverTheClockSays) {
  hook("slow", 2);
  send("slow", 6);
  EXPECT_EQ(sentTo("slow"), 2U);
  clock_.jump(-hours(24));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 2U);
  clock_.advance(seconds(1));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 4U);
  clock_.jump(hours(24));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 4U);
  clock_.advance(seconds(1));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 6U);
}

TEST_F(EventsTest, WhatWasUnderWayIsSentAgainByTheNextProcess) {
  hook("kept", 300);
  send("kept", 2);
  ASSERT_EQ(sentTo("kept"), 2U);
  const auto id = headerOf(web_.held[0].first.headers, "Stillpoint-Delivery-Id");
  const std::string first(id);
  boot();
  ASSERT_EQ(sentTo("kept"), 2U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Stillpoint-Delivery-Id"), first);
  web_.answer(0, 200);
  web_.answer(0, 204);
  core_->runPending();
  boot();
  EXPECT_EQ(sentTo("kept"), 0U);
}

TEST_F(EventsTest, WhatWasAnsweredOnAFullDiskIsNotSentAgain) {
  hook("full", 300);
  send("full");
  ASSERT_EQ(sentTo("full"), 1U);
  store_.room = 0;
  web_.answer(0, 200);
  for (int n = 0; n < 3; ++n) {
    core_->runPending();
    clock_.advance(seconds(1));
  }
  store_.room.reset();
  core_->runPending();
  passUntil(clock_.now() + seconds(5), seconds(1));
  EXPECT_EQ(sentTo("full"), 0U);
  boot();
  EXPECT_EQ(sentTo("full"), 0U) << "its record is gone";
  // A failure counts as one try.
  send("full");
  store_.room = 0;
  web_.answer(0, 503);
  core_->runPending();
  store_.room.reset();
  clock_.advance(seconds(1));
  core_->runPending();
  EXPECT_EQ(sentTo("full"), 0U) << "it waits for its second try";
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_EQ(sentTo("full"), 1U);
}

TEST_F(EventsTest, AnEventOfAChainOutlivesAFullDisk) {
  rules(20, 1, {{"Input", R"({"time":"now"})"}});
  store_.room = 1;
  core_->post([this](store::Txn& txn) {
    events_->tell(txn, "s", "t", {}, {{"text", std::string(1'000'000, 'x')}}, {1, "root"});
    return true;
  });
  core_->runPending();
  // Each try would make deliveries of 20 MB: more than a chain may have, were they counted.
  for (int n = 0; n < 60; ++n) {
    clock_.advance(seconds(1));
    core_->runPending();
  }
  EXPECT_THAT(kept("event"), SizeIs(1));
  store_.room.reset();
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_THAT(started_, SizeIs(20));
  expectNothingKept();
}

TEST_F(EventsTest, ATokenIsFetchedOnceThereIsRoomAgain) {
  aim("hook", 300, oauth("c"));
  giveToken("one");
  send("hook");
  answerOne("hook", 401);
  // Its second try is among what waits for a token when there is no room to look at it.
  store_.room = 2;
  clock_.advance(seconds(2));
  core_->runPending();
  EXPECT_THAT(web_.held, IsEmpty());
  std::size_t waiting = 0;
  ASSERT_TRUE(store_.disk->run({[&](store::Txn& txn) {
                                 waiting = txn.records().scan("event_hook", "", "", 10).size();
                                 return true;
                               }},
                               clock_.now()));
  ASSERT_EQ(waiting, 1U);
  store_.room.reset();
  clock_.advance(seconds(1));
  core_->runPending();
  giveToken("two");
  ASSERT_EQ(sentTo("hook"), 1U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Authorization"), "Bearer two");
}

TEST_F(EventsTest, AConnectionGetsNoTokenOfAnEarlierOneOfItsName) {
  oauth("c");
  auto first = std::move(web_.held.at(0).second);
  web_.held.clear();
  call("DeleteConnection", {{"Name", "c"}});
  aim("hook", 300, oauth("c"));
  first(WebAnswer{200, {}, R"({"access_token":"old"})"});
  core_->runPending();
  EXPECT_EQ(stateOf("c"), "AUTHORIZING");
  giveToken("new");
  EXPECT_EQ(stateOf("c"), "AUTHORIZED");
  send("hook");
  ASSERT_EQ(sentTo("hook"), 1U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Authorization"), "Bearer new");
}

TEST_F(EventsTest, WhatWaitsForATokenFailsWithItsConnection) {
  aim("hook", 300, oauth("c"), aMinute());
  giveToken("one");
  send("hook");
  boot();
  // The new process has no token yet.
  ASSERT_EQ(sentTo("token"), 1U);
  EXPECT_EQ(letters(), 0U);
  call("DeauthorizeConnection", {{"Name", "c"}});
  EXPECT_EQ(letters(), 1U);
}

TEST_F(EventsTest, WhatGetsTooOldBeforeItIsSentIsNotSent) {
  hook("slow", 300, aMinute());
  send("slow", 18);
  ASSERT_EQ(sentTo("slow"), 16U);
  passUntil(clock_.now() + seconds(61), seconds(1));
  answerOne("slow", 200);
  EXPECT_EQ(sentTo("slow"), 15U);
  core_->post([](store::Txn& txn) {
    const auto letters = delivery::DeadLetters::letters(txn, "q", "", 100);
    EXPECT_EQ(letters.size(), 2U);
    for (const auto& letter : letters) EXPECT_EQ(json::textOr(letter.attributes, "EXHAUSTED_RETRY_CONDITION"), "MaximumEventAgeInSeconds");
    return true;
  });
  core_->runPending();
}

TEST_F(EventsTest, WhoWaitsLongestForRoomGetsIt) {
  for (int n = 0; n < 32; ++n) {
    const auto name = fmt::format("h{}", n);
    hook(name, 300);
    send(name, 16);
  }
  ASSERT_THAT(web_.held, SizeIs(512));
  hook("z", 300);
  hook("a", 300);
  send("z");
  send("a");
  ASSERT_THAT(web_.held, SizeIs(512));
  answerOne("h0", 200);
  EXPECT_EQ(sentTo("z"), 1U);
  EXPECT_EQ(sentTo("a"), 0U);
  answerOne("h0", 200);
  EXPECT_EQ(sentTo("a"), 1U);
}

}  // namespace
}  // namespace sp::services::events
