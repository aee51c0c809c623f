#include "services/stillpoint/lanes.h"

#include <gtest/gtest.h>

#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

using quiesce::Machine;

class Lanes1 : public LanesTest {
 protected:
  Lanes1() { fleet_.machines["i-a"] = {}; }

  // Ends whatever is under way, well, until nothing is.
  void finishAll() {
    for (int i = 0; i < 50; ++i) {
      if (!fleet_.commands.empty()) endCommand(0, "Success");
      else if (!fleet_.power.empty()) settlePower(*fleet_.power.begin());
      else if (const auto job = openJob(); !job.empty()) endJob(job, fleet_.jobs[job].state == "ABORTING" ? "ABORTED" : "COMPLETED");
      else return;
    }
    FAIL() << "it does not come to an end";
  }
  std::string openJob() {
    for (const auto& [id, job] : fleet_.jobs)
      if (!job.ended()) return id;
    return "";
  }
  std::string word(const std::string& key, std::size_t index = 0) { return json::textOr(entries().at(index).as_object(), key); }
  std::string rowOf(const std::string& key) { return fleet_.rows.at(kExecution)[key]; }
};

TEST_F(Lanes1, AllEightPathsTakeTheirStepsInOrder) {
  const std::vector<std::vector<std::string>> steps = {
      {"preScript.sync", "stop.sync", "runBackupJob", "awaitBackupJobCompletion.sync", "start.sync", "postScript.sync"},
      {"preScript.sync", "stop.sync", "runBackupJob", "awaitBackupJobCompletion.sync", "start.sync"},
      {"stop.sync", "runBackupJob", "awaitBackupJobCompletion.sync", "start.sync", "postScript.sync"},
      {"stop.sync", "runBackupJob", "awaitBackupJobCompletion.sync", "start.sync"},
      {"preScript.sync", "runBackupJob", "awaitBackupJobCompletion.sync", "postScript.sync"},
      {"preScript.sync", "runBackupJob", "awaitBackupJobCompletion.sync"},
      {"runBackupJob", "awaitBackupJobCompletion.sync", "postScript.sync"},
      {"runBackupJob", "awaitBackupJobCompletion.sync"},
  };
  for (int path = 1; path <= 8; ++path) {
    const auto execution = fmt::format("{}{}", kExecution, path);
    driver_.steps.clear();
    begin(inputFor(path), execution);
    finishAll();
    auto expected = steps[static_cast<std::size_t>(path - 1)];
    expected.insert(expected.begin(), "reserveMachine.sync");
    expected.emplace_back("releaseMachine");
    EXPECT_EQ(driver_.steps["i-a"], expected) << "path " << path;
    EXPECT_EQ(driver_.ended[execution].status, "SUCCEEDED") << "path " << path;
    const auto entry = entries(execution).at(0).as_object();
    const bool stops = path <= 4;
    EXPECT_EQ(json::textOr(entry, "StopEc2InstanceStatus"), stops ? "stopped" : "skipped");
    EXPECT_EQ(json::textOr(entry, "StartEc2InstanceStatus"), stops ? "running" : "skipped");
    EXPECT_EQ(json::textOr(entry, "PostBackupScriptStatus"), path % 2 == 1 ? "Success" : "skipped");
    EXPECT_EQ(json::textOr(entry, "BackupJobStatus"), "COMPLETED");
    EXPECT_EQ(fleet_.rows[execution]["Path"], std::to_string(path));
    EXPECT_EQ(fleet_.rows[execution]["Status"], "SUCCEEDED");
    EXPECT_EQ(entry.find("Note") != entry.end(), path == 2 || path == 6) << "pre without post: the row says so";
    EXPECT_TRUE(owedTo("i-a").empty());
    EXPECT_EQ(holder("i-a"), "");
  }
}

TEST_F(Lanes1, AMachineThatCannotBeStoppedFailsBeforeItsPreScript) {
  fleet_.unfit["i-a"] = {false, "it has no power driver", "Stillpoint.StopFailed"};
  begin(inputFor(1));
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.StopFailed");
  EXPECT_TRUE(fleet_.commands.empty()) << "nothing was frozen";
  EXPECT_TRUE(fleet_.jobs.empty());
  EXPECT_NE(word("FailureMessage").find("it has no power driver; nothing was touched"), std::string::npos);
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(fleet_.looks["i-a"], 1);
  // Without a stop its driver does not matter.
  begin(inputFor(8), kExecution + "live");
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution + "live"].status, "SUCCEEDED");
}

TEST_F(Lanes1, AFailedPreScriptMeansNoBackupAndTheThawStillRuns) {
  begin(inputFor(1));
  endCommand(0, "Failed");
  ASSERT_EQ(fleet_.commands.size(), 1U);
  EXPECT_EQ(json::textOr(*fleet_.commands[0].order.freeze, "phase"), "thaw");
  EXPECT_EQ(fleet_.commands[0].order.environment.at("PRE_STATUS"), "Failed");
  finishAll();
  const auto& end = driver_.ended[kExecution];
  EXPECT_EQ(end.status, "FAILED");
  EXPECT_EQ(end.error, "Stillpoint.PreScriptFailed");
  const auto cause = json::parse(end.cause)->as_object();
  EXPECT_EQ(cause.at("targets").at(0).at("InstanceId"), "i-a");
  EXPECT_EQ(cause.at("targets").at(0).at("phase"), "pre");
  EXPECT_EQ(word("PreBackupScriptStatus"), "Failed");
  EXPECT_EQ(word("BackupJobStatus"), "skipped");
  EXPECT_EQ(word("StopEc2InstanceStatus"), "skipped");
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  EXPECT_NE(word("FailureMessage"), "");
  EXPECT_EQ(rowOf("FailureMessage"), json::textOr(cause, "message"));
  EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty());
}

TEST_F(Lanes1, APreScriptThatTimedOutHasItsOwnError) {
  begin(inputFor(5));
  endCommand(0, "TimedOut", "ExecutionTimedOut");
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PreScriptTimedOut");
  EXPECT_EQ(word("PreBackupScriptStatus"), "TimedOut");
}

TEST_F(Lanes1, APreScriptThatCannotBeSentOwesNothing) {
  fleet_.refuse_send = true;
  begin(inputFor(1));
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PreScriptFailed");
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(word("PostBackupScriptStatus"), "skipped");
}

TEST_F(Lanes1, AFailedBackupIsFollowedByStartAndThaw) {
  for (const char* state : {"FAILED", "ABORTED", "EXPIRED"}) {
    const auto execution = kExecution + state;
    begin(inputFor(1), execution);
    endCommand(0, "Success");
    settlePower("i-a");
    endJob(openJob(), state);
    finishAll();
    EXPECT_EQ(driver_.ended[execution].error, "Stillpoint.BackupFailed");
    const auto entry = entries(execution).at(0).as_object();
    EXPECT_EQ(json::textOr(entry, "BackupJobStatus"), state);
    EXPECT_EQ(json::textOr(entry, "StartEc2InstanceStatus"), "running");
    EXPECT_EQ(json::textOr(entry, "PostBackupScriptStatus"), "Success");
    EXPECT_EQ(fleet_.machines["i-a"].state, Machine::running);
  }
}

TEST_F(Lanes1, TheJobIsToReadTheMachineInTheBootThatItsPreScriptPrepared) {
  begin(inputFor(5));
  // Whatever the machine does from here on, also while its pre-script's end is on its way.
  fleet_.machines["i-a"].boot = "second";
  boot();
  endCommand(0, "Success");
  const auto job = openJob();
  EXPECT_EQ(fleet_.job_boot[job], "first");
  fleet_.jobs[job].message = "the copy would not be consistent";
  endJob(job, "FAILED");
  ASSERT_EQ(fleet_.commands.size(), 1U);
  EXPECT_EQ(json::textOr(*fleet_.commands[0].order.freeze, "phase"), "thaw");
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.BackupFailed");
  EXPECT_NE(word("FailureMessage").find("the copy would not be consistent"), std::string::npos);
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  // Without a pre-script nothing was prepared, and any boot will do.
  begin(inputFor(7), kExecution + "plain");
  EXPECT_EQ(fleet_.job_boot[openJob()], "");
}

TEST_F(Lanes1, APartialBackupIsAWarningThatTheRowTells) {
  begin(inputFor(8));
  fleet_.jobs[openJob()].message = "2 files could not be read";
  endJob(openJob(), "PARTIAL");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(rowOf("Status"), "WARNING");
  EXPECT_EQ(word("BackupJobStatus"), "PARTIAL");
  EXPECT_NE(word("Warning").find("2 files"), std::string::npos);
}

TEST_F(Lanes1, AFailedStopMeansNoBackupButStartAndThaw) {
  begin(inputFor(1));
  endCommand(0, "Success");
  settlePower("i-a", "it did not shut down within 120 s");
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.StopFailed");
  EXPECT_EQ(word("StopEc2InstanceStatus"), "Failed");
  EXPECT_EQ(word("BackupJobStatus"), "skipped");
  EXPECT_EQ(word("StartEc2InstanceStatus"), "running");
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
}

TEST_F(Lanes1, AStopOfWhichNobodyKnowsHowItEndedEndsTheRunAndKeepsTheStartOwed) {
  begin(inputFor(1));
  endCommand(0, "Success");
  // Told again and again while its driver cannot look: first the stop fails, then the start.
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(driver_.ended.contains(kExecution)) << i;
    run([&](store::Txn& txn) { lanes_->powerSettled(txn, "i-a", "it cannot be seen"); });
  }
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.StopFailed");
  EXPECT_EQ(word("StartEc2InstanceStatus"), "Failed");
  EXPECT_EQ(owedTo("i-a").size(), 2U);
  advance(std::chrono::minutes(6));
  EXPECT_EQ(owedTo("i-a").size(), 2U) << "nobody has seen it run";
  // It was off: the payer starts it, and thaws then.
  settlePower("i-a", "");
  EXPECT_EQ(fleet_.machines["i-a"].state, Machine::pending);
  settlePower("i-a");
  finishAll();
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
}

TEST_F(Lanes1, AFailedStartIsPaidAfterTheLaneAndTheThawAfterIt) {
  begin(inputFor(1));
  endCommand(0, "Success");
  settlePower("i-a");
  endJob(openJob(), "COMPLETED");
  settlePower("i-a", "no capacity");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.StartFailed");
  EXPECT_EQ(word("StartEc2InstanceStatus"), "Failed");
  EXPECT_EQ(word("PostBackupScriptStatus"), "owed");
  EXPECT_EQ(owedTo("i-a").size(), 2U);
  EXPECT_EQ(holder("i-a"), holderOf(kExecution)) << "a machine we stopped is nobody else's";
  // The payer has asked for the start already; it fails a few times more.
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(fleet_.power.contains("i-a")) << i;
    settlePower("i-a", "no capacity");
    advance(std::chrono::minutes(6));
  }
  settlePower("i-a");
  finishAll();
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(fleet_.machines["i-a"].state, Machine::running);
  EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty());
  EXPECT_EQ(word("StartEc2InstanceStatus"), "running") << "the row follows";
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  EXPECT_EQ(holder("i-a"), "");
}

TEST_F(Lanes1, AFailedThawIsTriedAgainForEverWithGrowingPausesAcrossRestarts) {
  begin(inputFor(5));
  endCommand(0, "Success");
  endJob(openJob(), "COMPLETED");
  endCommand(0, "Failed");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PostScriptFailed");
  EXPECT_EQ(word("PostBackupScriptStatus"), "Failed");
  EXPECT_EQ(entries().at(0).at("Owed").at(0), "thaw");
  EXPECT_EQ(holder("i-a"), "") << "between attempts the machine is free";
  EXPECT_TRUE(fleet_.commands.empty());
  std::int64_t last = 1;
  for (int i = 0; i < 12; ++i) {
    if (i % 3 == 0) boot();
    advance(std::chrono::minutes(6));
    ASSERT_EQ(fleet_.commands.size(), 1U) << i;
    EXPECT_EQ(holder("i-a"), holderOf(kExecution));
    const auto attempt = fleet_.commands[0].order.freeze->at("attempt").as_int64();
    EXPECT_EQ(attempt, last + 1) << "each attempt has its own number";
    last = attempt;
    endCommand(0, i == 11 ? "Success" : "Failed");
  }
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
}

TEST_F(Lanes1, APostScriptWithoutAPreScriptIsNeverRunTwice) {
  begin(inputFor(7));
  endJob(openJob(), "COMPLETED");
  ASSERT_FALSE(fleet_.commands[0].order.freeze);
  endCommand(0, "Failed");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PostScriptFailed");
  advance(std::chrono::hours(2));
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_TRUE(owedTo("i-a").empty());
}

TEST_F(Lanes1, APostScriptThatWasNeverDeliveredIsOwedOn) {
  begin(inputFor(7));
  endJob(openJob(), "COMPLETED");
  endCommand(0, "TimedOut", "DeliveryTimedOut", false);
  EXPECT_EQ(owedTo("i-a").size(), 1U);
  advance(std::chrono::minutes(6));
  endCommand(0, "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
}

TEST_F(Lanes1, APostScriptThatItsMachineWouldNotTakeIsOwedOn) {
  begin(inputFor(3));
  settlePower("i-a");
  endJob(openJob(), "COMPLETED");
  settlePower("i-a");
  endCommand(0, "Failed", "", false, false, true);
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PostScriptFailed");
  EXPECT_EQ(owedTo("i-a").size(), 1U);
  EXPECT_EQ(entries().at(0).at("Owed").at(0), "post");
  // Its disk is full still.
  advance(std::chrono::minutes(6));
  endCommand(0, "Failed", "", false, false, true);
  advance(std::chrono::minutes(6));
  endCommand(0, "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
}

TEST_F(Lanes1, APostScriptThatMayHaveRunIsNotSentAgain) {
  for (const char* status : {"TimedOut", "Failed"}) {
    const auto execution = kExecution + status;
    begin(inputFor(7), execution);
    endJob(openJob(), "COMPLETED");
    const auto command = fleet_.commands[0].id;
    endCommand(0, status, status == std::string("TimedOut") ? "DeliveryTimedOut" : "", false, true);
    advance(std::chrono::hours(2));
    EXPECT_TRUE(fleet_.commands.empty());
    EXPECT_TRUE(owedTo("i-a").empty());
    run([&](store::Txn& txn) {
      const auto debt = loadDebt(txn, execution, "i-a", quiesce::DebtKind::post);
      EXPECT_EQ(debt->state, quiesce::DebtState::voided);
      EXPECT_EQ(debt->by, fmt::format("it may have run once and ended as {} (command {})", status, command));
    });
  }
}

TEST_F(Lanes1, AnAbortInEveryPhaseLeavesAMachineThatRunsAndIsAwake) {
  for (int phase = 0; phase < 7; ++phase) {
    const auto execution = fmt::format("{}-abort-{}", kExecution, phase);
    begin(inputFor(1), execution);
    if (phase > 0) endCommand(0, "Success");
    if (phase > 1) settlePower("i-a");
    if (phase > 2) cutJob(openJob());
    if (phase > 3) endJob(openJob(), "COMPLETED");
    if (phase > 4) settlePower("i-a");
    if (phase == 6) endCommand(0, "Failed");
    else run([&](store::Txn& txn) { driver_.abort(txn, execution); });
    if (phase < 6) { EXPECT_EQ(fleet_.rows[execution]["Status"], "ABORTED") << phase; }
    advance(std::chrono::seconds(3));
    finishAll();
    advance(std::chrono::minutes(6));
    finishAll();
    const auto& machine = fleet_.machines["i-a"];
    EXPECT_EQ(machine.state, Machine::running) << phase;
    EXPECT_TRUE(machine.frozen.empty()) << phase;
    EXPECT_TRUE(owedTo("i-a").empty()) << phase;
    EXPECT_EQ(holder("i-a"), "") << phase;
    EXPECT_EQ(json::textOr(entries(execution).at(0).as_object(), "PostBackupScriptStatus"), "Success") << phase;
  }
}

TEST_F(Lanes1, AnAbortInThePreScriptCancelsItAndThaws) {
  begin(inputFor(5));
  run([&](store::Txn& txn) { driver_.abort(txn, kExecution); });
  ASSERT_EQ(fleet_.commands.size(), 2U);
  EXPECT_TRUE(fleet_.commands[0].cancelled);
  EXPECT_EQ(json::textOr(*fleet_.commands[1].order.freeze, "phase"), "thaw");
  EXPECT_EQ(fleet_.commands[0].order.freeze->at("id"), fleet_.commands[1].order.freeze->at("id"));
  endCommand(1, "Success");
  EXPECT_EQ(holder("i-a"), holderOf(kExecution)) << "its pre-script may still run";
  endCommand(0, "Cancelled");
  EXPECT_EQ(holder("i-a"), "");
  EXPECT_EQ(word("PreBackupScriptStatus"), "Cancelled");
}

TEST_F(Lanes1, AMachineFoundStoppedIsReadOfflineAndNeverStarted) {
  fleet_.machines["i-a"].state = Machine::stopped;
  begin(inputFor(1));
  endJob(openJob(), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(fleet_.machines["i-a"].state, Machine::stopped);
  for (const char* key : {"PreBackupScriptStatus", "StopEc2InstanceStatus", "StartEc2InstanceStatus", "PostBackupScriptStatus"})
    EXPECT_EQ(word(key), "skipped") << key;
  EXPECT_NE(word("Warning").find("found stopped"), std::string::npos);
}

TEST_F(Lanes1, AMachineThatSomebodyStartedBeforeItsBackupIsNotRead) {
  for (const bool found_stopped : {false, true}) {
    const auto execution = kExecution + (found_stopped ? "-found" : "");
    fleet_.machines["i-a"].state = found_stopped ? Machine::stopped : Machine::running;
    driver_.waits_before = "runBackupJob";
    begin(inputFor(1), execution);
    if (!found_stopped) {
      endCommand(0, "Success");
      settlePower("i-a");
    }
    ASSERT_EQ(fleet_.machines["i-a"].state, Machine::stopped);
    fleet_.machines["i-a"].state = Machine::pending;
    run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "start", "arn:alice"); });
    settlePower("i-a");
    driver_.waits_before.clear();
    run([&](store::Txn& txn) { driver_.goOn(txn); });
    finishAll();
    EXPECT_TRUE(fleet_.jobs.empty());
    EXPECT_EQ(driver_.ended[execution].status, "FAILED");
    EXPECT_EQ(driver_.ended[execution].error, "Stillpoint.BackupFailed");
    const auto entry = entries(execution).at(0).as_object();
    EXPECT_EQ(json::textOr(entry, "BackupJobStatus"), "FAILED");
    EXPECT_NE(json::textOr(entry, "FailureMessage").find("somebody has started it; nothing was read"), std::string::npos);
    EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty());
    EXPECT_TRUE(owedTo("i-a").empty());
    EXPECT_EQ(holder("i-a"), "");
  }
}

TEST_F(Lanes1, ABadIdFailsItsOwnTargetOnly) {
  begin(inputFor(8, R"("TargetEC2Instances": ["i-none", "i-a"])"));
  finishAll();
  const auto& end = driver_.ended[kExecution];
  EXPECT_EQ(end.status, "FAILED");
  EXPECT_EQ(end.error, "Stillpoint.NoTarget");
  EXPECT_EQ(rowOf("Status"), "PARTIAL");
  EXPECT_EQ(word("InstanceId", 0), "i-none");
  EXPECT_EQ(word("BackupJobStatus", 0), "skipped");
  EXPECT_NE(word("FailureMessage", 0).find("i-none does not exist"), std::string::npos);
  EXPECT_EQ(word("BackupJobStatus", 1), "COMPLETED");
}

TEST_F(Lanes1, WithAbortOnBadTargetNothingIsTouched) {
  auto input = json::parse(inputFor(1, R"("TargetEC2Instances": ["i-a", "i-none"])"))->as_object();
  input["OnBadTarget"] = "abort";
  begin(json::toText(input));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.NoTarget");
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_EQ(entries().size(), 2U);
}

TEST_F(Lanes1, AListTooLargeForItsRowIsStoredAndLinkedOnceItIsThere) {
  list_max_ = 200;
  boot();
  fleet_.refuse_list = true;
  begin(inputFor(8));
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED") << "the run does not wait for it";
  EXPECT_EQ(rowOf("LeftOutCount"), "1");
  EXPECT_FALSE(fleet_.rows.at(kExecution).contains("Workflow_Overall_Status_S3Path")) << "what is not stored is not linked";
  fleet_.refuse_list = false;
  boot();
  advance(std::chrono::seconds(11));
  ASSERT_TRUE(fleet_.lists.contains(kExecution)) << "tried again, by a server that was started anew";
  EXPECT_EQ(json::parse(fleet_.lists.at(kExecution))->as_array().size(), 1U);
  EXPECT_EQ(rowOf("Workflow_Overall_Status_S3Path"), "s3://lists/" + kExecution);
  fleet_.lists.clear();
  advance(std::chrono::minutes(1));
  EXPECT_TRUE(fleet_.lists.empty()) << "stored once";
}

TEST_F(Lanes1, WhatIsRefusedTouchesNothingAndHasARow) {
  fleet_.missing_script = "s3://b/post";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}", "Stillpoint.InvalidInput"},
      {"[]", "Stillpoint.InvalidInput"},
      {inputFor(1), "Stillpoint.InvalidInput"},
      {inputFor(8, R"("TargetEC2Instances": [])"), "Stillpoint.NoTarget"},
      {inputFor(8, R"("TargetEC2Instances": ["i-none"])"), "Stillpoint.NoTarget"},
      {inputFor(8, R"("TargetEC2TagKey": "k", "TargetEC2TagValue": "none")"), "Stillpoint.NoTarget"},
  };
  for (const auto& [input, error] : cases) {
    const auto execution = kExecution + std::to_string(&error - &cases[0].second);
    begin(input, execution);
    EXPECT_EQ(driver_.ended[execution].status, "FAILED") << input;
    EXPECT_EQ(driver_.ended[execution].error, error) << input;
    EXPECT_TRUE(fleet_.rows.contains(execution)) << input;
    EXPECT_EQ(fleet_.rows[execution]["FailureMessage"], json::textOr(json::parse(driver_.ended[execution].cause)->as_object(), "message"));
  }
  fleet_.vaults.clear();
  fleet_.missing_script.clear();
  begin(inputFor(1), kExecution + "vault");
  EXPECT_EQ(driver_.ended[kExecution + "vault"].error, "Stillpoint.VaultNotFound");
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_TRUE(fleet_.jobs.empty());
}

TEST_F(Lanes1, ATerminatedMachineWithTheTagIsListedAsSkipped) {
  fleet_.machines["i-a"].tag = "v";
  fleet_.machines["i-b"].tag = "v";
  fleet_.machines["i-b"].terminated = true;
  fleet_.machines["i-b"].state = Machine::gone;
  begin(inputFor(8, R"("TargetEC2TagKey": "k", "TargetEC2TagValue": "v")"));
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(entries().size(), 2U);
  EXPECT_EQ(word("BackupJobStatus", 1), "skipped");
  EXPECT_EQ(word("FailureMessage", 1), "");
}

TEST_F(Lanes1, AnAgentThatIsAwayFailsItsLaneBeforeAnythingIsTouched) {
  fleet_.machines["i-a"].online = false;
  begin(inputFor(1));
  EXPECT_FALSE(driver_.ended.contains(kExecution)) << "it may only have lost its server a moment ago";
  for (int i = 0; i < 60; ++i) advance(std::chrono::milliseconds(250));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.NoTarget");
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_EQ(holder("i-a"), "");
}

TEST_F(Lanes1, AMachineThatIsOnlyStoppedReadAndStartedNeedsNoAgent) {
  fleet_.machines["i-a"].online = false;
  begin(inputFor(4));
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  // What is read while it runs is read by its agent.
  fleet_.machines["i-b"].online = false;
  begin(inputFor(8, R"("TargetEC2Instances": ["i-b"])"), kExecution + "live");
  for (int i = 0; i < 60; ++i) advance(std::chrono::milliseconds(250));
  EXPECT_EQ(driver_.ended[kExecution + "live"].error, "Stillpoint.NoTarget");
}

TEST_F(Lanes1, NothingIsFrozenWhileTheRepositoryIsBeingMade) {
  fleet_.repository_ready = false;
  begin(inputFor(1));
  advance(std::chrono::seconds(30));
  EXPECT_TRUE(fleet_.commands.empty());
  fleet_.repository_ready = true;
  advance(std::chrono::seconds(1));
  EXPECT_EQ(fleet_.commands.size(), 1U);
}

TEST_F(Lanes1, NothingIsFrozenWhileTheSpaceOfTheRepositoryIsFreed) {
  fleet_.repository_ready = false;
  fleet_.repository_maintained = true;
  begin(inputFor(1));
  for (int i = 0; i < 40; ++i) advance(std::chrono::minutes(1));
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_FALSE(driver_.ended.contains(kExecution)) << "it waits, however long it takes";
  fleet_.repository_ready = true;
  fleet_.repository_maintained = false;
  advance(std::chrono::seconds(2));
  EXPECT_EQ(fleet_.commands.size(), 1U);
}

TEST_F(Lanes1, ARepositoryThatIsNeverReadyFailsTheLaneUntouched) {
  fleet_.repository_ready = false;
  begin(inputFor(1));
  advance(std::chrono::seconds(60));
  advance(std::chrono::seconds(61));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.BackupFailed");
  EXPECT_TRUE(fleet_.commands.empty());
}

TEST_F(Lanes1, AnAgentThatComesBackInTimeIsUsed) {
  fleet_.machines["i-a"].online = false;
  begin(inputFor(1));
  advance(std::chrono::seconds(3));
  fleet_.machines["i-a"].online = true;
  advance(std::chrono::seconds(1));
  EXPECT_EQ(fleet_.commands.size(), 1U);
}

TEST_F(Lanes1, ASecondRunWaitsForTheMachine) {
  begin(inputFor(1));
  begin(inputFor(1), kExecution + "2");
  EXPECT_EQ(fleet_.commands.size(), 1U);
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(driver_.ended[kExecution + "2"].status, "SUCCEEDED");
}

TEST_F(Lanes1, AnAbortWhileItQueuesLeavesTheQueue) {
  begin(inputFor(1));
  begin(inputFor(1), kExecution + "2");
  run([&](store::Txn& txn) { driver_.abort(txn, kExecution + "2"); });
  EXPECT_EQ(holder("i-a"), holderOf(kExecution));
  finishAll();
  EXPECT_EQ(holder("i-a"), "");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
}

TEST_F(Lanes1, APersonsStopSuspendsTheStartUntilAPersonAsksForIt) {
  begin(inputFor(1));
  endCommand(0, "Success");
  settlePower("i-a");
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "stop", "arn:alice"); });
  endJob(openJob(), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.StartFailed");
  EXPECT_NE(word("FailureMessage").find("arn:alice"), std::string::npos);
  advance(std::chrono::hours(1));
  EXPECT_EQ(fleet_.machines["i-a"].state, Machine::stopped);
  EXPECT_EQ(owedTo("i-a").at(0).state, quiesce::DebtState::suspended);
  run([&](store::Txn& txn) { EXPECT_EQ(ledger_->payNow(txn, "i-a", "arn:bob").size(), 2U); });
  finishAll();
  EXPECT_EQ(fleet_.machines["i-a"].state, Machine::running);
  EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty());
  EXPECT_TRUE(owedTo("i-a").empty());
}

TEST_F(Lanes1, ATerminatedMachineIsOwedNothingAndItIsKnownWhoDidIt) {
  begin(inputFor(1));
  endCommand(0, "Success");
  settlePower("i-a");
  run([&](store::Txn& txn) {
    fleet_.machines["i-a"].state = Machine::gone;
    lanes_->personActed(txn, "i-a", "terminate", "arn:alice");
    const auto debt = loadDebt(txn, kExecution, "i-a", quiesce::DebtKind::start);
    EXPECT_EQ(debt->state, quiesce::DebtState::voided);
    EXPECT_EQ(debt->by, "terminated by arn:alice");
  });
  EXPECT_TRUE(owedTo("i-a").empty());
}

TEST_F(Lanes1, ARowThatCannotBeWrittenIsWrittenLaterAndTheRunWaitsForIt) {
  fleet_.refuse_row = true;
  begin(inputFor(8));
  finishAll();
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  boot();
  fleet_.refuse_row = false;
  advance(std::chrono::seconds(2));
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(word("BackupJobStatus"), "COMPLETED");
}

TEST_F(Lanes1, AnExecutionThatEndsBeforeItsFirstStepHasARowWithNoMachines) {
  run([&](store::Txn& txn) { driver_.abort(txn, kExecution); });
  EXPECT_EQ(rowOf("Status"), "ABORTED");
  EXPECT_EQ(rowOf("Workflow_Overall_Status"), "[]");
  EXPECT_EQ(rowOf("EndTime").size(), std::string("2024-01-01T00:00:00.000Z").size());
}

TEST_F(Lanes1, TheFirstErrorInTimeIsTheExecutions) {
  fleet_.machines["i-b"] = {};
  begin(inputFor(5, R"("TargetEC2Instances": ["i-a", "i-b"])"));
  endCommand(1, "TimedOut");
  endCommand(0, "Failed");
  finishAll();
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PreScriptTimedOut");
  const auto cause = json::parse(driver_.ended[kExecution].cause)->as_object();
  EXPECT_EQ(cause.at("targets").at(0).at("InstanceId"), "i-b");
  EXPECT_EQ(cause.at("targets").at(1).at("InstanceId"), "i-a");
}

}  // namespace
}  // namespace sp::services::stillpoint
