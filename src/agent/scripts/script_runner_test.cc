#include "agent/scripts/script_runner.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/scripts/step_result.h"
#include "agent/scripts/supervisor.h"
#include "agent/testing_test.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using testing::LineAgent;
using testing::TempFolder;
using testing::until;

class ScriptTest : public ::testing::Test {
 protected:
  static json::Object step(const std::string& script, std::int64_t timeout_ms = 60'000, const std::string& name = "runShellScript") {
    return {{"name", name}, {"plugin", "aws:runShellScript"}, {"script", script}, {"workingDirectory", ""}, {"timeoutMs", timeout_ms}};
  }
  static json::Object command(const std::string& id, json::Array steps) {
    return {{"type", "command.run"},
            {"id", id},
            {"commandId", "c-1"},
            {"instance", "i-0123456789abcdef0"},
            {"documentName", "AWS-RunShellScript"},
            {"steps", std::move(steps)},
            {"environment", json::Object{{"AWS_SSM_REGION_NAME", "us-east-1"}}},
            {"upload", false},
            {"startWithinMs", 60'000}};
  }
  static json::Object frozen(json::Object message, const std::string& freeze, const std::string& phase, int attempt) {
    message["freeze"] = json::Object{{"id", freeze}, {"phase", phase}, {"attempt", attempt}};
    return message;
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  std::size_t lines(const std::string& name) const {
    std::ifstream in(file(name));
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
  }
  static const json::Object& stepOf(const json::Object& result, std::size_t index) {
    return result.at("steps").as_array().at(index).as_object();
  }

  TempFolder folder_;
  LineAgent agent_{folder_.path() + "/state"};
};

TEST_F(ScriptTest, AScriptRunsAsRunCommandDoesIt) {
  agent_.start();
  agent_.send(
      command("cmd/c-1/i-0",
              {step("echo out; echo err >&2; pwd; echo $PATH; echo $AWS_SSM_INSTANCE_ID $SSM_COMMAND_ID $AWS_SSM_REGION_NAME; exit 7")}));
  const auto result = agent_.await("command.result", "cmd/c-1/i-0");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_EQ(json::textOr(*result, "fate"), "known");
  const auto& one = stepOf(*result, 0);
  EXPECT_EQ(json::intOr(one, "exitCode", 0), 7);
  const auto out = json::textOr(one, "stdout");
  const auto words = split(out, '\n');
  ASSERT_GE(words.size(), 4U);
  EXPECT_EQ(words[0], "out");
  EXPECT_TRUE(words[2].ends_with(":" + std::string(words[1]))) << "the working directory ends PATH: " << words[2];
  EXPECT_EQ(words[3], "i-0123456789abcdef0 c-1 us-east-1");
  EXPECT_EQ(json::textOr(one, "stderr"), "err\n");
  agent_.send({{"type", "settled"}, {"id", "cmd/c-1/i-0"}});
  EXPECT_TRUE(until([&] { return !fs::exists(agent_.stateDir() + "/runs/cmd%2Fc-1%2Fi-0"); }));
}

TEST_F(ScriptTest, AnInterpreterThatIsNotThereIsToldAsAShellTellsIt) {
  agent_.start();
  agent_.send(command("r", {step("#!/no/such/interpreter\necho never")}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_EQ(json::intOr(stepOf(*result, 0), "exitCode", 0), 127);
  EXPECT_NE(json::textOr(stepOf(*result, 0), "stderr").find("No such file or directory"), std::string::npos);
}

TEST_F(ScriptTest, AScriptThatIsStillOpenForWritingIsWaitedFor) {
  const auto script = file("script");
  ASSERT_TRUE(os::writeFile(script, "#!/bin/sh\nexit 3\n", 0700));
  std::ofstream writer(script, std::ios::app);
  const auto program = superviseProgram(folder_.path());
  ASSERT_TRUE(program);
  SupervisedRun run(file("run"));
  ASSERT_TRUE(run.prepare({.argv = {script}, .environment = {}, .cwd = folder_.path(), .timeout_ms = 60'000, .reserve = ""}));
  ASSERT_TRUE(run.launch(*program));
  // Its supervisor is at work and has found the file busy.
  ASSERT_TRUE(until([&] { return !os::readFile(file("run/pid")).value_or("").empty() && fs::exists(file("run/stderr")); }));
  EXPECT_FALSE(run.status());
  writer.close();
  EXPECT_TRUE(run.wait(-1));
  const auto status = run.status();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->reason, "exited");
  EXPECT_EQ(status->exit_code, 3);
}

TEST_F(ScriptTest, AnInterpreterLineChoosesTheInterpreter) {
  agent_.start();
  agent_.send(command("r", {step("#!/bin/bash\n[[ a == a ]] && echo bash$((1+1))")}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stdout"), "bash2\n");
}

TEST_F(ScriptTest, StepsGoOnAfterAFailedOneAndAFailedDownloadIsAStep) {
  agent_.start();
  json::Object lost{{"name", "downloadContent"}, {"plugin", "aws:downloadContent"}, {"files", json::Array()}, {"error", "no such bucket"}};
  agent_.send(command("r", {lost, step("exit 3", 60'000, "a"), step("echo last", 60'000, "b"), step("exit 168", 60'000, "c"),
                            step("echo never", 60'000, "d")}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stderr"), "no such bucket");
  EXPECT_EQ(json::textOr(stepOf(*result, 1), "status"), "Failed");
  EXPECT_EQ(json::textOr(stepOf(*result, 2), "stdout"), "last\n");
  EXPECT_EQ(json::textOr(stepOf(*result, 3), "status"), "Success");
  EXPECT_EQ(json::textOr(stepOf(*result, 4), "status"), "Skipped");
}

TEST_F(ScriptTest, StepsSayWhatFollowsThem) {
  agent_.start();
  const auto with = [](json::Object made, std::string_view member, json::Value value) {
    made[member] = std::move(value);
    return made;
  };
  const auto statuses = [&](const std::string& id, json::Array steps) {
    agent_.send(command(id, std::move(steps)));
    const auto result = agent_.await("command.result", id);
    std::string out = result ? json::textOr(*result, "status") + ":" : "none";
    if (result)
      for (const auto& each : result->at("steps").as_array())
        out += " " + json::textOr(each.as_object(), "name") + "=" + json::textOr(each.as_object(), "status");
    return out;
  };
  const auto last = with(step("true", 60'000, "last"), "finally", true);
  EXPECT_EQ(statuses("r1", {with(step("exit 1", 60'000, "a"), "onFailure", "exit"), step("true", 60'000, "b"), last}),
            "Failed: a=Failed b=Skipped last=Success");
  EXPECT_EQ(statuses("r2", {with(step("exit 1", 60'000, "a"), "onFailure", "successAndExit"), step("true", 60'000, "b")}),
            "Success: a=Success b=Skipped");
  EXPECT_EQ(statuses("r3", {with(step("true", 60'000, "a"), "onSuccess", "exit"), step("exit 1", 60'000, "b")}),
            "Success: a=Success b=Skipped");
  EXPECT_EQ(statuses("r4", {step("exit 169", 60'000, "a"), step("true", 60'000, "b"), last}), "Failed: a=Failed b=Skipped last=Skipped");
  const json::Object inner{{"name", "doc"},
                           {"plugin", "aws:runDocument"},
                           {"onFailure", "successAndExit"},
                           {"steps", json::Array{with(step("exit 1", 60'000, "x"), "onFailure", "exit"), step("true", 60'000, "y")}}};
  EXPECT_EQ(statuses("r5", {inner, step("exit 1", 60'000, "b")}), "Success: doc/x=Success doc/y=Success b=Skipped");
  EXPECT_EQ(
      statuses("r6", {json::Object{{"name", "s"}, {"plugin", "aws:runShellScript"}, {"skipped", "not here"}}, step("true", 60'000, "b")}),
      "Success: s=Skipped b=Success");
}

TEST_F(ScriptTest, ADocumentOfTheMachineIsReadThereOnce) {
  agent_.start();
  const auto text = R"({"schemaVersion":"2.2","parameters":{"word":{"type":"String"}},"mainSteps":[
    {"action":"aws:runShellScript","name":"in","inputs":{"runCommand":["echo {{ word }}; exit 4"]}}]})";
  const json::Object download{
      {"name", "get"}, {"plugin", "aws:downloadContent"}, {"files", json::Array{json::Object{{"path", "doc.json"}, {"content", text}}}}};
  const auto local = [&](std::string_view path, json::Object parameters) {
    return json::Object{
        {"name", "run"}, {"plugin", "aws:runDocument"}, {"documentPath", path}, {"documentParameters", std::move(parameters)}};
  };
  agent_.send(command(
      "r", {download, local("", {{"word", "hello"}}), local("doc.json", {{"word", "again"}}), local("none", {}), local("doc.json", {})}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  ASSERT_EQ(result->at("steps").as_array().size(), 5U);
  EXPECT_EQ(json::textOr(stepOf(*result, 1), "name"), "run/in");
  EXPECT_EQ(json::textOr(stepOf(*result, 1), "stdout"), "hello\n");
  EXPECT_EQ(json::intOr(stepOf(*result, 1), "exitCode", 0), 4);
  EXPECT_EQ(json::textOr(stepOf(*result, 2), "stdout"), "again\n");
  EXPECT_EQ(json::textOr(stepOf(*result, 3), "status"), "Failed");
  EXPECT_NE(json::textOr(stepOf(*result, 4), "stderr").find("\"word\""), std::string::npos);
}

/// Killed at each of its points in each of the steps: what was done is not done again, what follows is decided as before.
TEST_F(ScriptTest, KilledBetweenStepsTheNextAgentGoesOnWhereItWas) {
  const json::Object get{{"name", "get"},
                         {"plugin", "aws:downloadContent"},
                         {"files", json::Array{json::Object{{"path", "doc.yaml"},
                                                            {"content",
                                                             "schemaVersion: '2.2'\nmainSteps:\n- action: aws:runShellScript\n  name: in\n"
                                                             "  inputs:\n    runCommand: ['echo in >> " +
                                                                 file("$RUN") + "']\n"}}}}};
  const json::Object local{
      {"name", "doc"}, {"plugin", "aws:runDocument"}, {"documentPath", "doc.yaml"}, {"documentParameters", json::Object{}}};
  for (const char* point : {"agent.script.ended", "agent.script.started"})
    for (int nth = 1; nth <= 4; ++nth) {
      SCOPED_TRACE(fmt::format("{} {}", point, nth));
      const auto id = fmt::format("{}-{}", point, nth);
      auto failing = step(fmt::format("echo a >> {}; exit 1", file(id)), 60'000, "a");
      failing["onFailure"] = "successAndExit";
      const json::Object group{{"name", "group"},
                               {"plugin", "aws:runDocument"},
                               {"steps", json::Array{failing, step("echo never >> " + file(id), 60'000, "b")}}};
      auto message = command(id, {get, step(fmt::format("echo one >> {}", file(id)), 60'000, "one"), group, local,
                                  step(fmt::format("echo last >> {}", file(id)), 60'000, "last")});
      message["environment"] = json::Object{{"RUN", id}};
      agent_.start(fmt::format("{} kill {}\n", point, nth));
      agent_.send(message);
      ASSERT_TRUE(agent_.died()) << "the point was not reached";
      agent_.start();
      agent_.send(message);
      const auto result = agent_.await("command.result", id);
      ASSERT_TRUE(result);
      EXPECT_EQ(json::textOr(*result, "status"), "Success") << json::toText(*result);
      EXPECT_EQ(result->at("steps").as_array().size(), 6U);
      EXPECT_EQ(*os::readFile(file(id)), "one\na\nin\nlast\n");
      agent_.kill();
    }
}

/// No server is there that would reboot the machine: it waits, whatever becomes of the agent, and runs nothing twice within one boot.
TEST_F(ScriptTest, ExitCode194WaitsForTheRebootAndCanBeCancelled) {
  agent_.start("agent.script.ended kill 1\n");
  const auto message = command("r", {step(fmt::format("echo said; echo run >> {}; exit 194", file("ran")), 60'000, "a"),
                                     step(fmt::format("echo run >> {}", file("next")), 60'000, "b")});
  agent_.send(message);
  ASSERT_TRUE(agent_.died());
  agent_.start();
  agent_.send(message);
  ASSERT_TRUE(until([&] { return os::readFile(agent_.stateDir() + "/journal/journal").value_or("").contains("rebooting"); }));
  agent_.kill();
  agent_.start();
  agent_.send(message);
  agent_.send({{"type", "cancel"}, {"id", "cancel/1"}, {"target", "r"}});
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Cancelled") << json::toText(*result);
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "status"), "Cancelled");
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stdout"), "said\n");
  EXPECT_NE(json::textOr(stepOf(*result, 0), "stderr").find("waited for the reboot"), std::string::npos);
  EXPECT_EQ(lines("ran"), 1U);
  EXPECT_FALSE(fs::exists(file("next")));
}

TEST_F(ScriptTest, AFreezeScriptCannotHaveItsMachineRebooted) {
  agent_.start();
  agent_.send(frozen(command("r", {step("exit 194")}), "f-1", "freeze", 1));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_EQ(json::intOr(stepOf(*result, 0), "exitCode", 0), 194);
  EXPECT_NE(json::textOr(stepOf(*result, 0), "stderr").find("cannot have"), std::string::npos);
}

TEST_F(ScriptTest, OfAFreezeZeroAloneIsASuccess) {
  agent_.start();
  agent_.send(frozen(command("r", {step("exit 168")}), "f-1", "freeze", 1));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_NE(json::textOr(stepOf(*result, 0), "stderr").find("exit code 168"), std::string::npos);
}

TEST_F(ScriptTest, AScriptIsAskedToEndBeforeItIsKilled) {
  agent_.start();
  agent_.send(
      command("r", {step(fmt::format("trap 'echo asked; exit 0' TERM; touch {}; while :; do sleep 0.01; done", file("began")), 300)}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "TimedOut");
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stdout"), "asked\n");
  EXPECT_EQ(json::intOr(stepOf(*result, 0), "exitCode", 0), 137);
  // One that does not listen is killed after the grace.
  agent_.send(command("deaf", {step("trap '' TERM; while :; do sleep 0.05; done", 100)}));
  const auto killed = agent_.await("command.result", "deaf");
  ASSERT_TRUE(killed);
  EXPECT_EQ(json::textOr(*killed, "status"), "TimedOut");
  EXPECT_EQ(json::intOr(stepOf(*killed, 0), "exitCode", 0), 137);
}

TEST_F(ScriptTest, TheTimeoutEndsEveryProcessOfTheScript) {
  agent_.start();
  agent_.send(command("r", {step(fmt::format("setsid sleep 1000 & echo $! > {0}; sleep 1000 & echo $! > {0}2; wait", file("pids")), 400)}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "TimedOut");
  EXPECT_EQ(json::intOr(stepOf(*result, 0), "exitCode", 0), 137);
  for (const char* name : {"pids", "pids2"}) {
    std::ifstream in(file(name));
    pid_t pid = 0;
    in >> pid;
    ASSERT_GT(pid, 0);
    EXPECT_EQ(os::processStartTime(pid), 0U) << "process " << pid << " outlived the timeout";
  }
}

TEST_F(ScriptTest, CancelEndsARunningScript) {
  agent_.start();
  agent_.send(command("r", {step("touch " + file("began") + "; sleep 1000")}));
  ASSERT_TRUE(until([&] { return fs::exists(file("began")); }));
  agent_.send({{"type", "cancel"}, {"id", "cancel/1"}, {"target", "r"}});
  ASSERT_TRUE(agent_.await("cancel.result", "cancel/1"));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Cancelled");
  EXPECT_EQ(json::intOr(stepOf(*result, 0), "exitCode", 0), 137);
}

TEST_F(ScriptTest, WhatNobodyCancelledIsNotCancelled) {
  agent_.start();
  agent_.send(command("r", {step("touch " + file("began") + "; sleep 1000")}));
  ASSERT_TRUE(until([&] { return fs::exists(file("began")); }));
  // As a machine does that shuts down.
  ::kill(static_cast<pid_t>(std::stol(*os::readFile(agent_.stateDir() + "/runs/r/step-0/pid"))), SIGTERM);
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_NE(json::textOr(stepOf(*result, 0), "stderr").find("shut down"), std::string::npos);
}

TEST_F(ScriptTest, ACancelThatComesFirstKeepsTheScriptFromRunning) {
  agent_.start();
  agent_.send({{"type", "cancel"}, {"id", "cancel/1"}, {"target", "r"}});
  ASSERT_TRUE(agent_.await("cancel.result", "cancel/1"));
  agent_.kill();
  agent_.start();
  agent_.send(command("r", {step("touch " + file("ran"))}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Cancelled");
  EXPECT_FALSE(fs::exists(file("ran")));
}

TEST_F(ScriptTest, DuplicatesAreAnsweredAndNotRun) {
  agent_.start();
  const auto one = command("r", {step("echo x >> " + file("runs"))});
  agent_.send(one);
  ASSERT_TRUE(agent_.await("command.result", "r"));
  agent_.send(one);
  ASSERT_TRUE(agent_.await("command.result", "r"));
  agent_.kill();
  agent_.start();
  ASSERT_TRUE(agent_.await("command.result", "r")) << "a result is sent again until it is settled";
  agent_.send({{"type", "settled"}, {"id", "r"}});
  agent_.send(one);
  const auto refused = agent_.await("refused", "r");
  ASSERT_TRUE(refused);
  EXPECT_EQ(json::textOr(*refused, "fate"), "unknown") << "it is not said that it has not run";
  EXPECT_EQ(lines("runs"), 1U);
}

TEST_F(ScriptTest, TheScriptOutlivesTheAgentAndIsFollowedByTheNext) {
  agent_.start();
  agent_.send(command("r", {step(fmt::format("echo x >> {}; touch {}; while [ ! -e {} ]; do sleep 0.01; done; echo done", file("runs"),
                                             file("began"), file("go")))}));
  ASSERT_TRUE(until([&] { return fs::exists(file("began")); }));
  agent_.kill();
  agent_.start();
  std::ofstream(file("go")) << "x";
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Success");
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stdout"), "done\n");
  EXPECT_EQ(lines("runs"), 1U);
}

TEST_F(ScriptTest, AnOutcomeWrittenWhileNoAgentLivedIsFound) {
  agent_.start();
  agent_.send(command("r", {step(fmt::format("echo x >> {0}; touch {1}; while [ ! -e {2} ]; do sleep 0.01; done; touch {3}; exit 5",
                                             file("runs"), file("began"), file("go"), file("end")))}));
  ASSERT_TRUE(until([&] { return fs::exists(file("began")); }));
  agent_.kill();
  std::ofstream(file("go")) << "x";
  ASSERT_TRUE(until([&] { return !os::readFile(agent_.stateDir() + "/runs/r/step-0/status").value_or("").empty(); }));
  agent_.start();
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::intOr(stepOf(*result, 0), "exitCode", 0), 5);
  EXPECT_EQ(lines("runs"), 1U);
}

TEST_F(ScriptTest, WithoutSupervisorAndStatusTheFateIsUnknownAndNothingRunsAgain) {
  agent_.start();
  agent_.send(command(
      "r", {step(fmt::format("echo x >> {}; touch {}; sleep 1000", file("runs"), file("began"))), step("touch " + file("second"))}));
  ASSERT_TRUE(until([&] { return fs::exists(file("began")); }));
  agent_.kill();
  // As a power cut would: agent, supervisor and script are gone.
  const auto text = os::readFile(agent_.stateDir() + "/runs/r/step-0/pid");
  ASSERT_TRUE(text);
  const auto supervisor = static_cast<pid_t>(std::stol(*text));
  const auto children = os::readFile(fmt::format("/proc/{0}/task/{0}/children", supervisor));
  ::kill(supervisor, SIGKILL);
  if (children && !children->empty()) ::kill(-static_cast<pid_t>(std::stol(*children)), SIGKILL);
  ASSERT_TRUE(until([&] { return os::processStartTime(supervisor) == 0; }));
  agent_.start();
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_EQ(json::textOr(*result, "fate"), "unknown");
  EXPECT_EQ(lines("runs"), 1U);
  EXPECT_FALSE(fs::exists(file("second")));
}

// Whichever of them hears first: here the script does, and is over before its supervisor is told.
TEST_F(ScriptTest, AScriptThatAShutdownEndsSaysSo) {
  agent_.start();
  agent_.send(command("r", {step("echo begun; sh -c 'kill -TERM $1; kill -TERM $2' x $$ $PPID & wait; sleep 1000")}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::textOr(*result, "status"), "Failed");
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stdout"), "begun\n");
  EXPECT_EQ(json::textOr(stepOf(*result, 0), "stderr"),
            "the script was ended from outside while it ran: the machine shut down, or somebody ended its supervisor\n");
  // One that ends itself was ended by nobody else.
  agent_.send(command("r2", {step("kill -TERM $$; sleep 1000")}));
  const auto own = agent_.await("command.result", "r2");
  ASSERT_TRUE(own);
  EXPECT_EQ(json::intOr(stepOf(*own, 0), "exitCode", 0), 143);
  EXPECT_EQ(json::textOr(stepOf(*own, 0), "stderr"), "");
}

/// Killed at each of its points, before and after: the script runs at most once, and there is always an answer.
TEST_F(ScriptTest, KilledAtEachPointAScriptRunsAtMostOnce) {
  struct Case {
    const char* point;
    const char* status;
    std::size_t runs;
  };
  // The first fsync is that of the acceptance together with the note "starting".
  for (const auto& one :
       {Case{"agent.journal.before_fsync", "Failed", 0}, Case{"agent.request.accepted", "Success", 1},
        Case{"agent.script.starting", "Failed", 0}, Case{"agent.script.started", "Success", 1}, Case{"agent.script.ended", "Success", 1},
        Case{"agent.result.journaled", "Success", 1}, Case{"agent.result.sent", "Success", 1}}) {
    SCOPED_TRACE(one.point);
    const auto id = std::string("r-") + one.point;
    const auto message = command(id, {step("echo x >> " + file(id))});
    agent_.start(std::string(one.point) + " kill\n");
    agent_.send(message);
    ASSERT_TRUE(agent_.died()) << "the point was not reached";
    agent_.start();
    agent_.send(message);
    const auto result = agent_.await("command.result", id);
    ASSERT_TRUE(result);
    EXPECT_EQ(json::textOr(*result, "status"), one.status);
    EXPECT_EQ(json::textOr(*result, "fate"), one.runs == 0 ? "unknown" : "known");
    EXPECT_EQ(lines(id), one.runs);
    agent_.kill();
  }
}

TEST_F(ScriptTest, AThawRunsOnceAndRefusesTheFreezeForEver) {
  agent_.start();
  agent_.send(frozen(command("t1", {step("echo x >> " + file("thaws") + "; exit 1")}), "f", "thaw", 1));
  EXPECT_EQ(json::textOr(agent_.await("command.result", "t1").value_or(json::Object()), "status"), "Failed");
  agent_.send(frozen(command("t2", {step("echo x >> " + file("thaws") + "; echo awake")}), "f", "thaw", 2));
  EXPECT_EQ(json::textOr(agent_.await("command.result", "t2").value_or(json::Object()), "status"), "Success");
  agent_.kill();
  agent_.start();
  agent_.send(frozen(command("t3", {step("echo x >> " + file("thaws"))}), "f", "thaw", 3));
  const auto again = agent_.await("command.result", "t3");
  ASSERT_TRUE(again);
  EXPECT_EQ(json::textOr(stepOf(*again, 0), "stdout"), "awake\n") << "the stored result answers";
  agent_.send(frozen(command("p", {step("touch " + file("frozen"))}), "f", "freeze", 1));
  const auto late = agent_.await("command.result", "p");
  ASSERT_TRUE(late);
  EXPECT_EQ(json::textOr(*late, "status"), "Failed");
  EXPECT_EQ(json::textOr(*late, "message"), "freeze f was already thawed");
  EXPECT_EQ(lines("thaws"), 2U);
  EXPECT_FALSE(fs::exists(file("frozen")));
}

TEST_F(ScriptTest, AThawEndsAFreezeThatStillRunsAndWaitsForItsEnd) {
  agent_.start();
  agent_.send(frozen(command("p", {step("touch " + file("began") + "; sleep 1000")}), "f", "freeze", 1));
  ASSERT_TRUE(until([&] { return fs::exists(file("began")); }));
  agent_.send(frozen(command("t", {step("echo awake")}), "f", "thaw", 1));
  std::vector<std::string> order;
  ASSERT_TRUE(agent_.await([&](const json::Object& message) {
    if (json::textOr(message, "type") == "command.result")
      order.push_back(json::textOr(message, "id") + " " + json::textOr(message, "status"));
    return order.size() == 2;
  }));
  EXPECT_EQ(order, (std::vector<std::string>{"p Cancelled", "t Success"}));
}

TEST_F(ScriptTest, OutputsAreCutAndAreUtf8) {
  agent_.start();
  agent_.send(command("r", {step("printf 'a\\377b'; head -c 100000 /dev/zero | tr '\\0' x")}));
  const auto result = agent_.await("command.result", "r");
  ASSERT_TRUE(result);
  const auto& one = stepOf(*result, 0);
  EXPECT_EQ(json::intOr(one, "stdoutBytes", 0), 100'003);
  const auto out = json::textOr(one, "stdout");
  EXPECT_TRUE(
      out.starts_with("a\xEF\xBF\xBD"
                      "bxxx"));
  EXPECT_LE(out.size(), kInlineOutput + 2);
}

TEST(StepResult, Utf8IsMadeWhole) {
  EXPECT_EQ(toUtf8("aü€"), "aü€");
  EXPECT_EQ(toUtf8("a\xE2\x82"), "a") << "a character cut at the end is left out";
  EXPECT_EQ(toUtf8("\xC0\x80z"), "\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(toUtf8("\xE2"
                   "a"),
            "\xEF\xBF\xBD"
            "a");
}

TEST(StepResult, TheWorstStepNamesTheCommand) {
  const auto of = [](std::initializer_list<const char*> statuses) {
    json::Array steps;
    for (const char* status : statuses) steps.push_back(json::Object{{"status", status}});
    return overallStatus(steps);
  };
  EXPECT_EQ(of({"Success", "Skipped"}), "Success");
  EXPECT_EQ(of({"Cancelled", "TimedOut"}), "TimedOut");
  EXPECT_EQ(of({"Failed", "TimedOut"}), "Failed");
}

}  // namespace
}  // namespace sp::agent
