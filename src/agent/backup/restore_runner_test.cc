// A restore that fails and its agent, killed when it suits least. restic is a script of the test's here; tests/api/test_backup.py has the
// real one.
#include "agent/backup/restore_runner.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr const char* kId = "restore/1";

class RestoreRunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"bin", "state"}) ASSERT_TRUE(os::makeDirectories(file(name)));
    for (const char* name : {"ca.pem", "cert.pem", "key.pem"}) ASSERT_TRUE(os::writeFile(file(fmt::format("state/{}", name)), name));
    ASSERT_TRUE(os::writeFile(file("state/endpoint"), "127.0.0.1:1\n"));
    // The folder after --target gets two files.
    ASSERT_TRUE(os::writeFile(file("bin/restic"), R"(#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/srv/data" "$2/etc"
echo one > "$2/srv/data/one"
echo two > "$2/etc/two"
)",
                              0700));
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", (file("bin") + ":" + old_path_).c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", old_path_.c_str(), 1);
    agent_.kill();
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  std::string aside() const { return file("restored/.stillpoint-restore%2F1"); }
  json::Object request(const json::Array& paths = {}, bool in_place = false) const {
    return {{"type", "restore.run"}, {"id", kId},           {"instance", "host"},
            {"snapshotId", "1234"},  {"inPlace", in_place}, {"targetPath", file("restored")},
            {"includePaths", paths}, {"user", "1"},         {"secret", "a credential"},
            {"key", "a key"},        {"stallMs", 600'000},  {"repository", "/vault/V/i-1/"}};
  }
  /// The agent dies at that point and another takes up what it left; what the server is told.
  json::Object toldAfterDeathAt(const std::string& point, const json::Object& asked, const std::string& failing = "",
                                const std::function<void()>& meanwhile = {}) {
    agent_.start(failing + point + " kill 1\n");
    agent_.send(asked);
    EXPECT_TRUE(agent_.died()) << point;
    if (meanwhile) meanwhile();
    agent_.start();
    agent_.send(asked);
    return agent_.await("restore.result", kId).value_or(json::Object());
  }

  testing::TempFolder folder_;
  testing::LineAgent agent_{folder_.path() + "/state"};
  std::string old_path_;
};

constexpr const char* kMoveFails = "agent.restore_moving fail 1\n";

TEST_F(RestoreRunnerTest, PutsAllInPlaceAlsoAfterADeathInTheMiddleOfIt) {
  const auto told = toldAfterDeathAt("agent.restore_moving", request());
  EXPECT_EQ(json::textOr(told, "state"), "COMPLETED") << json::toText(told);
  EXPECT_EQ(json::intOr(told, "files", 0), 5);
  EXPECT_EQ(os::readFile(file("restored/srv/data/one")).value_or(""), "one\n");
  EXPECT_FALSE(fs::exists(aside()));
}

TEST_F(RestoreRunnerTest, WhatHasFailedStaysFailedWhereverItsAgentDies) {
  for (const char* point : {"agent.restore_failed", "agent.restore_taken_back"})
    for (const auto& paths : {json::Array{}, json::Array{"/srv/data"}}) {
      const auto told = toldAfterDeathAt(point, request(paths), kMoveFails);
      EXPECT_EQ(json::textOr(told, "state"), "FAILED") << point << json::toText(told);
      EXPECT_TRUE(json::textOr(told, "message").contains("made to fail; what was put in place before it stays")) << json::toText(told);
      EXPECT_FALSE(fs::exists(file("restored"))) << point;
      agent_.kill();
      fs::remove_all(file("state/journal"));
    }
}

TEST_F(RestoreRunnerTest, WhatIsHalfTakenBackIsNotPutInPlace) {
  const auto told = toldAfterDeathAt("agent.restore_failed", request(), kMoveFails, [&] {
    ASSERT_TRUE(fs::exists(aside() + "/etc/two"));
    fs::remove_all(aside() + "/srv");
  });
  EXPECT_EQ(json::textOr(told, "state"), "FAILED") << json::toText(told);
  EXPECT_FALSE(fs::exists(file("restored")));
}

TEST_F(RestoreRunnerTest, WhatCannotBePutInPlaceIsToldAsItWas) {
  ASSERT_TRUE(os::makeDirectories(file("restored")));
  ASSERT_TRUE(os::writeFile(file("restored/srv"), "no folder"));
  const auto told = toldAfterDeathAt("agent.restore_taken_back", request({"/srv/data"}, true));
  EXPECT_EQ(json::textOr(told, "state"), "FAILED") << json::toText(told);
  EXPECT_TRUE(json::textOr(told, "message").contains("is above a path of includePaths and must be a folder")) << json::toText(told);
  EXPECT_FALSE(fs::exists(aside()));
  EXPECT_EQ(os::readFile(file("restored/srv")).value_or(""), "no folder");
}

}  // namespace
}  // namespace sp::agent
