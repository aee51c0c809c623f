#include "services/stillpoint/report.h"

#include <gtest/gtest.h>

#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

Run aRun() {
  Run run;
  run.execution = kExecution;
  run.started = fromMicros(1'700'000'000'000'000);
  run.ended = run.started + std::chrono::seconds(90);
  run.input = *parseInput(*json::parse(inputFor(1)));
  return run;
}

LaneReport aLane(int index, bool failed) {
  LaneReport report;
  report.lane.execution = kExecution;
  report.lane.instance = fmt::format("i-{:017x}", index);
  report.lane.index = index;
  report.lane.reserved = true;
  report.lane.backup = failed ? "FAILED" : "COMPLETED";
  if (failed) report.lane.failure = {index + 1, "Stillpoint.BackupFailed", "backup", std::string(200, 'x')};
  return report;
}

TEST(Report, TheRowBeginsWithTheSeedsSevenKeys) {
  auto lane = aLane(0, false);
  lane.lane.pre = "Success";
  lane.lane.stop = "stopped";
  lane.lane.start = "running";
  lane.lane.post = "Success";
  const auto row = makeRow(aRun(), {lane});
  EXPECT_EQ(
      row.at("Workflow_Overall_Status"),
      R"([{"InstanceId":"i-00000000000000000","PreBackupScriptStatus":"Success","StopEc2InstanceStatus":"stopped","BackupJobStatus":"COMPLETED",)"
      R"("PostBackupScriptStatus":"Success","StartEc2InstanceStatus":"running","FailureMessage":""}])");
  EXPECT_EQ(row.at("StartTime"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(row.at("EndTime"), "2023-11-14T22:14:50.000Z");
  EXPECT_EQ(row.at("Status"), "SUCCEEDED");
  EXPECT_EQ(row.at("FailureMessage"), "");
  EXPECT_EQ(row.at("Path"), "1");
}

TEST(Report, AboveTheLimitFailedMachinesAndCountsAreKept) {
  std::vector<LaneReport> lanes;
  for (int i = 0; i < 2000; ++i) lanes.push_back(aLane(i, i % 10 == 0));
  const auto row = makeRow(aRun(), lanes);
  const auto kept = json::parse(row.at("Workflow_Overall_Status"))->as_array();
  EXPECT_EQ(kept.size(), 200U);
  EXPECT_LE(row.at("Workflow_Overall_Status").size(), 350U * 1024U);
  EXPECT_EQ(row.at("LeftOutCount"), "1800");
  EXPECT_EQ(row.at("TargetCount"), "2000");
  EXPECT_EQ(row.at("FailedCount"), "200");
  EXPECT_EQ(row.at("Status"), "PARTIAL");
}

TEST(Report, TheCauseStaysBelowTheLimitOfAnExecution) {
  std::vector<LaneReport> lanes;
  for (int i = 0; i < 2000; ++i) lanes.push_back(aLane(i, true));
  const auto report = makeReport(aRun(), lanes);
  EXPECT_LE(report.cause.size(), 32'768U);
  EXPECT_EQ(report.status, "FAILED");
  const auto cause = json::parse(report.cause)->as_object();
  EXPECT_EQ(static_cast<std::int64_t>(cause.at("targets").as_array().size()) + cause.at("more").as_int64(), 2000);
}

TEST(Report, AMachineWithoutABackupIsNotGood) {
  auto run = aRun();
  auto lane = aLane(0, false).lane;
  EXPECT_EQ(withoutBackup(run, lane), "");
  lane.backup = "PARTIAL";
  EXPECT_EQ(withoutBackup(run, lane), "");
  lane.backup = "ABORTED";
  lane.job = "j";
  EXPECT_EQ(withoutBackup(run, lane), "job j ended as ABORTED");
  lane.job_open = true;
  EXPECT_EQ(withoutBackup(run, lane), "job j had not ended when the run did");
  Lane idle;
  EXPECT_EQ(withoutBackup(run, idle), "the machine was not backed up; its lane came to no step");
  idle.left_out = true;
  EXPECT_EQ(withoutBackup(run, idle), "");
  idle.left_out = false;
  idle.failure = {1, "Stillpoint.StopFailed", "stop", "x"};
  EXPECT_EQ(withoutBackup(run, idle), "") << "told already";
  idle.failure = {};
  run.failure = {1, "Stillpoint.VaultNotFound", "preflight", "x"};
  EXPECT_EQ(withoutBackup(run, idle), "") << "no lane began";
  run.failure = {};
  run.input->rehearsal = true;
  EXPECT_EQ(withoutBackup(run, idle), "");
}

TEST(Report, FrozenSecondsRunUntilTheThaw) {
  auto lane = aLane(0, false).lane;
  const auto at = fromMicros(1'000'000'000);
  EXPECT_EQ(frozenSeconds(lane, at), 0);
  lane.frozen_at = at;
  EXPECT_EQ(frozenSeconds(lane, at + std::chrono::milliseconds(1500)), 1.5);
  lane.thawed_at = at + std::chrono::seconds(2);
  EXPECT_EQ(frozenSeconds(lane, at + std::chrono::hours(1)), 2);
}

}  // namespace
}  // namespace sp::services::stillpoint
