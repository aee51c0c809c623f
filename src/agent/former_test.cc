#include "agent/former.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "agent/scripts/supervisor.h"
#include "agent/testing_test.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

class FormerTest : public ::testing::Test {
 protected:
  FormerTest() {
    for (const auto* name : {"agent.json", "cert.pem", "key.pem", "endpoint"}) write(name, "x");
    write("ca.pem", "authority");
    fs::create_directories(file("journal"));
    fs::create_directories(file("runs"));
  }
  void write(const std::string& name, const std::string& text) { ASSERT_TRUE(os::writeFile(file(name), text)); }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  bool has(const std::string& name) const { return fs::exists(file(name)); }
  Result<void> becomes(const std::string& agent, const std::string& authority) {
    return settleFormer(folder_.path(), agent, authority, -1);
  }
  void aside(bool same_machine) {
    const auto done = setIdentityAside(folder_.path(), "i-1", same_machine);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_FALSE(has("agent.json") || has("key.pem") || has("ca.pem"));
    EXPECT_TRUE(has("journal") && has("runs"));
  }

  testing::TempFolder folder_;
};

TEST_F(FormerTest, TheSameInstanceOfTheSameServerGoesOn) {
  aside(true);
  EXPECT_TRUE(becomes("i-1", "authority"));
  EXPECT_TRUE(has("journal") && has("runs"));
  forgetFormer(folder_.path());
  // Of a journal that nobody left behind nothing is known: it stays.
  EXPECT_TRUE(becomes("i-2", "another"));
  EXPECT_TRUE(has("journal"));
}

TEST_F(FormerTest, AnotherInstanceServerOrMachineGetsNothing) {
  const struct {
    std::string agent, authority;
    bool same_machine;
  } cases[] = {{"i-2", "authority", true}, {"i-1", "another", true}, {"i-1", "authority", false}};
  for (const auto& each : cases) {
    write("ca.pem", "authority");
    fs::create_directories(file("journal"));
    fs::create_directories(file("runs"));
    aside(each.same_machine);
    EXPECT_TRUE(becomes(each.agent, each.authority));
    EXPECT_FALSE(has("journal") || has("runs")) << each.agent << each.authority;
    // Once more, after a kill before the new identity stood.
    EXPECT_TRUE(becomes(each.agent, each.authority));
  }
}

TEST_F(FormerTest, WhatRunsHasEndedBeforeAnotherTakesItsPlace) {
  const auto program = superviseProgram(folder_.path());
  ASSERT_TRUE(program) << program.error().text();
  write("script", "while :; do sleep 0.05; done");
  SupervisedRun run(file("runs/cmd%2F1/step-0"));
  ASSERT_TRUE(
      run.prepare({.argv = {"/bin/sh", file("script")}, .environment = {"PATH=/usr/bin:/bin"}, .cwd = folder_.path(), .reserve = ""}));
  ASSERT_TRUE(run.launch(*program));
  aside(true);
  EXPECT_TRUE(run.alive());
  EXPECT_TRUE(becomes("i-2", "authority"));
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    if (entry.is_directory() && entry.path().filename().string().starts_with("former-")) {
      const SupervisedRun ended(entry.path().string() + "/runs/cmd%2F1/step-0");
      EXPECT_FALSE(ended.alive());
      EXPECT_EQ(ended.status().value_or(ScriptStatus{}).reason, "cancelled");
      return;
    }
  ADD_FAILURE() << "nothing was set aside";
}

}  // namespace
}  // namespace sp::agent
