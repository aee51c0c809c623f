#include "daemon/config.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace sp::daemon {
namespace {

Result<void> load(const std::string& text, Config& config) {
  const auto file = testing::TempDir() + "/stillpoint-config-test.toml";
  std::ofstream(file) << text;
  return loadConfig(file, config);
}

TEST(Config, ReadsEveryKey) {
  Config config;
  ASSERT_TRUE(
      load("listen = \"127.0.0.1:0\"\ninsecure = true\n[realm]\nregion = \"eu-west-1\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n"
           "[machines]\nstop_timeout_seconds = 7\n[runs]\nfreeze_lease_seconds = 6\n[backups]\nat_once = 11\n[commands]\nkept_days = "
           "8\nmost_open_invocations = 9\n"
           "[executions]\nkept_days = 3\nhistory_events = 100\nmost_open = 4\nmost_state_machines = 5\nmost_activities = 6\n",
           config));
  EXPECT_EQ(config.executions_kept_days, 3);
  EXPECT_EQ(config.history_events, 100);
  EXPECT_EQ(config.quotas.open_executions, 4);
  EXPECT_EQ(config.quotas.state_machines, 5);
  EXPECT_EQ(config.backups_at_once, 11);
  EXPECT_EQ(config.quotas.activities, 6);
  EXPECT_EQ(config.stop_timeout_seconds, 7);
  EXPECT_EQ(config.freeze_lease_seconds, 6);
  EXPECT_EQ(config.commands_kept_days, 8);
  EXPECT_EQ(config.most_open_invocations, 9);
  EXPECT_EQ(config.listen, "127.0.0.1:0");
  EXPECT_TRUE(config.insecure);
  EXPECT_EQ(config.realm.region, "eu-west-1");
  EXPECT_EQ(config.log_level, log::Level::debug);
  EXPECT_TRUE(checkConfig(config));
}

TEST(Config, NamesLineAndColumnOfWhatIsWrong) {
  Config config;
  EXPECT_NE(load("listen = \"127.0.0.1:0\"\nlissten = 1\n", config).error().message.find(":2:1: unknown key lissten"), std::string::npos);
  EXPECT_NE(load("[log]\nlevel = \"loud\"\n", config).error().message.find("log.level must be one of \"debug\""), std::string::npos);
  EXPECT_NE(load("[machines]\nstop_timeout_seconds = 0\n", config)
                .error()
                .message.find("machines.stop_timeout_seconds must be a whole number from 1"),
            std::string::npos);
  EXPECT_NE(
      load("[runs]\nfreeze_lease_seconds = 1\n", config).error().message.find("freeze_lease_seconds must be a whole number from 2 to"),
      std::string::npos);
  EXPECT_NE(load("insecure = \"yes\"\n", config).error().message.find("insecure must be true or false"), std::string::npos);
  EXPECT_EQ(load("listen = \n", config).error().code, "config.syntax");
}

TEST(Config, WhatAValueLeadsToIsToldWhereItStands) {
  const auto told = [](const std::string& text) {
    Config config;
    auto done = load(text, config);
    if (done) done = checkConfig(config);
    return done ? std::string() : done.error().message;
  };
  const auto file = testing::TempDir() + "/stillpoint-config-test.toml";
  EXPECT_TRUE(told("[realm]\nregion = \"a\"\n account = \"12\"\n").starts_with(file + ":3:2: realm.account '12' must be"));
  EXPECT_TRUE(told("[realm]\nregion = \"EU\"\n").starts_with(file + ":2:1: realm.region 'EU' must be"));
  EXPECT_TRUE(told("\n[lambda]\nendpoint = \"h:1\"\n").starts_with(file + ":3:1: lambda.endpoint 'h:1' must be"));
  EXPECT_TRUE(told("[events]\nca_file = \"/nonexistent/ca.pem\"\n").starts_with(file + ":2:1: "));
  EXPECT_TRUE(told("insecure = true\n[tls]\ncert = \"/c\"\n").starts_with(file + ":2:")) << told("insecure = true\n[tls]\ncert = \"/c\"\n");
  EXPECT_TRUE(told("[tls]\ncert = \"" + file + "\"\nkey = \"/nonexistent/key.pem\"\n").starts_with(file + ":3:1: "));
  EXPECT_TRUE(told("\nlisten = \"nowhere\"\n").starts_with(file + ":2:1: "));
  EXPECT_TRUE(told("listen = \"0.0.0.0:1\"\n").starts_with(file + ":1:1: --listen 0.0.0.0:1 is not a loopback address"));
}

TEST(Config, TheLambdaEndpointIsAHost) {
  Config config;
  for (const auto* good : {"", "http://127.0.0.1:9000", "https://lambda.example.org", "http://127.0.0.1:9000/"}) {
    config.lambda_endpoint = good;
    EXPECT_TRUE(checkConfig(config)) << good;
  }
  for (const auto* bad : {"ftp://h", "http://", "http://h:0", "http://h:x", "https://h/path", "h:9000"}) {
    config.lambda_endpoint = bad;
    EXPECT_EQ(checkConfig(config).error().code, "config.type") << bad;
  }
}

TEST(Config, TheAuthoritiesOfEventsCanBeRead) {
  Config config;
  ASSERT_TRUE(load("[events]\nca_file = \"/nonexistent/ca.pem\"\n", config));
  EXPECT_NE(checkConfig(config).error().text().find("events.ca_file"), std::string::npos);
}

TEST(Config, BeyondLoopbackNeedsTlsOrInsecure) {
  Config config;
  config.listen = "0.0.0.0:4747";
  EXPECT_EQ(checkConfig(config).error().code, "config.insecure");
  config.insecure = true;
  EXPECT_TRUE(checkConfig(config));
  config.failpoints = "/tmp/x";
  EXPECT_EQ(checkConfig(config).error().code, "config.failpoints");
}

}  // namespace
}  // namespace sp::daemon
