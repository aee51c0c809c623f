// A backup's restic and its agent, each killed when it suits least. restic is a script of the test's here; tests/api/test_backup.py has
// the real one.
#include "agent/backup/backup_runner.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using testing::until;

constexpr std::string_view kSecret = "the-credential-of-the-job";
constexpr std::string_view kKey = "the-key-of-the-repository";
constexpr const char* kId = "job/1";

class BackupRunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"bin", "state", "said"}) ASSERT_TRUE(os::makeDirectories(file(name)));
    for (const char* name : {"ca.pem", "cert.pem", "key.pem"}) ASSERT_TRUE(os::writeFile(file(fmt::format("state/{}", name)), name));
    ASSERT_TRUE(os::writeFile(file("state/endpoint"), "127.0.0.1:1\n"));
    // Each start leaves its pid; then it waits for `ending`, which says how it ends.
    ASSERT_TRUE(os::writeFile(file("bin/restic"),
                              fmt::format(R"(#!/bin/sh
cd '{}'
trap 'echo interrupted >> events; exit 130' INT
cat /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/7 | tr '\0' '\n' > given
echo '{{"message_type":"status","percent_done":0.25,"total_files":4,"files_done":1,"total_bytes":400,"bytes_done":100}}'
echo $$ >> pids
while [ ! -e ending ]; do sleep 0.02; done
. ./ending
)",
                                          file("said")),
                              0700));
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", (file("bin") + ":" + old_path_).c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", old_path_.c_str(), 1);
    agent_.kill();
    if (!fs::exists(file("said/ending"))) endsWith("exit 9");
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  json::Object request(std::int64_t stall_ms = 600'000) const {
    return {{"type", "backup.run"},
            {"id", kId},
            {"instance", "i-0123456789abcdef0"},
            {"paths", json::Array{file("said")}},
            {"user", "1"},
            {"secret", kSecret},
            {"key", kKey},
            {"repository", "/vault/V/i-1/"},
            {"stallMs", stall_ms}};
  }
  std::vector<pid_t> pids() const {
    std::vector<pid_t> out;
    std::ifstream in(file("said/pids"));
    for (pid_t pid = 0; in >> pid;) out.push_back(pid);
    return out;
  }
  bool begun(std::size_t times = 1) const {
    return until([&] { return pids().size() == times; });
  }
  /// Written aside first: it may be read at any moment.
  void endsWith(const std::string& text) const {
    ASSERT_TRUE(os::writeFile(file("said/ending.new"), text + "\n"));
    fs::rename(file("said/ending.new"), file("said/ending"));
  }
  void endsWell() const { endsWith(R"(echo '{"message_type":"summary","total_files_processed":4,"total_bytes_processed":400}'; exit 0)"); }
  std::string runFile(const std::string& name) const { return file("state/runs/job%2F1/restic/" + name); }
  bool statusWritten() const {
    return until([&] { return os::readFile(runFile("status")).value_or("").find("reason") != std::string::npos; });
  }
  std::optional<json::Object> result() { return agent_.await("backup.result", kId); }
  void expectCompleted() {
    const auto told = result();
    ASSERT_TRUE(told);
    EXPECT_EQ(json::textOr(*told, "state"), "COMPLETED") << json::toText(*told);
    EXPECT_EQ(json::intOr(*told, "bytesProcessed", 0), 400);
  }

  testing::TempFolder folder_;
  testing::LineAgent agent_{folder_.path() + "/state"};
  std::string old_path_;
};

TEST_F(BackupRunnerTest, SecretsComeByDescriptorAndStandNowhere) {
  agent_.start();
  agent_.send(request());
  ASSERT_TRUE(begun());
  EXPECT_EQ(os::readFile(file("said/given")).value_or(""),
            fmt::format("rest:https://1:{}@127.0.0.1:1/vault/V/i-1/{}\n{}\n", kSecret, kKey, file("said")));
  std::string seen;
  for (const char* name : {"cmdline", "environ"}) seen += os::readFile(fmt::format("/proc/{}/{}", pids()[0], name)).value_or("");
  for (const auto& entry : fs::recursive_directory_iterator(file("state"))) {
    // Its supervisor's program is of no interest.
    if (entry.is_regular_file() && entry.file_size() < 300'000) seen += os::readFile(entry.path()).value_or("");
  }
  EXPECT_NE(seen.find("restic"), std::string::npos);
  EXPECT_NE(seen.find("/vault/V/i-1/"), std::string::npos) << "the journal was read";
  EXPECT_EQ(seen.find(kSecret), std::string::npos);
  EXPECT_EQ(seen.find(kKey), std::string::npos);
  endsWell();
  expectCompleted();
  agent_.send({{"type", "settled"}, {"id", kId}});
  EXPECT_TRUE(until([&] { return !fs::exists(file("state/runs/job%2F1")); }));
}

TEST_F(BackupRunnerTest, ItRunsOnceWhereverItsAgentIsKilled) {
  for (const char* point : {"agent.restic.starting", "agent.restic.started", "agent.restic.ended", "agent.backup_done"}) {
    SCOPED_TRACE(point);
    fs::remove_all(file("state/journal"));
    for (const char* name : {"pids", "ending"}) fs::remove(file("said") + "/" + name);
    agent_.start(fmt::format("{} kill 1\n", point));
    agent_.send(request());
    if (std::string_view(point).ends_with("ed") || std::string_view(point).ends_with("done")) endsWell();
    ASSERT_TRUE(agent_.died());
    endsWell();
    agent_.start();
    // As the server does, should it be needed.
    agent_.send(request());
    expectCompleted();
    EXPECT_EQ(pids().size(), 1U);
    agent_.send({{"type", "settled"}, {"id", kId}});
    EXPECT_TRUE(until([&] { return !fs::exists(file("state/runs/job%2F1")); }));
    agent_.kill();
  }
}

TEST_F(BackupRunnerTest, TheNextAgentsFollowItAndItsProgressGoesOn) {
  agent_.start();
  agent_.send(request());
  ASSERT_TRUE(begun());
  agent_.kill();
  agent_.start("agent.restic.adopted kill 1\n");
  ASSERT_TRUE(agent_.died());
  agent_.start();
  const auto progress = agent_.await("progress", kId);
  ASSERT_TRUE(progress);
  EXPECT_EQ(json::find(*progress, "percent")->to_number<double>(), 25.0) << json::toText(*progress);
  endsWell();
  expectCompleted();
  EXPECT_EQ(pids().size(), 1U);
}

TEST_F(BackupRunnerTest, WhatEndedWhileNoAgentWasThereIsTakenFromDisk) {
  agent_.start();
  agent_.send(request());
  ASSERT_TRUE(begun());
  agent_.kill();
  endsWith(R"(echo '{"message_type":"error","item":"/a"}' >&2; echo '{"message_type":"error","item":"/b"}' >&2
echo '{"message_type":"summary","total_files_processed":4,"total_bytes_processed":400}'; exit 3)");
  ASSERT_TRUE(statusWritten());
  agent_.start();
  const auto told = result();
  ASSERT_TRUE(told);
  EXPECT_EQ(json::textOr(*told, "state"), "PARTIAL");
  EXPECT_EQ(json::intOr(*told, "failedCount", 0), 2);
  EXPECT_EQ(json::toText(*json::find(*told, "failedFiles")), R"(["/a","/b"])");
  EXPECT_EQ(pids().size(), 1U);
}

TEST_F(BackupRunnerTest, ItIsCancelledByTheNextAgentOrByWhatThisOneWasToldLast) {
  agent_.start();
  agent_.send(request());
  ASSERT_TRUE(begun());
  agent_.kill();
  agent_.start();
  agent_.send({{"type", "cancel"}, {"id", "cancel/1"}, {"target", kId}});
  const auto told = result();
  ASSERT_TRUE(told);
  EXPECT_EQ(json::textOr(*told, "state"), "ABORTED");
  EXPECT_EQ(os::readFile(file("said/events")).value_or(""), "interrupted\n") << "asked by SIGINT, once";
  EXPECT_TRUE(until([&] { return os::processStartTime(pids()[0]) == 0; }));
}

TEST_F(BackupRunnerTest, AStallEndsAFollowedOneToo) {
  agent_.start();
  agent_.send(request(3'000));
  ASSERT_TRUE(begun());
  agent_.kill();
  agent_.start();
  const auto told = result();
  ASSERT_TRUE(told);
  EXPECT_EQ(json::textOr(*told, "state"), "FAILED");
  EXPECT_TRUE(json::textOr(*told, "message").starts_with("No byte moved and no file was finished for 3 seconds."));
  EXPECT_EQ(os::readFile(file("said/events")).value_or(""), "interrupted\n");
  EXPECT_TRUE(fs::exists(runFile("stalled"))) << "an agent killed meanwhile would have known why it ended";
  EXPECT_EQ(pids().size(), 1U);
}

TEST_F(BackupRunnerTest, KilledWithItsSupervisorItRunsAnew) {
  const auto killBoth = [&](std::size_t which) {
    const auto supervisor = os::readFile(runFile("pid")).value_or("");
    ::kill(static_cast<pid_t>(parseInt(std::string_view(supervisor).substr(0, supervisor.find(' '))).value_or(0)), SIGKILL);
    EXPECT_TRUE(until([&] { return os::processStartTime(pids()[which]) == 0; })) << "it does not outlive its supervisor";
  };
  agent_.start();
  agent_.send(request());
  ASSERT_TRUE(begun());
  killBoth(0);
  ASSERT_TRUE(begun(2)) << "by the agent that followed it";
  agent_.kill();
  killBoth(1);
  agent_.start();
  EXPECT_TRUE(
      agent_.await([](const json::Object& message) { return json::textOr(message, "message") == "Waiting for the job's credential."; }));
  agent_.send(request());
  ASSERT_TRUE(begun(3)) << "by an agent that finds nothing to follow";
  endsWell();
  expectCompleted();
}

TEST_F(BackupRunnerTest, AResticThatWasKilledFails) {
  agent_.start();
  agent_.send(request());
  ASSERT_TRUE(begun());
  ::kill(pids()[0], SIGKILL);
  const auto told = result();
  ASSERT_TRUE(told);
  EXPECT_EQ(json::textOr(*told, "state"), "FAILED");
  EXPECT_EQ(json::textOr(*told, "message"), "restic ended with signal 9 (Killed): ");
}

}  // namespace
}  // namespace sp::agent
