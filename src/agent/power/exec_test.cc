// Machines of three commands: real scripts over a file that says whether the machine runs.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using testing::LineAgent;
using testing::TempFolder;
using testing::until;

constexpr const char* kId = "i-0aaaaaaaaaaaaaae1";

class ExecPowerTest : public ::testing::Test {
 protected:
  ExecPowerTest() {
    script("start", "echo running > state");
    script("stop", "echo off > state");
    script("status", "cat state");
    script("kill", "echo off > state; echo kill >> calls");
    set("off");
    power_ = {{"Start", json::Array{path("start")}},
              {"Stop", json::Array{path("stop")}},
              {"Status", json::Array{path("status")}},
              {"PollSeconds", 5},
              {"CommandTimeoutInSeconds", 2}};
  }
  void TearDown() override { agent_.kill(); }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  /// Each notes its name in `calls` before it acts.
  void script(const std::string& name, const std::string& body) {
    std::ofstream(path(name)) << "#!/bin/sh\ncd " << folder_.path() << "\n"
                              << (name == "status" ? "" : "echo " + name + " >> calls\n") << body << "\n";
    ::chmod(path(name).c_str(), 0755);
  }
  void set(const std::string& state) const {
    // Renamed into place: a look never finds half a word.
    std::ofstream(path("state.new")) << state << "\n";
    fs::rename(path("state.new"), path("state"));
  }
  std::string state() const { return std::string(trim(os::readFile(path("state")).value_or(""))); }
  std::string calls() const {
    auto text = os::readFile(path("calls")).value_or("");
    std::ranges::replace(text, '\n', ' ');
    return std::string(trim(text));
  }
  json::Object message(const std::string& type, const std::string& id) const {
    return {{"type", type}, {"id", id}, {"instance", kId}, {"driver", "exec"}, {"power", power_}};
  }
  /// The stop of a run.
  json::Object leased(const std::string& id, std::int64_t ms) const {
    auto stop = message("power.stop", id);
    stop["lease"] = json::Object{{"leaseMs", ms}};
    return stop;
  }
  std::string owed() const { return agent_.stateDir() + "/starts/" + kId; }
  /// Sends a request and gives its result's state, or its error; the generation goes to `generation_`.
  std::string ask(const json::Object& request) {
    agent_.send(request);
    const auto result = agent_.await([&](const json::Object& said) {
      if (json::textOr(said, "type") == "power.changed") heard_.push_back(said);
      return json::textOr(said, "type") == "power.result" && json::textOr(said, "id") == json::textOr(request, "id");
    });
    if (!result) return "no answer";
    generation_ = json::intOr(*result, "bootGeneration", -1);
    const auto error = json::textOr(*result, "error");
    return error.empty() ? json::textOr(*result, "state") : error;
  }
  /// Waits for the agent to tell this state by itself; the one that follows a machine may be faster than the answer before it.
  bool tells(const std::string& wanted, const std::string& error = "") {
    const auto isIt = [&](const json::Object& said) {
      return json::textOr(said, "type") == "power.changed" && json::textOr(said, "state") == wanted &&
             json::textOr(said, "error").find(error) != std::string::npos;
    };
    return std::ranges::any_of(std::exchange(heard_, {}), isIt) || agent_.await(isIt).has_value();
  }

  TempFolder folder_;
  json::Object power_;
  LineAgent agent_{folder_.path() + "/state-dir"};
  std::vector<json::Object> heard_;  // what was told while an answer was awaited
  std::int64_t generation_ = -1;
};

TEST_F(ExecPowerTest, StartsStopsAndCountsBoots) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  EXPECT_EQ(generation_, 0);
  EXPECT_EQ(ask(message("power.start", "pow/2")), "running");
  EXPECT_EQ(generation_, 1);
  EXPECT_EQ(ask(message("power.start", "pow/3")), "running") << "on a machine that runs it does nothing";
  EXPECT_EQ(ask(message("power.stop", "pow/4")), "stopped");
  EXPECT_EQ(ask(message("power.stop", "pow/5")), "stopped");
  EXPECT_EQ(calls(), "start stop");
  EXPECT_EQ(ask(message("power.start", "pow/6")), "running");
  EXPECT_EQ(generation_, 2);
  EXPECT_EQ(ask(message("power.reboot", "pow/7")), "running");
  EXPECT_EQ(generation_, 3);
  EXPECT_EQ(calls(), "start stop start stop start");
}

TEST_F(ExecPowerTest, TellsWhatTheMachineDoesByItself) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  set("running");
  EXPECT_TRUE(tells("running"));
  set("off");
  EXPECT_TRUE(tells("stopped"));
  set("paused");
  EXPECT_TRUE(tells("unknown", "said neither that it runs nor that it is off: 'paused'"));
  EXPECT_EQ(calls(), "") << "looking starts and stops nothing";
}

TEST_F(ExecPowerTest, AMachineThatCanBeSeenButNotStartedIsTold) {
  agent_.start();
  fs::rename(path("start"), path("away"));
  EXPECT_NE(ask(message("power.adopt", "pow/1")).find("the Start command of i-0aaaaaaaaaaaaaae1 cannot be run: " + path("start")),
            std::string::npos);
  EXPECT_TRUE(tells("stopped", "the Start command of i-0aaaaaaaaaaaaaae1 cannot be run: " + path("start")))
      << "nor is that forgotten by the next look";
  fs::rename(path("away"), path("start"));
  EXPECT_EQ(ask(message("power.adopt", "pow/2")), "stopped");
  EXPECT_TRUE(tells("stopped"));
}

TEST_F(ExecPowerTest, ALookIsOneCommand) {
  agent_.start();
  script("status", "echo look >> looks; cat state");
  const auto looks = [&] { return os::readFile(path("looks")).value_or(""); };
  power_["PollSeconds"] = 300;
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  EXPECT_TRUE(tells("stopped"));
  EXPECT_EQ(looks(), "look\nlook\n") << "the answer's, and the first of the one that follows it";
  set("paused");
  EXPECT_NE(ask(message("power.check", "pow/2")).find("'paused'"), std::string::npos);
  EXPECT_EQ(looks(), "look\nlook\nlook\n");
}

TEST_F(ExecPowerTest, WhatACommandPrintsDoesNothingToATerminal) {
  agent_.start();
  script("status", "printf 'running\\0\\033[31m'");
  const auto why = ask(message("power.check", "pow/1"));
  EXPECT_NE(why.find("'running  [31m'"), std::string::npos) << why;
}

TEST_F(ExecPowerTest, ACommandThatFailsIsQuoted) {
  agent_.start();
  script("start", "echo 'error: Failed to start domain db1' >&2; exit 3");
  const auto why = ask(message("power.start", "pow/1"));
  EXPECT_NE(why.find("the Start command of i-0aaaaaaaaaaaaaae1 ended with exit 3: 'error: Failed to start domain db1'"), std::string::npos)
      << why;
  set("running");
  script("stop", "echo waiting; sleep 60");
  const auto late = ask(message("power.stop", "pow/2"));
  EXPECT_NE(late.find("the Stop command of i-0aaaaaaaaaaaaaae1 did not end within 2 s and was killed; it said 'waiting'"),
            std::string::npos)
      << late;
  power_["Status"] = json::Array{path("gone")};
  const auto missing = ask(message("power.check", "pow/3"));
  EXPECT_NE(missing.find("the Status command of i-0aaaaaaaaaaaaaae1 cannot be run: " + path("gone")), std::string::npos) << missing;
}

TEST_F(ExecPowerTest, PastTheLimitAStopFailsAndALateShutdownIsAnsweredByAStart) {
  agent_.start();
  script("status", "echo look >> looks; cat state");
  // However rarely its description has it looked at: it is followed already when the stop fails.
  for (const auto poll : {5, 0, 3600}) {
    power_["PollSeconds"] = poll;
    fs::remove(path("calls"));
    fs::remove(path("looks"));
    set("running");
    script("stop", "true");
    EXPECT_EQ(ask(message("power.adopt", fmt::format("pow/adopt-{}", poll))), "running");
    EXPECT_TRUE(until([&] { return os::readFile(path("looks")).value_or("").starts_with("look\nlook\n"); })) << "it is followed";
    auto stop = message("power.stop", fmt::format("pow/stop-{}", poll));
    stop["timeoutMs"] = 300;
    const auto why = ask(stop);
    EXPECT_NE(why.find("did not shut down within 0.3 s; the machine will be started again if it goes down late"), std::string::npos) << why;
    set("off");
    EXPECT_TRUE(until([&] { return state() == "running"; })) << "nobody else would start it; " << poll;
    EXPECT_TRUE(until([&] { return calls() == "stop start"; })) << calls();
    EXPECT_EQ(ask({{"type", "power.forget"}, {"id", fmt::format("pow/forget-{}", poll)}, {"instance", kId}}), "terminated");
  }
}

TEST_F(ExecPowerTest, AStopThatFailsMayHaveWorked) {
  agent_.start();
  set("running");
  script("stop", "echo 'Connection to db1 closed' >&2; exit 255");
  const auto why = ask(message("power.stop", "pow/1"));
  EXPECT_NE(why.find("'Connection to db1 closed'; the machine will be started again if it goes down late"), std::string::npos) << why;
  set("off");
  EXPECT_TRUE(until([&] { return state() == "running"; })) << "nobody else would start it";
  EXPECT_EQ(calls(), "stop start");
}

TEST_F(ExecPowerTest, AStopThatFailsAndIsSeenToHaveWorkedHasWorked) {
  agent_.start();
  set("running");
  script("stop", "echo off > state; exit 255");
  EXPECT_EQ(ask(message("power.stop", "pow/1")), "stopped");
  EXPECT_FALSE(fs::exists(agent_.stateDir() + "/power/" + kId + "/keep-up.json")) << "whoever asked for the stop knows that it is off";
}

TEST_F(ExecPowerTest, AMachineThatWentDownLateIsStartedUntilItRuns) {
  agent_.start();
  set("running");
  script("stop", "exit 1");
  script("start", "[ -e able ] || exit 3; echo running > state");
  EXPECT_NE(ask(message("power.stop", "pow/1")), "stopped");
  set("off");
  EXPECT_TRUE(tells("unknown", "start 1 did not help: the Start command"));
  EXPECT_NE(ask(message("power.check", "pow/2")).find("is started again"), std::string::npos) << "it is not for anybody to read";
  // The window does not end what was seen within it, nor does the agent's death.
  agent_.kill();
  const auto kept = agent_.stateDir() + "/power/" + kId + "/keep-up.json";
  ASSERT_TRUE(fs::exists(kept));
  std::ofstream(path("able")) << "";
  agent_.start();
  EXPECT_TRUE(until([&] { return state() == "running"; }));
  EXPECT_TRUE(until([&] { return !fs::exists(kept); })) << "it runs: that is all that was promised";
}

TEST_F(ExecPowerTest, TheSameAgentTriesAgain) {
  agent_.start();
  set("running");
  script("stop", "exit 1");
  script("start", "[ -e tried ] || { touch tried; exit 3; }; echo running > state");
  EXPECT_NE(ask(message("power.stop", "pow/1")), "stopped");
  set("off");
  const auto up = agent_.await([&](const json::Object& said) {
    return json::textOr(said, "type") == "power.changed" && json::textOr(said, "state") == "running" &&
           json::intOr(said, "bootGeneration", 0) == 2;
  });
  EXPECT_TRUE(up) << "another boot";
  EXPECT_EQ(calls(), "stop start start");
}

TEST_F(ExecPowerTest, AnotherStopEndsThePromiseOfAStart) {
  agent_.start();
  set("running");
  script("stop", "exit 1");
  script("start", "exit 3");
  EXPECT_NE(ask(message("power.stop", "pow/1")), "stopped");
  set("off");
  EXPECT_TRUE(tells("unknown", "went down after its stop had failed"));
  EXPECT_EQ(ask(message("power.stop", "pow/2")), "stopped");
  EXPECT_FALSE(fs::exists(agent_.stateDir() + "/power/" + kId + "/keep-up.json"));
  EXPECT_TRUE(tells("stopped"));
}

TEST_F(ExecPowerTest, ARebootWhoseShutdownComesLateIsCompletedAllTheSame) {
  agent_.start();
  set("running");
  script("stop", "true");
  auto reboot = message("power.reboot", "pow/1");
  reboot["timeoutMs"] = 200;
  const auto why = ask(reboot);
  EXPECT_NE(why.find("has no ForceStop command: it can only be asked to stop; the machine will be started again if it goes down late"),
            std::string::npos)
      << why;
  set("off");
  EXPECT_TRUE(until([&] { return state() == "running"; }));
  EXPECT_EQ(calls(), "stop start");
}

TEST_F(ExecPowerTest, AStopByForceThatFailsPromisesNoStart) {
  agent_.start();
  set("running");
  script("stop", "true");
  auto stop = message("power.stop", "pow/1");
  stop["timeoutMs"] = 200;
  stop["force"] = true;
  EXPECT_NE(ask(stop).find("has no ForceStop command"), std::string::npos);
  EXPECT_FALSE(fs::exists(agent_.stateDir() + "/power/" + kId + "/keep-up.json"));
}

TEST_F(ExecPowerTest, AnAgentThatDiedAfterItAskedAndCannotLookPromisesAStart) {
  set("running");
  script("stop", "true");
  agent_.start("agent.power.stopping kill\n");
  agent_.send(message("power.stop", "pow/1"));
  ASSERT_TRUE(agent_.died());
  set("(hypervisor is away)");
  agent_.start();
  const auto result = agent_.await("power.result", "pow/1");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "state"), "unknown") << json::toText(*result);
  set("off");
  EXPECT_TRUE(until([&] { return state() == "running"; }));
  EXPECT_EQ(calls(), "stop start");
}

TEST_F(ExecPowerTest, ForceUsesItsOwnCommand) {
  agent_.start();
  set("running");
  script("stop", "true");
  auto stop = message("power.stop", "pow/1");
  stop["timeoutMs"] = 200;
  stop["force"] = true;
  EXPECT_NE(ask(stop).find("has no ForceStop command"), std::string::npos);
  power_["ForceStop"] = json::Array{path("kill")};
  stop = message("power.stop", "pow/2");
  stop["timeoutMs"] = 200;
  stop["force"] = true;
  EXPECT_EQ(ask(stop), "stopped");
  EXPECT_EQ(calls(), "stop stop kill kill");
}

TEST_F(ExecPowerTest, AKilledAgentAsksOnce) {
  set("running");
  script("stop", "true");
  agent_.start("agent.power.stopping kill\n");
  agent_.send(message("power.stop", "pow/1"));
  ASSERT_TRUE(agent_.died());
  EXPECT_EQ(calls(), "stop");
  agent_.start();
  // The machine takes its time; the new agent waits for it and does not ask again.
  set("off");
  const auto result = agent_.await("power.result", "pow/1");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "state"), "stopped") << json::toText(*result);
  EXPECT_EQ(calls(), "stop");
}

TEST_F(ExecPowerTest, WhatARunStoppedIsStartedWhenItsServerIsAwayForTooLong) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  EXPECT_EQ(ask(message("power.start", "pow/2")), "running");
  EXPECT_EQ(ask(leased("pow/3", 3'600'000)), "stopped");
  EXPECT_TRUE(fs::exists(owed())) << "as durable as the stop";
  agent_.send({{"type", "lease"}, {"start", kId}, {"leaseMs", 1}});
  EXPECT_TRUE(tells("running"));
  EXPECT_EQ(calls(), "start stop start");
  EXPECT_TRUE(until([&] { return !fs::exists(owed()); }));
}

TEST_F(ExecPowerTest, TheStartIsOwedThroughARestartOfTheAgent) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  EXPECT_EQ(ask(message("power.start", "pow/2")), "running");
  EXPECT_EQ(ask(leased("pow/3", 2'000)), "stopped");
  agent_.kill();
  agent_.start();
  EXPECT_TRUE(tells("running"));
  EXPECT_EQ(calls(), "start stop start");
}

TEST_F(ExecPowerTest, OneThatWasOffAlreadyIsOwedItsStartFromTheFirstRenewal) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  agent_.send({{"type", "lease"}, {"start", "i-0bbbbbbbbbbbbbbb1"}, {"leaseMs", 1}});
  agent_.send({{"type", "lease"}, {"start", "../pid"}, {"leaseMs", 1}});
  agent_.send({{"type", "lease"}, {"start", kId}, {"leaseMs", 3'600'000}});
  EXPECT_TRUE(until([&] { return fs::exists(owed()); }));
  EXPECT_FALSE(fs::exists(agent_.stateDir() + "/starts/i-0bbbbbbbbbbbbbbb1")) << "another agent's";
  agent_.send({{"type", "lease"}, {"start", kId}, {"leaseMs", 1}});
  EXPECT_TRUE(tells("running"));
  EXPECT_EQ(calls(), "start");
}

TEST_F(ExecPowerTest, NothingIsOwedAfterTheServersStartNorAfterAPersonsStop) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  EXPECT_EQ(ask(message("power.start", "pow/2")), "running");
  EXPECT_EQ(ask(leased("pow/3", 3'600'000)), "stopped");
  EXPECT_EQ(ask(message("power.start", "pow/4")), "running");
  EXPECT_FALSE(fs::exists(owed()));
  EXPECT_EQ(ask(leased("pow/5", 3'600'000)), "stopped");
  EXPECT_EQ(ask(message("power.stop", "pow/6")), "stopped");
  EXPECT_FALSE(fs::exists(owed()));
  EXPECT_EQ(ask(leased("pow/7", 3'600'000)), "stopped");
  agent_.send({{"type", "lease"}, {"start", kId}, {"leaseMs", -1}});
  EXPECT_TRUE(until([&] { return !fs::exists(owed()); }));
}

TEST_F(ExecPowerTest, WhatIsForgottenIsNotLookedAt) {
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  const auto kept = agent_.stateDir() + "/power/" + kId;
  EXPECT_TRUE(fs::exists(kept + "/power.json"));
  EXPECT_EQ(ask({{"type", "power.forget"}, {"id", "pow/2"}, {"instance", kId}}), "terminated");
  EXPECT_FALSE(fs::exists(kept));
  EXPECT_EQ(state(), "off");
  EXPECT_EQ(calls(), "");
}

TEST_F(ExecPowerTest, AnAgentWithoutMachinesSaysSo) {
  agent_.start();
  EXPECT_NE(ask({{"type", "power.start"}, {"id", "pow/1"}, {"instance", kId}}).find("keeps no demo machines"), std::string::npos);
  auto bad = message("power.start", "pow/2");
  bad["driver"] = "vmware";
  EXPECT_NE(ask(bad).find("'vmware'"), std::string::npos);
}

}  // namespace
}  // namespace sp::agent
