// Machines that wake themselves: what they are promised, how long they wait, and what their run makes of it.
#include "services/stillpoint/leases.h"

#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

using quiesce::Machine;

class LeasesTest : public LanesTest {
 protected:
  LeasesTest() { fleet_.machines["i-a"] = {}; }

  void freeze(int path) {
    begin(inputFor(path));
    endCommand(0, "Success");
    lane_ = laneNow();
  }
  Lane laneNow() {
    std::optional<Lane> lane;
    run([&](store::Txn& txn) { lane = loadLane(txn, kExecution, "i-a"); });
    return lane.value();
  }
  quiesce::Debt thaw() {
    std::optional<quiesce::Debt> debt;
    run([&](store::Txn& txn) { debt = loadDebt(txn, kExecution, "i-a", quiesce::DebtKind::thaw); });
    return debt.value();
  }
  /// The guard's thaw, whole; the agent says why.
  void wakes(const std::string& status) {
    ASSERT_TRUE(guardBegins("i-a"));
    endGuard(status);
  }
  void endGuard(const std::string& status) {
    const auto found = std::ranges::find_if(fleet_.commands, [](const auto& each) { return each.id.starts_with("promise-"); });
    ASSERT_NE(found, fleet_.commands.end());
    const auto command = std::move(*found);
    fleet_.commands.erase(found);
    if (status == "Success") fleet_.machines["i-a"].frozen.clear();
    ScriptEnd end{command.id, "i-a", status, status, "the lease of 300 s ended"};
    end.freeze = json::textOr(*command.order.freeze, "id");
    run([&](store::Txn& txn) { lanes_->commandEnded(txn, end); });
  }
  std::string openJob() {
    for (const auto& [id, job] : fleet_.jobs)
      if (!job.ended()) return id;
    return "";
  }
  std::string renewal() const { return fmt::format("freeze {} 300000", lane_.freeze->id); }
  std::ptrdiff_t renewals(const std::string& of) const { return std::ranges::count(fleet_.leases, of); }
  std::string word(const std::string& key) { return json::textOr(entries().at(0).as_object(), key); }

  Lane lane_;
};

TEST_F(LeasesTest, AFreezeGoesWithItsLeaseAndItsThaw) {
  begin(inputFor(1));
  const auto& order = fleet_.commands.at(0).order;
  const auto lease = order.freeze->at("lease").as_object();
  EXPECT_EQ(lease.at("leaseMs"), 300'000);
  EXPECT_EQ(lease.at("bootMs"), 120'000);
  EXPECT_EQ(lease.at("stops"), true);
  const auto& thaw = fleet_.promises.at(order.promise).first;
  EXPECT_EQ(thaw.script.command, "post");
  EXPECT_EQ(json::textOr(*thaw.freeze, "id"), json::textOr(*order.freeze, "id"));
  EXPECT_EQ(json::textOr(*thaw.freeze, "phase"), "thaw");
  EXPECT_EQ(thaw.environment.at("BACKUP_STATUS") + thaw.environment.at("PRE_STATUS"), "unknownunknown");
  EXPECT_TRUE(thaw.environment.at("JOB_ID").empty() && thaw.environment.at("RECOVERY_POINT").empty());
  endCommand(0, "Success");
  EXPECT_EQ(fleet_.stop_lease, std::chrono::seconds(300));
}

TEST_F(LeasesTest, WithoutAPostScriptNothingIsPromised) {
  begin(inputFor(6));
  EXPECT_TRUE(fleet_.promises.empty());
  EXPECT_FALSE(fleet_.commands.at(0).order.freeze->contains("lease"));
}

TEST_F(LeasesTest, AShortLeaseIsTheBootsToo) {
  ledger_->leases().setLength(std::chrono::seconds(3));
  begin(inputFor(5));
  const auto lease = fleet_.commands.at(0).order.freeze->at("lease").as_object();
  EXPECT_EQ(lease.at("leaseMs"), 3000);
  EXPECT_EQ(lease.at("bootMs"), 3000);
  EXPECT_EQ(lease.at("stops"), false);
}

TEST_F(LeasesTest, APostScriptThatCannotBePromisedIsAPreScriptThatIsNotSent) {
  fleet_.refuse_promise = true;
  begin(inputFor(5));
  EXPECT_TRUE(fleet_.commands.empty());
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PreScriptFailed");
  EXPECT_NE(word("FailureMessage").find("its post-script could not be sent with it: no such object"), std::string::npos);
  EXPECT_TRUE(owedTo("i-a").empty());
  fleet_.refuse_promise = false;
  fleet_.refuse_send = true;
  begin(inputFor(5), kExecution + "2");
  EXPECT_TRUE(fleet_.promises.empty());
}

TEST_F(LeasesTest, ItIsRenewedWhileTheThawIsOwedAcrossRestarts) {
  freeze(5);
  for (int i = 0; i < 9; ++i) {
    if (i == 4) boot();
    const auto before = renewals(renewal());
    advance(std::chrono::seconds(100));
    EXPECT_EQ(renewals(renewal()), before + 1) << i;
  }
  // At once when its agent is there again.
  const auto before = renewals(renewal());
  run([&](store::Txn& txn) { ledger_->leases().connected(txn, "i-b"); });
  EXPECT_EQ(renewals(renewal()), before);
  run([&](store::Txn& txn) { ledger_->leases().connected(txn, "i-a"); });
  EXPECT_EQ(renewals(renewal()), before + 1);
  endJob(openJob(), "COMPLETED");
  endCommand(0, "Success");
  EXPECT_TRUE(fleet_.promises.empty());
  fleet_.leases.clear();
  advance(std::chrono::hours(1));
  run([&](store::Txn& txn) { ledger_->leases().connected(txn, "i-a"); });
  EXPECT_TRUE(fleet_.leases.empty());
}

TEST_F(LeasesTest, ItIsRenewedWhileThePreScriptRuns) {
  begin(inputFor(5));
  lane_ = laneNow();
  advance(std::chrono::seconds(1000));
  EXPECT_GE(renewals(renewal()), 1);
  fleet_.machines["i-a"].guards = false;
  endCommand(0, "Success");
  fleet_.leases.clear();
  advance(std::chrono::seconds(1000));
  EXPECT_TRUE(fleet_.leases.empty()) << "nobody there guards it";
  EXPECT_EQ(fleet_.job_freeze[openJob()], "");
}

TEST_F(LeasesTest, AClockThatIsSetKeepsNobodyWaiting) {
  freeze(5);
  advance(std::chrono::seconds(100));
  fleet_.leases.clear();
  clock_.jump(-std::chrono::hours(24));
  core_->runPending();
  EXPECT_EQ(renewals(renewal()), 1);
  advance(std::chrono::seconds(100));
  EXPECT_EQ(renewals(renewal()), 2);
}

TEST_F(LeasesTest, AStartIsRenewedToWhoHoldsTheDriver) {
  begin(inputFor(4));
  settlePower("i-a");
  advance(std::chrono::seconds(100));
  EXPECT_EQ(renewals("start i-a 300000"), 1);
  boot();
  run([&](store::Txn& txn) { ledger_->leases().connected(txn, "host"); });
  EXPECT_EQ(renewals("start i-a 300000"), 2);
  endJob(openJob(), "COMPLETED");
  settlePower("i-a");
  EXPECT_EQ(renewals("start i-a over"), 1);
  fleet_.leases.clear();
  advance(std::chrono::hours(1));
  EXPECT_TRUE(fleet_.leases.empty());
}

TEST_F(LeasesTest, AMachineThatAPersonStoppedIsNotStartedByItsHolder) {
  begin(inputFor(4));
  settlePower("i-a");
  fleet_.leases.clear();
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "stop", "arn:alice"); });
  EXPECT_EQ(fleet_.leases, std::vector<std::string>{"start i-a over"});
  advance(std::chrono::hours(1));
  EXPECT_EQ(fleet_.leases.size(), 1U);
}

TEST_F(LeasesTest, AMachineThatWokeInMidReadFailsItsBackupAndIsOwedNothing) {
  freeze(5);
  const auto job = openJob();
  EXPECT_EQ(fleet_.job_freeze[job], lane_.freeze->id);
  ASSERT_TRUE(guardBegins("i-a"));
  EXPECT_NE(fleet_.job_woken[job].find("promise-"), std::string::npos);
  boot();
  endGuard("Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  const auto command = laneNow().post_command;
  EXPECT_TRUE(command.starts_with("promise-"));
  EXPECT_EQ(thaw().by, "the machine's own guard, command " + command);
  EXPECT_TRUE(fleet_.promises.empty());
  endJob(job, "FAILED");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.BackupFailed");
  EXPECT_TRUE(fleet_.commands.empty()) << "nothing is sent to a machine that is awake";
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  EXPECT_EQ(word("PostCommandId"), command);
  EXPECT_EQ(word("Warning"), fmt::format("the machine woke itself (command {}): the lease of 300 s ended", command));
  EXPECT_EQ(holder("i-a"), "");
}

TEST_F(LeasesTest, AMachineThatWokeBeforeItsReadIsNotRead) {
  driver_.waits_before = "runBackupJob";
  freeze(5);
  wakes("Success");
  driver_.waits_before.clear();
  run([&](store::Txn& txn) { driver_.goOn(txn); });
  EXPECT_TRUE(fleet_.jobs.empty());
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.BackupFailed");
  EXPECT_NE(word("FailureMessage").find("the machine woke itself before it could be read"), std::string::npos);
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  EXPECT_EQ(word("BackupJobStatus"), "FAILED");
}

TEST_F(LeasesTest, AMachineThatIsReadStoppedIsReadOn) {
  freeze(1);
  settlePower("i-a");
  const auto job = openJob();
  EXPECT_EQ(fleet_.job_freeze[job], "") << "there is nothing to ask";
  endJob(job, "COMPLETED");
  settlePower("i-a");
  ASSERT_EQ(fleet_.commands.size(), 1U) << "the lane's own thaw";
  // The machine's boot was faster.
  wakes("Success");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(fleet_.rows[kExecution]["Status"], "WARNING");
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  // The agent answers the lane's with what it knows.
  endCommand(0, "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
}

TEST_F(LeasesTest, AWakeThatFailedIsToldAndPaidOn) {
  freeze(5);
  wakes("Failed");
  EXPECT_EQ(thaw().state, quiesce::DebtState::open);
  EXPECT_NE(thaw().last_error.find("the machine's own guard, command promise-"), std::string::npos) << thaw().last_error;
  EXPECT_NE(thaw().last_error.find("the lease of 300 s ended"), std::string::npos);
  // It tries again, and so does the lane.
  endJob(openJob(), "FAILED");
  ASSERT_EQ(fleet_.commands.size(), 1U);
  endCommand(0, "Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_NE(word("Warning").find("the machine tried to wake itself (command promise-"), std::string::npos) << word("Warning");
}

TEST_F(LeasesTest, AfterTheRunsEndAWakePaysToo) {
  freeze(5);
  endJob(openJob(), "COMPLETED");
  endCommand(0, "Failed");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PostScriptFailed");
  EXPECT_EQ(owedTo("i-a").size(), 1U);
  wakes("Success");
  EXPECT_TRUE(owedTo("i-a").empty());
  EXPECT_EQ(word("PostBackupScriptStatus"), "Success");
  EXPECT_NE(word("Warning").find("the machine woke itself"), std::string::npos);
  EXPECT_EQ(holder("i-a"), "");
}

TEST_F(LeasesTest, AThawThatTheServerCannotPayIsTheMachinesToTry) {
  freeze(5);
  endJob(openJob(), "COMPLETED");
  endCommand(0, "Failed");
  fleet_.leases.clear();
  advance(std::chrono::hours(1));
  EXPECT_EQ(renewals(renewal()), 0) << "what the machine holds may be whole";
  EXPECT_EQ(owedTo("i-a").size(), 1U);
}

TEST_F(LeasesTest, AWakeOfAnotherFreezeChangesNothing) {
  freeze(5);
  ASSERT_TRUE(guardBegins("i-a"));
  const auto found = std::ranges::find_if(fleet_.commands, [](const auto& each) { return each.id.starts_with("promise-"); });
  ASSERT_NE(found, fleet_.commands.end());
  // A redrive has given the lane another freeze since.
  run([&](store::Txn& txn) {
    auto lane = loadLane(txn, kExecution, "i-a").value();
    lane.freeze->id = "frz-later";
    saveLane(txn, lane);
    auto debt = loadDebt(txn, kExecution, "i-a", quiesce::DebtKind::thaw).value();
    debt.freeze_id = "frz-later";
    saveDebt(txn, debt);
  });
  endGuard("Success");
  EXPECT_EQ(thaw().state, quiesce::DebtState::open);
  EXPECT_EQ(laneNow().post, "");
}

TEST_F(LeasesTest, OfManyTriesTheFirstAndTheLatestAreTold) {
  freeze(5);
  for (int i = 0; i < 5; ++i) wakes("Failed");
  const auto warnings = laneNow().warnings;
  EXPECT_EQ(warnings.size(), 2U);
}

TEST_F(LeasesTest, AHolderThatMissedAPersonsStopHearsOfItLater) {
  begin(inputFor(4));
  settlePower("i-a");
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "stop", "arn:alice"); });
  fleet_.leases.clear();
  run([&](store::Txn& txn) { ledger_->leases().connected(txn, "host"); });
  EXPECT_EQ(fleet_.leases, std::vector<std::string>{"start i-a over"});
  // The stop itself may have come after the word.
  run([&](store::Txn& txn) { lanes_->powerSettled(txn, "i-a", ""); });
  EXPECT_EQ(renewals("start i-a over"), 2);
}

TEST_F(LeasesTest, AStartThatAPersonAsksForIsKeptByItsHolderAgain) {
  begin(inputFor(4));
  settlePower("i-a");
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "stop", "arn:alice"); });
  advance(std::chrono::hours(1));
  fleet_.leases.clear();
  run([&](store::Txn& txn) { ledger_->payNow(txn, "i-a", "arn:alice"); });
  advance(std::chrono::seconds(100));
  EXPECT_GE(renewals("start i-a 300000"), 1);
}

TEST_F(LeasesTest, ATerminatedMachineIsPromisedNothing) {
  freeze(5);
  fleet_.machines["i-a"].state = Machine::gone;
  run([&](store::Txn& txn) { lanes_->personActed(txn, "i-a", "terminate", "arn:alice"); });
  EXPECT_TRUE(fleet_.promises.empty());
}

}  // namespace
}  // namespace sp::services::stillpoint
