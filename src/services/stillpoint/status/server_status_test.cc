#include "services/stillpoint/status/server_status.h"

#include <gtest/gtest.h>

namespace sp::services::stillpoint {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30U;

ServerStatus aStatus() {
  ServerStatus status;
  status.version = "9.8";
  status.started = fromMicros(1'700'000'000'000'000);
  status.now = status.started + std::chrono::hours(5);
  status.data_dir = "/srv/data";
  status.file_systems.push_back({"/srv/data", {100 * kGiB, 50 * kGiB, 1}, status.now});
  status.output_quota = 10 * kGiB;
  status.output_free_floor = kGiB;
  status.survey.counted = status.now;
  status.survey.host_agent = true;
  return status;
}

/// "CODE: message" of each.
std::vector<std::string> warnings(const ServerStatus& status) {
  std::vector<std::string> found;
  for (const auto& each : warningsOf(status)) found.push_back(each.code + ": " + each.message);
  return found;
}

std::string only(const ServerStatus& status) {
  const auto found = warnings(status);
  EXPECT_EQ(found.size(), 1U);
  return found.empty() ? "" : found.front();
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(ServerStatus, NothingIsWrong) { EXPECT_TRUE(warnings(aStatus()).empty()); }

TEST(ServerStatus, ADiskIsNearlyFullBelowATwentieth) {
  auto status = aStatus();
  status.file_systems.front().disk.free_bytes = 5 * kGiB;
  EXPECT_TRUE(warnings(status).empty());
  status.file_systems.front().disk.free_bytes = 5 * kGiB - 1;
  const auto told = only(status);
  EXPECT_TRUE(told.starts_with("DiskNearlyFull: the disk with /srv/data has 5119 MiB of 102400 MiB free")) << told;
  EXPECT_FALSE(isNearlyFull({0, 0, 1}));
}

TEST(ServerStatus, AFolderWithADiskOfItsOwnIsNamed) {
  auto status = aStatus();
  status.file_systems.push_back({"/srv/data/vaults", {kGiB, 0, 2}, status.now});
  EXPECT_TRUE(has(only(status), "the disk with /srv/data/vaults has 0 MiB of 1024 MiB free"));
}

TEST(ServerStatus, OutputsThatAreNotKeptWhole) {
  auto status = aStatus();
  status.output_bytes = 9 * kGiB;
  EXPECT_TRUE(warnings(status).empty());
  status.output_bytes = 10 * kGiB - 1;
  EXPECT_TRUE(only(status).starts_with("ScriptOutputsLimited: outputs of scripts have 10239 MiB of the 10240 MiB"));
  status.output_bytes = 0;
  status.output_free_floor = 51 * kGiB;
  EXPECT_TRUE(has(only(status), "output_free_bytes"));
}

TEST(ServerStatus, DebtsThatARunPaysOnItsWayAreNotWrong) {
  auto status = aStatus();
  status.survey.debts_open = 3;
  status.survey.oldest_debt = status.started;
  EXPECT_TRUE(warnings(status).empty());
  status.survey.debts_overdue = 1;
  status.survey.oldest_overdue = status.started + std::chrono::minutes(1);
  const auto told = only(status);
  EXPECT_TRUE(told.starts_with("DebtsOverdue: 1 start or thaw is owed")) << told;
  EXPECT_TRUE(has(told, "the oldest since 2023-11-14T22:14:20Z")) << told;
  status.survey.debts_overdue = 0;
  status.survey.debts_suspended = 2;
  EXPECT_TRUE(only(status).starts_with("DebtsSuspended: 2 debts are suspended"));
}

TEST(ServerStatus, LostAgentsAreNamedUpToThree) {
  auto status = aStatus();
  status.survey.agents_lost = {"i-1"};
  EXPECT_EQ(only(status), "AgentsLost: 1 running machine's agent is not connected any more: i-1. See `stillpoint instance list`");
  status.survey.agents_lost = {"i-1", "i-2", "i-3", "i-4", "i-5"};
  EXPECT_TRUE(has(only(status), "i-1, i-2, i-3 and 2 more"));
  status.now = status.started + std::chrono::seconds(7);
  EXPECT_TRUE(has(only(status), "started 7 s ago"));
}

TEST(ServerStatus, TheHostsAgentIsMissed) {
  auto status = aStatus();
  status.survey.host_agent = false;
  const auto told = only(status);
  EXPECT_TRUE(told.starts_with("HostAgentLost: ") && has(told, "/srv/data/host-agent/agent.log")) << told;
}

TEST(ServerStatus, TheDiskComesFirst) {
  auto status = aStatus();
  status.file_systems.front().disk.free_bytes = 0;
  status.survey.debts_overdue = status.survey.debts_suspended = 1;
  status.survey.agents_lost = {"i-1"};
  status.survey.host_agent = false;
  std::vector<std::string> codes;
  for (const auto& each : warningsOf(status)) codes.push_back(each.code);
  EXPECT_EQ(codes, (std::vector<std::string>{"DiskNearlyFull", "ScriptOutputsLimited", "DebtsOverdue", "DebtsSuspended", "HostAgentLost",
                                             "AgentsLost"}));
}

TEST(ServerStatus, WhatWasNotCountedIsLeftOut) {
  auto status = aStatus();
  auto shape = shapeOf(status);
  EXPECT_EQ(json::textOr(shape, "Version"), "9.8");
  EXPECT_EQ(json::find(shape, "Objects"), nullptr);
  EXPECT_EQ(json::find(shape, "Vaults"), nullptr);
  status.vaults = {4096, 2, {}, status.started};
  shape = shapeOf(status);
  EXPECT_EQ(json::toText(*json::find(shape, "Vaults")), R"({"Bytes":4096,"Files":2,"CountedAt":"2023-11-14T22:13:20.000Z"})");
  EXPECT_EQ(json::toText(*json::find(shape, "Debts")), R"({"Open":0,"Overdue":0,"Suspended":0})");
}

}  // namespace
}  // namespace sp::services::stillpoint
