#include "agent/enrolment.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "agent/facts.h"
#include "agent/testing_test.h"
#include "os/file.h"

namespace sp::agent {
namespace {

const std::string kHash(64, 'a');

TEST(ParseToken, AnEnrolmentTokenAndAnActivation) {
  const auto token = parseToken(" et-0123456789ab." + kHash + "." + std::string(64, 'b') + "\n");
  ASSERT_TRUE(token) << token.error().text();
  EXPECT_EQ(token->id, "et-0123456789ab");
  EXPECT_EQ(token->secret, kHash);
  EXPECT_EQ(token->pin, std::string(64, 'b'));
  const auto activation = parseToken("5743558d-563b-4457-8682-d16c3e3f6f1e:" + kHash + "." + kHash);
  ASSERT_TRUE(activation) << activation.error().text();
  EXPECT_EQ(activation->id, "5743558d-563b-4457-8682-d16c3e3f6f1e");
}

TEST(ParseToken, WithoutAPinThereIsNoToken) {
  for (const auto& text : {std::string(), std::string("et-1"), "et-1." + kHash, "et-1." + kHash + ".12", "." + kHash + "." + kHash,
                           "et-1." + std::string(64, 'A') + "." + kHash}) {
    const auto token = parseToken(text);
    ASSERT_FALSE(token) << text;
    EXPECT_EQ(token.error().code, "agent.token");
    EXPECT_EQ(token.error().message.find(kHash), std::string::npos) << "the secret must not be told";
  }
}

class EnrolledTest : public ::testing::Test {
 protected:
  EnrolledTest() {
    options_.state_dir = folder_.path();
    options_.machine_id_file = folder_.path() + "/uuid";
    hardware("one");
    write("agent.json", R"({"agent":"i-1","serverName":"stillpoint","token":"et-1","machine":")" +
                            machineHash(options_.machine_id_file).value_or("") + "\"}");
    write("endpoint", "127.0.0.1:4749\n");
  }
  void write(const std::string& name, const std::string& text) { ASSERT_TRUE(os::writeFile(folder_.path() + "/" + name, text)); }
  void hardware(const std::string& name) { write("uuid", name); }

  testing::TempFolder folder_;
  Options options_;
};

TEST_F(EnrolledTest, IsLeftAsItIs) {
  options_.server = "127.0.0.1:4749";
  options_.token = "et-2." + kHash + "." + kHash;
  EXPECT_TRUE(enrolIfNeeded(options_, -1));
}

TEST_F(EnrolledTest, AnotherServerIsRefused) {
  options_.server = "192.0.2.1:4749";
  const auto done = enrolIfNeeded(options_, -1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "agent.enrolled");
}

TEST_F(EnrolledTest, OnOtherHardwareItDoesNothing) {
  hardware("two");
  const auto done = enrolIfNeeded(options_, -1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "agent.cloned");
  EXPECT_NE(done.error().message.find("stillpoint enrol --instance i-1"), std::string::npos);
}

TEST_F(EnrolledTest, AHardwareFileThatIsGoneIsAnError) {
  options_.machine_id_file = folder_.path() + "/missing";
  const auto done = enrolIfNeeded(options_, -1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "agent.machine_id");
}

TEST(CheckHardware, WhatWasBoundMustBeSeenAgain) {
  EXPECT_TRUE(checkHardware("", "", "/s", "i-1"));
  EXPECT_TRUE(checkHardware("", "a", "/s", "i-1"));
  EXPECT_TRUE(checkHardware("a", "a", "/s", "i-1"));
  EXPECT_EQ(checkHardware("a", "b", "/s", "i-1").error().code, "agent.cloned");
  const auto unknown = checkHardware("a", "", "/s", "i-1");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "agent.hardware_unknown");
  EXPECT_TRUE(unknown.error().message.contains("/s is the state of the agent of i-1")) << unknown.error().message;
}

TEST_F(EnrolledTest, ATokenFileThatIsGoneDoesNotMatterAnyMore) {
  options_.token_file = folder_.path() + "/token";
  EXPECT_TRUE(enrolIfNeeded(options_, -1));
}

TEST(GivenToken, ComesFromFlagFileOrEnvironmentAndLeavesTheLatter) {
  const testing::TempFolder folder;
  ::setenv("STILLPOINT_ENROL_TOKEN", "from-environment\n", 1);
  Options options;
  options.state_dir = folder.path();
  EXPECT_EQ(givenToken(options).value_or("?"), "from-environment");
  EXPECT_EQ(std::getenv("STILLPOINT_ENROL_TOKEN"), nullptr);
  options.token_file = folder.path() + "/token";
  EXPECT_FALSE(givenToken(options));
  ASSERT_TRUE(os::writeFile(options.token_file, "from-file\n"));
  EXPECT_EQ(givenToken(options).value_or("?"), "from-file");
  options.token = "from-flag";
  EXPECT_EQ(givenToken(options).value_or("?"), "from-flag");
}

TEST(Enrol, NeedsServerAndToken) {
  const testing::TempFolder folder;
  Options options;
  options.state_dir = folder.path() + "/state";
  const auto done = enrolIfNeeded(options, -1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "agent.identity");
  EXPECT_NE(done.error().message.find("stillpoint enrol"), std::string::npos);
}

}  // namespace
}  // namespace sp::agent
