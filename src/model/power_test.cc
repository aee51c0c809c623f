#include "model/power.h"

#include <gtest/gtest.h>

namespace sp {
namespace {

json::Object members(std::string_view text) { return json::parse(text)->get_object(); }

const std::string_view kCommands =
    R"({"Start":["/bin/virsh","start","db"],"Stop":["/bin/virsh","shutdown","db"],"Status":["/bin/virsh","domstate","db"]})";

TEST(Power, ExecReadsWhatItWrites) {
  auto given = members(kCommands);
  given["PollSeconds"] = 7;
  given["StopTimeoutInSeconds"] = 600;
  const auto power = parsePower("exec", given);
  ASSERT_TRUE(power) << power.error().text();
  const auto again = parsePower("exec", power->encode());
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->encode(), power->encode());
  EXPECT_EQ(again->stop, (std::vector<std::string>{"/bin/virsh", "shutdown", "db"}));
  EXPECT_EQ(again->poll, 7);
  EXPECT_EQ(again->stop_timeout, 600);
}

TEST(Power, StatusIsTheLastLinesLastWord) {
  const auto power = *parsePower("exec", members(kCommands));
  for (const auto* text : {"running\n", "RUNNING", "Chassis Power is on\n", "status: running\n\n", "warning: x\nrunning"})
    EXPECT_EQ(readStatus(power, text), Seen::running) << text;
  for (const auto* text : {"shut off\n\n", "Chassis Power is off", "status: stopped", "TERMINATED\n", "VM deallocated"})
    EXPECT_EQ(readStatus(power, text), Seen::stopped) << text;
  for (const auto* text : {"", "\n", "in shutdown", "paused", "upon", "runoff", "error: failed to get domain 'db'"})
    EXPECT_EQ(readStatus(power, text), Seen::neither) << text;
}

TEST(Power, WhatIsWrongIsNamed) {
  const auto why = [](std::string_view driver, json::Object given) {
    const auto power = parsePower(driver, given);
    return power ? std::string("accepted") : power.error().message;
  };
  EXPECT_NE(why("vmware", {}).find("'vmware'"), std::string::npos);
  EXPECT_NE(why("exec", {}).find("Power.Start is missing"), std::string::npos);
  auto given = members(kCommands);
  given["Status"] = json::Array{"virsh"};
  EXPECT_NE(why("exec", given).find("absolute path"), std::string::npos);
  given = members(kCommands);
  given["PollSeconds"] = 1;
  EXPECT_NE(why("exec", given).find("between 5 and 86400"), std::string::npos);
  given = members(kCommands);
  given["Strat"] = json::Array{};
  EXPECT_NE(why("exec", given).find("Strat"), std::string::npos);
  given = members(kCommands);
  given["RunningWords"] = json::Array{"up"};
  given["StoppedWords"] = json::Array{"UP"};
  EXPECT_NE(why("exec", given).find("both"), std::string::npos);
  EXPECT_NE(why("qemu", members(R"({"Argv":["/usr/bin/qemu-system-x86_64","-daemonize"]})")).find("-daemonize"), std::string::npos);
  EXPECT_NE(why("qemu", members(R"({"Argv":["/usr/bin/qemu-system-x86_64"],"GuestAgent":"ga.sock"})")).find("absolute"), std::string::npos);
  EXPECT_NE(why("none", members(R"({"Start":["/bin/true"]})")).find("Start"), std::string::npos);
  EXPECT_EQ(why("none", {}), "accepted");
}

}  // namespace
}  // namespace sp
