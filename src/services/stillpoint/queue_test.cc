// Runs that meet: who waits, for how long, and who comes next.
#include <gtest/gtest.h>

#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

class QueueTest : public LanesTest {
 protected:
  QueueTest() {
    for (const auto* id : {"i-a", "i-b", "i-c"}) fleet_.machines[id] = {};
  }
  static std::string withWindow(std::string input, int minutes) {
    const std::string vault = R"("BackupVaultName": "vault")";
    return input.replace(input.find(vault), vault.size(), fmt::format(R"({}, "StartWindowMinutes": {})", vault, minutes));
  }
  static std::string inputFor8(const std::vector<std::string>& ids) {
    std::string list;
    for (const auto& id : ids) list += fmt::format(R"({}"{}")", list.empty() ? "" : ",", id);
    return inputFor(8, fmt::format(R"("TargetEC2Instances": [{}])", list));
  }
  std::string rowOf(const std::string& key, const std::string& execution = kExecution) { return fleet_.rows.at(execution)[key]; }
  void acquire(const std::string& instance, const std::string& holder) {
    run([&](store::Txn& txn) { locks_->acquire(txn, instance, holder); });
  }
  void release(const std::string& instance, const std::string& holder) {
    run([&](store::Txn& txn) { locks_->release(txn, instance, holder); });
  }
  // Some other owner's.
  void takePlace() {
    places_->setMost(1);
    run([&](store::Txn& txn) { EXPECT_TRUE(places_->take(txn, "x", "x:1")); });
  }
  void leavePlace() {
    run([&](store::Txn& txn) { places_->leave(txn, "x:1"); });
  }
  void redrive(const std::string& input) {
    run([&](store::Txn& txn) {
      EXPECT_EQ(Lanes::redrivePlan(txn, kExecution).refused, "");
      lanes_->redriven(txn, kExecution);
      driver_.ended.erase(kExecution);
      driver_.begin(txn, kExecution, *json::parse(input));
    });
  }
  std::vector<std::string> openJobs() const {
    std::vector<std::string> out;
    for (const auto& [id, job] : fleet_.jobs)
      if (!job.ended()) out.push_back(id);
    return out;
  }
  backup::Places::Use use() {
    backup::Places::Use out;
    run([&](store::Txn& txn) { out = places_->use(txn); });
    return out;
  }
};

// A thaw that is due but that no machine which is off can run.
TEST_F(QueueTest, AMachineThatAPersonStoppedIsHeldForNothing) {
  begin(inputFor(5));
  endCommand(0, "Success");
  endJob(openJobs().at(0), "COMPLETED");
  endCommand(0, "Failed");
  ASSERT_EQ(driver_.ended[kExecution].error, "Stillpoint.PostScriptFailed");
  fleet_.machines["i-a"].state = quiesce::Machine::stopping;
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "stop", "arn:alice"); });
  settlePower("i-a");
  run([&](store::Txn& txn) { EXPECT_EQ(ledger_->payNow(txn, "i-a", "arn:bob").at(0).state, quiesce::DebtState::open); });
  EXPECT_EQ(holder("i-a"), "");
  const auto other = kExecution + "2";
  begin(inputFor8({"i-a"}), other);
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(driver_.ended[other].status, "SUCCEEDED");
  // When it runs again it is paid.
  fleet_.machines["i-a"].state = quiesce::Machine::pending;
  settlePower("i-a");
  ASSERT_EQ(fleet_.commands.size(), 1U);
  EXPECT_EQ(holder("i-a"), holderOf(kExecution));
  endCommand(0, "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(holder("i-a"), "");
}

TEST_F(QueueTest, AMachineThatIsNotFreeInTheStartWindowIsSkipped) {
  acquire("i-a", "job:other");
  begin(withWindow(inputFor(1), 60));
  advance(std::chrono::minutes(59));
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  advance(std::chrono::minutes(1));
  const auto end = driver_.ended[kExecution];
  EXPECT_EQ(end.status, "FAILED");
  EXPECT_EQ(end.error, "Stillpoint.Skipped");
  EXPECT_NE(end.cause.find("backup job other held the machine until its start window of 60 minutes had passed; nothing was touched"),
            std::string::npos)
      << end.cause;
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_TRUE(fleet_.jobs.empty());
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(rowOf("Status"), "SKIPPED");
  EXPECT_EQ(rowOf("SkippedCount"), "1");
  EXPECT_EQ(rowOf("FailedCount"), "1");
  const auto entry = entries().at(0).as_object();
  EXPECT_EQ(json::textOr(entry, "LaneStatus"), "SKIPPED");
  EXPECT_EQ(json::textOr(entry, "BackupJobStatus"), "skipped");
  EXPECT_EQ(json::textOr(entry, "PreBackupScriptStatus"), "skipped");
  ASSERT_EQ(skips_.size(), 1U);
  EXPECT_EQ(skips_[0].first, "i-a");
  EXPECT_EQ(skips_[0].second.held_by, "job:other");
  EXPECT_EQ(skips_[0].second.minutes, 60);
  release("i-a", "job:other");
  EXPECT_EQ(holder("i-a"), "") << "it has left the queue";
}

TEST_F(QueueTest, WithoutAWindowItIsAwsBackupsEightHours) {
  begin(inputFor(8), kExecution + "0");
  begin(inputFor(1));
  advance(std::chrono::minutes(479));
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  boot();
  advance(std::chrono::minutes(1));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.Skipped");
  EXPECT_NE(driver_.ended[kExecution].cause.find("run one0 held"), std::string::npos) << driver_.ended[kExecution].cause;
}

TEST_F(QueueTest, APlansJobExpires) {
  fleet_.planned = true;
  acquire("i-a", "job:other");
  begin(withWindow(inputFor(8), 60));
  advance(std::chrono::minutes(60));
  ASSERT_EQ(fleet_.jobs.size(), 1U);
  EXPECT_EQ(fleet_.jobs.begin()->second.state, "EXPIRED");
  EXPECT_EQ(fleet_.expired_since, clock_.now() - std::chrono::minutes(60)) << "its windows count from when it began to wait";
  const auto entry = entries().at(0).as_object();
  EXPECT_EQ(json::textOr(entry, "LaneStatus"), "SKIPPED");
  EXPECT_EQ(json::textOr(entry, "BackupJobStatus"), "EXPIRED");
  EXPECT_EQ(json::textOr(entry, "BackupJobId"), fleet_.jobs.begin()->first);
  EXPECT_EQ(rowOf("Status"), "SKIPPED");
}

TEST_F(QueueTest, SkippedIsNeverASuccessBesideGoodMachines) {
  acquire("i-a", "job:other");
  begin(withWindow(inputFor8({"i-a", "i-b"}), 60));
  for (const auto& job : openJobs()) endJob(job, "COMPLETED");
  advance(std::chrono::minutes(60));
  EXPECT_EQ(driver_.ended[kExecution].status, "FAILED");
  EXPECT_EQ(rowOf("Status"), "PARTIAL");
  EXPECT_EQ(rowOf("SkippedCount"), "1");
  EXPECT_EQ(rowOf("FailureMessage").substr(0, 14), "i-a: skipped: ");
  // One that was skipped and one that failed: the run is not SKIPPED.
  fleet_.machines["i-c"].online = false;
  begin(withWindow(inputFor8({"i-a", "i-c"}), 60), kExecution + "2");
  advance(std::chrono::seconds(11));
  advance(std::chrono::minutes(60));
  EXPECT_EQ(driver_.ended[kExecution + "2"].error, "Stillpoint.NoTarget") << "the first in time";
  EXPECT_EQ(rowOf("Status", kExecution + "2"), "FAILED");
}

TEST_F(QueueTest, AMachineIsGivenInOrderOfArrival) {
  acquire("i-a", "job:first");
  for (const auto* name : {"2", "3"}) begin(inputFor(8), kExecution + name);
  acquire("i-a", "job:fourth");
  begin(inputFor(8), kExecution + "5");
  std::vector<std::string> order;
  for (int i = 0; i < 5; ++i) {
    order.push_back(holder("i-a"));
    if (order.back().starts_with("job:")) release("i-a", order.back());
    else endJob(openJobs().at(0), "COMPLETED");
  }
  EXPECT_EQ(order, (std::vector<std::string>{"job:first", holderOf(kExecution + "2"), holderOf(kExecution + "3"), "job:fourth",
                                             holderOf(kExecution + "5")}));
}

TEST_F(QueueTest, NothingIsFrozenWithoutAPlaceAndAPlaceIsForTheBackupAlone) {
  places_->setMost(1);
  begin(inputFor(1));
  begin(inputFor(1, R"("TargetEC2Instances": ["i-b"])"), kExecution + "2");
  ASSERT_EQ(fleet_.commands.size(), 1U);
  endCommand(0, "Success");
  settlePower("i-a");
  EXPECT_EQ(fleet_.commands.size(), 0U) << "the second freezes nothing before its turn";
  endJob(openJobs().at(0), "COMPLETED");
  ASSERT_EQ(fleet_.commands.size(), 1U) << "while the first one's machine is started the second begins";
  EXPECT_EQ(fleet_.commands[0].order.instance, "i-b");
  endCommand(0, "Failed");
  EXPECT_EQ(use().held, 1) << "it owes its post-script";
  endCommand(0, "Success");
  EXPECT_EQ(use().held, 0);
}

TEST_F(QueueTest, AThousandMachinesLeaveRoomForOne) {
  most_places_ = 32;
  boot();
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(fmt::format("i-{:04}", i));
    fleet_.machines[many.back()] = {};
    fleet_.missing.insert(many.back());
  }
  fleet_.missing.insert("i-a");
  begin(inputFor8(many));
  EXPECT_EQ(use().held, 32);
  EXPECT_EQ(use().waiting, 968);
  EXPECT_EQ(fleet_.prepared.size(), 32U) << "repositories are made in the same order";
  begin(inputFor8({"i-a"}), kExecution + "2");
  EXPECT_EQ(use().waiting, 969);
  const auto made = [&](const std::string& instance) {
    fleet_.missing.erase(instance);
    run([&](store::Txn& txn) { lanes_->repositoryChanged(txn, instance); });
  };
  for (int i = 0; i < 32; ++i) made(many[static_cast<std::size_t>(i)]);
  ASSERT_EQ(openJobs().size(), 32U);
  // The next place that is free is the small run's, ahead of 968 that came before it; the server is not the same one any more.
  boot();
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_TRUE(fleet_.prepared.contains("i-a"));
  made("i-a");
  const auto small = std::ranges::find_if(fleet_.job_machine, [](const auto& job) { return job.second == "i-a"; });
  ASSERT_NE(small, fleet_.job_machine.end());
  endJob(small->first, "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution + "2"].status, "SUCCEEDED");
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  // All of the large one come too, in their order, and no place is lost on the way.
  std::vector<std::string> order;
  while (!driver_.ended.contains(kExecution)) {
    for (const auto& id : std::set<std::string>(fleet_.prepared))
      if (fleet_.missing.contains(id)) made(id);
    const auto open = openJobs();
    ASSERT_FALSE(open.empty());
    ASSERT_LE(open.size(), 32U);
    for (const auto& job : open) {
      order.push_back(fleet_.job_machine[job]);
      endJob(job, "COMPLETED");
    }
  }
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(order.size(), 999U);
  EXPECT_EQ(use().held, 0);
  EXPECT_EQ(use().waiting, 0);
}

TEST_F(QueueTest, WhoWaitsForAPlaceIsSkippedTooAndLeavesTheQueue) {
  places_->setMost(1);
  begin(inputFor8({"i-a"}));
  begin(withWindow(inputFor8({"i-b"}), 60), kExecution + "2");
  advance(std::chrono::minutes(60));
  EXPECT_EQ(driver_.ended[kExecution + "2"].error, "Stillpoint.Skipped");
  EXPECT_NE(driver_.ended[kExecution + "2"].cause.find("as many backups ran as may run at once"), std::string::npos);
  EXPECT_EQ(use().waiting, 0);
  EXPECT_EQ(holder("i-b"), "");
  ASSERT_EQ(skips_.size(), 1U);
  EXPECT_EQ(skips_[0].second.held_by, "");
}

TEST_F(QueueTest, AnAbortedRunLeavesItsPlacesAndTurns) {
  places_->setMost(1);
  begin(inputFor8({"i-a", "i-b"}));
  begin(inputFor8({"i-c"}), kExecution + "2");
  run([&](store::Txn& txn) { driver_.abort(txn, kExecution); });
  EXPECT_EQ(use().held, 1) << "its job has not ended yet";
  EXPECT_EQ(use().waiting, 1);
  endJob(openJobs().at(0), "ABORTED");
  ASSERT_EQ(openJobs().size(), 1U);
  EXPECT_EQ(fleet_.job_machine[openJobs().at(0)], "i-c");
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(use().held, 0);
}

TEST_F(QueueTest, WhileTheSpaceOfARepositoryIsFreedNoPlaceIsHeldAndTheWindowCounts) {
  places_->setMost(1);
  fleet_.repository_ready = false;
  fleet_.repository_maintained = true;
  begin(withWindow(inputFor8({"i-a"}), 60));
  EXPECT_EQ(use().held, 0);
  advance(std::chrono::minutes(60));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.Skipped");
  EXPECT_EQ(use().waiting, 0);
}

TEST_F(QueueTest, ARedrivenLaneThatWasSkippedWaitsAnew) {
  acquire("i-a", "job:other");
  begin(withWindow(inputFor8({"i-a"}), 60));
  advance(std::chrono::minutes(60));
  release("i-a", "job:other");
  redrive(withWindow(inputFor8({"i-a"}), 60));
  ASSERT_EQ(openJobs().size(), 1U);
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(rowOf("Status"), "SUCCEEDED");
  EXPECT_EQ(json::textOr(entries().at(0).as_object(), "LaneStatus"), "");
}

TEST_F(QueueTest, WhatIsOwedIsPaidWhileAnotherOnlyWaitsThere) {
  begin(inputFor(5));
  endCommand(0, "Success");
  endJob(openJobs().at(0), "COMPLETED");
  endCommand(0, "Failed");
  ASSERT_EQ(owedTo("i-a").size(), 1U) << "it is frozen";
  takePlace();
  begin(inputFor8({"i-a"}), kExecution + "2");
  EXPECT_EQ(holder("i-a"), holderOf(kExecution + "2"));
  advance(std::chrono::seconds(3));
  ASSERT_EQ(fleet_.commands.size(), 1U) << "the thaw does not wait for the other's turn";
  leavePlace();
  EXPECT_TRUE(openJobs().empty()) << "nor is the machine touched while it is thawed";
  EXPECT_EQ(use().held, 0) << "and nobody else is kept waiting";
  boot();
  advance(std::chrono::minutes(10));
  EXPECT_TRUE(openJobs().empty());
  endCommand(0, "Success");
  EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty());
  EXPECT_TRUE(owedTo("i-a").empty());
  advance(std::chrono::seconds(2));
  ASSERT_EQ(openJobs().size(), 1U);
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution + "2"].status, "SUCCEEDED");
  EXPECT_EQ(holder("i-a"), "");
}

TEST_F(QueueTest, WhatIsOwedWaitsForWhoIsAtWork) {
  begin(inputFor(5));
  endCommand(0, "Success");
  endJob(openJobs().at(0), "COMPLETED");
  endCommand(0, "Failed");
  begin(inputFor8({"i-a"}), kExecution + "2");
  ASSERT_EQ(openJobs().size(), 1U);
  advance(std::chrono::seconds(3));
  EXPECT_TRUE(fleet_.commands.empty());
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(fleet_.commands.size(), 1U);
}

TEST_F(QueueTest, APersonPaysWhileALaneOnlyWaits) {
  begin(inputFor(1));
  endCommand(0, "Success");
  settlePower("i-a");
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "stop", "me"); });
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(holder("i-a"), "") << "what is owed is suspended";
  takePlace();
  begin(inputFor8({"i-a"}), kExecution + "2");
  run([&](store::Txn& txn) { ledger_->payNow(txn, "i-a", "me"); });
  leavePlace();
  EXPECT_TRUE(openJobs().empty()) << "a machine on its way up is not read";
  settlePower("i-a");
  ASSERT_EQ(fleet_.commands.size(), 1U);
  endCommand(0, "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  advance(std::chrono::seconds(2));
  EXPECT_EQ(openJobs().size(), 1U);
}

TEST_F(QueueTest, ALaneOutlivesItsAgentsAbsenceWhileItsRepositoryIsMaintained) {
  fleet_.repository_ready = false;
  fleet_.repository_maintained = true;
  begin(inputFor8({"i-a"}));
  fleet_.machines["i-a"].online = false;
  for (int i = 0; i < 30; ++i) advance(std::chrono::seconds(1));
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  fleet_.machines["i-a"].online = true;
  fleet_.repository_ready = true;
  advance(std::chrono::seconds(2));
  EXPECT_EQ(openJobs().size(), 1U);
}

TEST_F(QueueTest, AfterAStartEveryLaneHasFreshPatience) {
  fleet_.missing.insert("i-b");
  fleet_.repository_ready = false;
  fleet_.repository_maintained = true;
  begin(inputFor8({"i-a", "i-b"}));
  fleet_.machines["i-a"].online = fleet_.machines["i-b"].online = false;
  clock_.advance(std::chrono::minutes(3));
  fleet_.repository_ready = true;
  boot();
  advance(std::chrono::seconds(30));
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  fleet_.machines["i-a"].online = fleet_.machines["i-b"].online = true;
  fleet_.missing.clear();
  advance(std::chrono::seconds(1));
  EXPECT_EQ(openJobs().size(), 2U);
  // But not for ever.
  fleet_.machines["i-c"].online = false;
  begin(inputFor8({"i-c"}), kExecution + "2");
  clock_.advance(std::chrono::minutes(3));
  boot();
  advance(std::chrono::seconds(61));
  EXPECT_EQ(driver_.ended[kExecution + "2"].error, "Stillpoint.NoTarget");
}

TEST_F(QueueTest, APlaceIsGivenBackWhenMaintenanceBegins) {
  places_->setMost(1);
  fleet_.missing.insert("i-a");
  begin(inputFor8({"i-a"}));
  EXPECT_EQ(use().held, 1);
  fleet_.missing.clear();
  fleet_.repository_ready = false;
  fleet_.repository_maintained = true;
  advance(std::chrono::seconds(1));
  EXPECT_EQ(use().held, 0);
  fleet_.repository_ready = true;
  advance(std::chrono::seconds(2));
  EXPECT_EQ(openJobs().size(), 1U);
}

TEST_F(QueueTest, AnAbortedRunsPlaceIsNotPassedOnAmongItsLanes) {
  places_->setMost(1);
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back(fmt::format("i-{:04}", i));
    fleet_.machines[many.back()] = {};
    fleet_.missing.insert(many.back());
  }
  begin(inputFor8(many));
  begin(inputFor8({"i-a"}), kExecution + "2");
  EXPECT_EQ(fleet_.prepared.size(), 1U);
  run([&](store::Txn& txn) { driver_.abort(txn, kExecution); });
  EXPECT_EQ(fleet_.prepared.size(), 1U) << "no repository is made for a run that has ended";
  EXPECT_EQ(openJobs().size(), 1U) << "the place is the other run's";
  EXPECT_EQ(use().waiting, 0);
}

TEST_F(QueueTest, AnOldPreflightDoesNotReserveForARedrivenLane) {
  fleet_.machines["i-a"].online = false;
  begin(inputFor8({"i-a"}));
  run([&](store::Txn& txn) { driver_.abort(txn, kExecution); });
  acquire("i-a", "job:other");
  fleet_.machines["i-a"].online = true;
  redrive(inputFor8({"i-a"}));
  advance(std::chrono::seconds(1));
  EXPECT_TRUE(openJobs().empty()) << "another holds the machine";
  release("i-a", "job:other");
  EXPECT_EQ(openJobs().size(), 1U);
}

TEST_F(QueueTest, AClockThatIsSetMovesNoWindow) {
  acquire("i-a", "job:other");
  begin(withWindow(inputFor8({"i-a"}), 60));
  for (const auto hours : {8, -16}) {
    clock_.jump(std::chrono::hours(hours));
    advance(std::chrono::minutes(15));
    EXPECT_FALSE(driver_.ended.contains(kExecution)) << hours;
  }
  boot();
  advance(std::chrono::minutes(29));
  EXPECT_FALSE(driver_.ended.contains(kExecution));
  advance(std::chrono::minutes(1));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.Skipped");
}

TEST_F(QueueTest, AClockThatIsSetHoldsUpNoPreflight) {
  fleet_.machines["i-a"].online = false;
  begin(inputFor8({"i-a"}));
  clock_.jump(std::chrono::hours(8));
  advance(std::chrono::seconds(5));
  EXPECT_FALSE(driver_.ended.contains(kExecution)) << "it has five more seconds";
  clock_.jump(-std::chrono::hours(8));
  fleet_.machines["i-a"].online = true;
  advance(std::chrono::seconds(1));
  EXPECT_EQ(openJobs().size(), 1U);
}

TEST_F(QueueTest, AClockThatIsSetBackHoldsUpNoThaw) {
  begin(inputFor(5));
  endCommand(0, "Success");
  endJob(openJobs().at(0), "COMPLETED");
  endCommand(0, "Failed");
  clock_.jump(-std::chrono::hours(8));
  advance(std::chrono::seconds(3));
  EXPECT_EQ(fleet_.commands.size(), 1U);
}

TEST_F(QueueTest, ACopyOfTheStateMachineMayTryAgainToReserve) {
  fleet_.machines["i-a"].online = false;
  driver_.retries = 1;
  begin(inputFor8({"i-a"}));
  advance(std::chrono::seconds(11));
  EXPECT_EQ(driver_.retries, 0);
  advance(std::chrono::seconds(9));
  fleet_.machines["i-a"].online = true;
  advance(std::chrono::seconds(1));
  ASSERT_EQ(openJobs().size(), 1U);
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED") << driver_.ended[kExecution].cause;
  // And after it was skipped.
  fleet_.planned = true;
  acquire("i-b", "job:other");
  driver_.retries = 1;
  begin(withWindow(inputFor8({"i-b"}), 60), kExecution + "2");
  advance(std::chrono::minutes(60));
  EXPECT_EQ(driver_.retries, 0);
  release("i-b", "job:other");
  ASSERT_EQ(openJobs().size(), 1U);
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution + "2"].status, "SUCCEEDED");
  EXPECT_EQ(rowOf("Status", kExecution + "2"), "SUCCEEDED");
}

TEST_F(QueueTest, APlaceBringsAnotherLookAtTheDriver) {
  takePlace();
  begin(inputFor8({"i-a"}));
  EXPECT_EQ(fleet_.looks["i-a"], 1);
  advance(std::chrono::hours(3));
  leavePlace();
  EXPECT_EQ(fleet_.looks["i-a"], 2);
  EXPECT_EQ(openJobs().size(), 1U);
}

TEST_F(QueueTest, ARestoreThatHoldsTheMachineIsCalledOne) {
  acquire("i-a", "restore:r");
  begin(withWindow(inputFor8({"i-a"}), 60));
  advance(std::chrono::minutes(60));
  EXPECT_NE(driver_.ended[kExecution].cause.find("restore job r held the machine"), std::string::npos) << driver_.ended[kExecution].cause;
}

}  // namespace
}  // namespace sp::services::stillpoint
