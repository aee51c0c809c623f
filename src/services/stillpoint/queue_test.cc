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
  run([&](store::Txn& txn) {
    EXPECT_EQ(Lanes::redrivePlan(txn, kExecution).refused, "");
    lanes_->redriven(txn, kExecution);
    driver_.ended.erase(kExecution);
    driver_.begin(txn, kExecution, *json::parse(withWindow(inputFor8({"i-a"}), 60)));
  });
  ASSERT_EQ(openJobs().size(), 1U);
  endJob(openJobs().at(0), "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution].status, "SUCCEEDED");
  EXPECT_EQ(rowOf("Status"), "SUCCEEDED");
  EXPECT_EQ(json::textOr(entries().at(0).as_object(), "LaneStatus"), "");
}

}  // namespace
}  // namespace sp::services::stillpoint
