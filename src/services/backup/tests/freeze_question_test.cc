// A machine that wakes itself is asked, after it was read, whether it was still: what its answers, and their absence, make of the job.
#include "services/backup/tests/backup_fixture.h"

namespace sp::services::backup {
namespace {

const std::string kFreeze = "frz-1";

class FreezeQuestionTest : public BackupTest {
 protected:
  std::string frozen(bool stopped = false) {
    auto asked = spec();
    asked.needs_stopped = stopped;
    asked.by = "run:x";
    asked.freeze = kFreeze;
    const auto id = start(asked);
    if (!keeper_.waiting.empty()) madeRepository();
    return id;
  }
  /// Read to its end, as its agent says.
  std::string read(const std::string& state = "COMPLETED") {
    const auto id = frozen();
    snapshot(id, std::string(64, 'c'));
    result(id, state);
    return id;
  }
  static std::string question(const std::string& id, char snapshot = 'c') { return id + "/" + std::string(64, snapshot); }
  /// The machine's answer to the question after its snapshot, or with `ask` another one.
  void leased(const std::string& id, bool held) { answer(question(id), held); }
  void answer(const std::string& ask, bool held, const std::string& agent = kMachine, const std::string& freeze = kFreeze) {
    server_->report(
        {{"type", "leased"}, {"freeze", freeze}, {"held", held}, {"ask", ask}, {"why", held ? "" : "the lease of 300 s ended."}}, agent);
  }
  void connect(const std::string& agent = kMachine) { server_->report({{"type", "connected"}}, agent); }
  JobState stateOf(const std::string& id) { return server_->job(id).state; }
  bool isForgotten() {
    server_->core.runPending();
    return keeper_.forgotten == std::vector<std::string>{std::string(64, 'c')};
  }

  static constexpr const char* kWoke =
      "The machine woke its application before its files were read: the lease of 300 s ended. The copy would not be consistent.";
};

TEST_F(FreezeQuestionTest, WhatWasReadIsGoodOnlyWhenTheMachineSaysSo) {
  const auto id = read();
  EXPECT_EQ(stateOf(id), JobState::running);
  EXPECT_NE(server_->job(id).message.find("It waits for the agent of instance"), std::string::npos) << server_->job(id).message;
  ASSERT_EQ(agents_.told.size(), 2U) << "after the snapshot, and with the end";
  EXPECT_EQ(agents_.told[0].first, kMachine);
  const auto& asked = agents_.told[0].second;
  EXPECT_EQ(json::textOr(asked, "type") + json::textOr(asked, "freeze") + json::textOr(asked, "ask"), "lease" + kFreeze + question(id));
  EXPECT_EQ(agents_.told[1].second, asked);
  EXPECT_EQ(json::intOr(asked, "leaseMs", -7), 0);
  EXPECT_FALSE(point(server_->job(id).recovery_point));
  leased(id, true);
  EXPECT_EQ(stateOf(id), JobState::completed);
  EXPECT_EQ(server_->job(id).message, "");
  EXPECT_EQ(point(server_->job(id).recovery_point)->size, 7);
  // Asked twice, answered twice.
  leased(id, false);
  EXPECT_EQ(stateOf(id), JobState::completed);
}

TEST_F(FreezeQuestionTest, APartialOneStaysPartial) {
  const auto id = frozen();
  snapshot(id, std::string(64, 'c'));
  server_->report(
      {{"type", "backup.result"}, {"id", "job/" + id}, {"state", "PARTIAL"}, {"failedFiles", json::Array{"/a"}}, {"failedCount", 1}});
  leased(id, true);
  EXPECT_EQ(stateOf(id), JobState::partial);
  EXPECT_EQ(server_->job(id).message, "1 of the machine's files could not be read: /a");
}

TEST_F(FreezeQuestionTest, AMachineThatWokeHasNoCopy) {
  const auto id = read();
  leased(id, false);
  EXPECT_EQ(stateOf(id), JobState::failed);
  EXPECT_EQ(server_->job(id).message, kWoke);
  EXPECT_FALSE(point(server_->job(id).recovery_point));
  EXPECT_TRUE(isForgotten());
}

TEST_F(FreezeQuestionTest, OnlyItsMachineAnswersAndOnlyThisQuestion) {
  const auto id = read();
  answer(question(id), true, "host");
  answer(question(id), false, "host");
  answer("another", true);
  answer(question(id, 'd'), true);
  answer(question(id), true, kMachine, "frz-2");
  answer(question(id), false, kMachine, "frz-2");
  answer(question(id), true, kMachine, "");
  EXPECT_EQ(stateOf(id), JobState::running);
  leased(id, true);
  EXPECT_EQ(stateOf(id), JobState::completed);
}

TEST_F(FreezeQuestionTest, AnAnswerBeforeTheEndOfTheReadIsNone) {
  const auto id = frozen();
  answer(id, true);
  answer(id + "/", true);
  leased(id, true);
  EXPECT_TRUE(agents_.told.empty());
  snapshot(id, std::string(64, 'c'));
  result(id, "COMPLETED");
  EXPECT_EQ(stateOf(id), JobState::running);
  EXPECT_EQ(agents_.told.size(), 2U);
}

TEST_F(FreezeQuestionTest, AfterItsAnswerToTheSnapshotTheMachineMayBeWoken) {
  const auto id = frozen();
  snapshot(id, std::string(64, 'c'));
  ASSERT_EQ(agents_.told.size(), 1U) << "before anybody hears of the cut";
  leased(id, true);
  boot();
  leased(id, false);
  server_->report({{"type", "connected"}}, kMachine);
  EXPECT_EQ(agents_.told.size(), 1U);
  result(id, "COMPLETED");
  EXPECT_EQ(stateOf(id), JobState::completed);
}

TEST_F(FreezeQuestionTest, AReadThatBeganAnewIsAnsweredForAnew) {
  const auto id = frozen();
  snapshot(id, std::string(64, 'c'));
  leased(id, true);
  snapshot(id, std::string(64, 'd'));
  EXPECT_EQ(agents_.told.size(), 2U);
  leased(id, true);
  result(id, "COMPLETED");
  EXPECT_EQ(stateOf(id), JobState::running);
  answer(question(id, 'd'), false);
  EXPECT_EQ(stateOf(id), JobState::failed);
}

TEST_F(FreezeQuestionTest, ItSurvivesTheServerAndIsAskedAgain) {
  agents_.up = false;
  const auto id = read();
  EXPECT_TRUE(agents_.told.empty());
  boot();
  EXPECT_EQ(stateOf(id), JobState::running);
  EXPECT_NE(server_->job(id).message.find("It waits for the agent"), std::string::npos);
  agents_.up = true;
  connect("host");
  EXPECT_TRUE(agents_.told.empty());
  connect();
  ASSERT_EQ(agents_.told.size(), 1U);
  EXPECT_EQ(json::textOr(agents_.told[0].second, "ask"), question(id));
  leased(id, true);
  EXPECT_EQ(stateOf(id), JobState::completed);
  EXPECT_EQ(point(server_->job(id).recovery_point)->size, 7);
}

TEST_F(FreezeQuestionTest, WithoutAnAnswerItFails) {
  const auto id = read();
  // It moves no byte any more, and is not told as one that stalls.
  advance(std::chrono::seconds(359));
  EXPECT_EQ(stateOf(id), JobState::running);
  // While the server was away nobody could answer.
  boot();
  advance(std::chrono::seconds(359));
  EXPECT_EQ(stateOf(id), JobState::running);
  advance(std::chrono::seconds(2));
  EXPECT_EQ(stateOf(id), JobState::failed);
  EXPECT_NE(server_->job(id).message.find("did not say within 360 s"), std::string::npos) << server_->job(id).message;
  EXPECT_TRUE(isForgotten());
}

TEST_F(FreezeQuestionTest, AClockThatIsSetMakesItNoShorter) {
  server_->backup.jobs().setLease(std::chrono::hours(1));
  const auto id = read();
  clock_.jump(std::chrono::hours(24));
  server_->core.runPending();
  EXPECT_EQ(stateOf(id), JobState::running);
  advance(std::chrono::minutes(60));
  EXPECT_EQ(stateOf(id), JobState::running);
  advance(std::chrono::minutes(2));
  EXPECT_EQ(stateOf(id), JobState::failed);
}

TEST_F(FreezeQuestionTest, ItCanBeStoppedAndExpires) {
  const auto id = read();
  server_->run([&](store::Txn& txn) { EXPECT_TRUE(server_->backup.jobs().stop(txn, id)); });
  EXPECT_EQ(stateOf(id), JobState::aborted);
  server_->core.runPending();
  madeRepository();
  server_->backup.jobs().setLease(std::chrono::hours(24));
  auto asked = spec();
  asked.by = "run:x";
  asked.freeze = kFreeze;
  asked.start_window_minutes = 60;
  asked.complete_window_minutes = 60;
  const auto late = start(asked);
  snapshot(late, std::string(64, 'd'));
  result(late, "COMPLETED");
  advance(std::chrono::minutes(61));
  EXPECT_EQ(stateOf(late), JobState::expired);
}

TEST_F(FreezeQuestionTest, AMachineThatWakesInMidReadIsNotReadOn) {
  const auto told = frozen();
  leased("", false);
  EXPECT_EQ(json::textOr(agents_.last("cancel"), "target"), "job/" + told);
  result(told, "ABORTED");
  EXPECT_EQ(stateOf(told), JobState::failed);
  EXPECT_EQ(server_->job(told).message, kWoke);
  const auto woken = frozen();
  server_->run([&](store::Txn& txn) { server_->backup.jobs().woken(txn, woken, "its own guard ran the post-script (command c)."); });
  result(woken, "ABORTED");
  EXPECT_NE(server_->job(woken).message.find("its own guard ran the post-script (command c). The copy"), std::string::npos);
  // While it waits for the answer there is nobody to cancel it with.
  const auto cancels = agents_.count("cancel");
  const auto waiting = read();
  server_->run([&](store::Txn& txn) { server_->backup.jobs().woken(txn, waiting, "why"); });
  EXPECT_EQ(stateOf(waiting), JobState::failed);
  EXPECT_EQ(agents_.count("cancel"), cancels);
}

TEST_F(FreezeQuestionTest, AMachineThatIsReadStoppedIsNotAsked) {
  server_->setMachine(InstanceState::stopped, 4);
  const auto id = frozen(true);
  server_->run([&](store::Txn& txn) { server_->backup.jobs().woken(txn, id, "why"); });
  leased("", false);
  snapshot(id, std::string(64, 'c'));
  result(id, "COMPLETED");
  EXPECT_EQ(stateOf(id), JobState::completed);
  EXPECT_TRUE(agents_.told.empty());
}

TEST_F(FreezeQuestionTest, AMachineThatWentDownBeforeItsReadIsNotReadFromOutside) {
  server_->setMachine(InstanceState::stopped, 4);
  const auto id = frozen();
  EXPECT_EQ(stateOf(id), JobState::failed);
  EXPECT_NE(server_->job(id).message.find("went down after its pre-script had prepared it"), std::string::npos) << server_->job(id).message;
}

TEST_F(FreezeQuestionTest, ARebootMeanwhileIsAnAnswer) {
  server_->hello("one", 5);
  auto asked = spec();
  asked.by = "run:x";
  asked.freeze = kFreeze;
  asked.boot = "one/5";
  const auto id = start(asked);
  madeRepository();
  snapshot(id, std::string(64, 'c'));
  result(id, "COMPLETED");
  server_->hello("two", 5);
  EXPECT_EQ(stateOf(id), JobState::failed);
  EXPECT_NE(server_->job(id).message.find("was rebooted"), std::string::npos);
}

}  // namespace
}  // namespace sp::services::backup
