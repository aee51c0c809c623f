#include "agent/machines/machine.h"

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
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

constexpr const char* kId = "i-0aaaaaaaaaaaaaaa1";

class MachineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "demo machines need root: run this test with sudo";
    // The user postgres must be able to walk to its data.
    ::chmod(folder_.path().c_str(), 0755);
  }
  void TearDown() override {
    agent_.kill();
    for (const auto& id : machineIds(machines_))
      if (const auto process = Machine(machines_, id).process()) {
        os::signalPidfd(process->pidfd.get(), SIGKILL);
        os::waitReadable(process->pidfd.get(), std::chrono::milliseconds(10'000));
      }
  }
  static json::Object power(const std::string& type, const std::string& id, const std::string& instance = kId) {
    return {{"type", type}, {"id", id}, {"instance", instance}};
  }
  static json::Object creation(const std::string& id, const std::string& image, const std::string& instance = kId) {
    auto out = power("power.create", id, instance);
    out["image"] = image;
    out["hostname"] = instance;
    out["server"] = "127.0.0.1:1";
    for (const char* part : {"ca", "cert", "key"}) out[part] = "PEM";
    return out;
  }
  /// Sends a request and gives its result's state, or its error.
  std::string ask(json::Object message) {
    const auto id = json::textOr(message, "id");
    agent_.send(message);
    const auto result = agent_.await("power.result", id, 60);
    if (!result) return "no answer";
    const auto error = json::textOr(*result, "error");
    return error.empty() ? json::textOr(*result, "state") : error;
  }
  void startAgent(const std::string& failpoints = "") {
    agent_.start(failpoints);
    ASSERT_TRUE(os::writeFile(agent_.stateDir() + "/endpoint", "127.0.0.1:1\n"));
  }
  std::string inside(const std::string& path, const std::string& id = kId) const { return machines_ + "/" + id + "/root/" + path; }
  /// Living processes of that pid namespace.
  static std::vector<pid_t> processesOf(const std::string& space) {
    std::vector<pid_t> out;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
      const auto pid = parseInt(entry.path().filename().string());
      if (pid && os::processStartTime(static_cast<pid_t>(*pid)) != 0 &&
          fs::read_symlink(entry.path() / "ns/pid", ignored).string() == space)
        out.push_back(static_cast<pid_t>(*pid));
    }
    return out;
  }
  static std::string spaceOf(pid_t pid) {
    std::error_code ignored;
    return fs::read_symlink(fmt::format("/proc/{}/ns/pid", pid), ignored).string();
  }

  TempFolder folder_;
  const std::string machines_ = folder_.path() + "/machines";
  LineAgent agent_{folder_.path() + "/state", machines_};
};

TEST_F(MachineTest, ABareMachineIsMadeRunsStopsAndIsRemoved) {
  startAgent();
  ASSERT_EQ(ask(creation("pow/1", "ami-bare")), "running");
  const Machine machine(machines_, kId);
  const auto process = machine.process();
  ASSERT_TRUE(process);
  EXPECT_EQ(process->generation, 1);
  const auto space = spaceOf(process->pid);
  EXPECT_NE(space, spaceOf(::getpid()));
  ASSERT_TRUE(until([&] { return processesOf(space).size() >= 2; })) << "pid 1 and its agent";
  // Its own host name, its own tree, no way to write to the host's programs.
  const auto enter = std::vector<std::string>{"nsenter", "-t", std::to_string(process->pid), "-m", "-u", "-p", "sh", "-c"};
  auto asking = enter;
  asking.emplace_back(
      "hostname; cat /etc/hostname; echo $$; touch /usr/x 2>&1 | grep -c Read-only; touch /opt/stillpoint/x /opt/x 2>/dev/null; ls /opt; "
      "test -c /dev/null && echo null");
  const auto said = os::run({.argv = asking}, std::chrono::milliseconds(10'000));
  ASSERT_TRUE(said);
  EXPECT_TRUE(said->out.starts_with(std::string(kId) + "\n" + kId + "\n")) << said->out << said->err;
  EXPECT_NE(said->out.find("\n1\n"), std::string::npos) << "/usr must be read-only: " << said->out;
  EXPECT_TRUE(said->out.ends_with("null\n")) << said->out;
  EXPECT_EQ(ask(power("power.start", "pow/2")), "running");
  EXPECT_EQ(machine.generation(), 1) << "a start of what runs is no boot";
  auto stop = power("power.stop", "pow/3");
  stop["timeoutMs"] = 20'000;
  EXPECT_EQ(ask(stop), "stopped");
  EXPECT_TRUE(processesOf(space).empty());
  EXPECT_FALSE(machine.alive());
  EXPECT_EQ(ask(power("power.start", "pow/4")), "running");
  EXPECT_EQ(machine.generation(), 2);
  // Asked to stop before its pid 1 can listen: the signal must not be lost.
  auto reboot = power("power.reboot", "pow/5");
  reboot["timeoutMs"] = 20'000;
  EXPECT_EQ(ask(reboot), "running");
  EXPECT_EQ(machine.generation(), 3);
  EXPECT_EQ(ask(power("power.destroy", "pow/6")), "terminated");
  EXPECT_FALSE(fs::exists(machines_ + "/" + kId));
  EXPECT_NE(ask(power("power.start", "pow/7")).find("there is no machine"), std::string::npos);
}

TEST_F(MachineTest, ItOutlivesTheAgentAndIsAdoptedByTheNext) {
  startAgent();
  ASSERT_EQ(ask(creation("pow/1", "ami-bare")), "running");
  const auto pid = Machine(machines_, kId).process()->pid;
  agent_.kill();
  EXPECT_NE(os::processStartTime(pid), 0U) << "killing the agent must not touch the machine";
  agent_.start();
  const auto changed = [](const std::string& state) {
    return [state](const json::Object& message) {
      return json::textOr(message, "type") == "power.changed" && json::textOr(message, "state") == state;
    };
  };
  EXPECT_TRUE(agent_.await(changed("running"))) << "after each welcome the agent tells what it found";
  EXPECT_EQ(Machine(machines_, kId).process()->pid, pid);
  ::kill(pid, SIGKILL);
  const auto down = agent_.await(changed("stopped"));
  ASSERT_TRUE(down) << "a machine that dies by itself is told";
  EXPECT_EQ(json::intOr(*down, "bootGeneration", 0), 1);
}

TEST_F(MachineTest, AMachineThatDoesNotShutDownIsKilledOnlyByForce) {
  startAgent();
  ASSERT_EQ(ask(creation("pow/1", "ami-bare")), "running");
  const auto process = Machine(machines_, kId).process();
  ::kill(process->pid, SIGSTOP);
  auto stop = power("power.stop", "pow/2");
  stop["timeoutMs"] = 200;
  EXPECT_NE(ask(stop).find("did not shut down within 0.2 s and was told to stay up"), std::string::npos);
  EXPECT_TRUE(Machine(machines_, kId).alive());
  // The stop that was given up must not happen later, when nobody would start it again.
  ::kill(process->pid, SIGCONT);
  const auto log = machines_ + "/" + kId + "/root/var/log/console.log";
  EXPECT_TRUE(until([&] { return os::readFile(log).value_or("").find("stays up") != std::string::npos; }));
  EXPECT_TRUE(Machine(machines_, kId).alive());
  ::kill(process->pid, SIGSTOP);
  stop["id"] = "pow/3";
  stop["force"] = true;
  EXPECT_EQ(ask(stop), "stopped");
  EXPECT_FALSE(Machine(machines_, kId).alive());
}

/// Killed at each of its points the host's agent never starts a machine twice and always ends up where it was asked to.
TEST_F(MachineTest, KilledAtEachPointThePowerChangeHappensOnce) {
  int number = 0;
  for (const char* point : {"agent.machine.made", "agent.machine.starting", "agent.machine.launching", "agent.power.done"}) {
    SCOPED_TRACE(point);
    const auto instance = fmt::format("i-0aaaaaaaaaaaaaa{:03}", ++number);
    const auto message = creation(fmt::format("pow/{}", instance), "ami-bare", instance);
    startAgent(std::string(point) + " kill\n");
    agent_.send(message);
    ASSERT_TRUE(agent_.died());
    startAgent();
    EXPECT_EQ(ask(message), "running");
    const Machine machine(machines_, instance);
    ASSERT_TRUE(machine.process());
    EXPECT_EQ(machine.process()->generation, machine.generation());
    EXPECT_LE(machine.generation(), 2);
    auto stop = power("power.stop", "stop/" + instance, instance);
    stop["timeoutMs"] = 20'000;
    agent_.kill();
    startAgent("agent.power.stopping kill\n");
    agent_.send(stop);
    ASSERT_TRUE(agent_.died());
    startAgent();
    EXPECT_EQ(ask(stop), "stopped");
    EXPECT_FALSE(machine.alive());
    agent_.kill();
  }
}

TEST_F(MachineTest, ThoseWhoLookDoNotTakeEachOtherForTheMachine) {
  startAgent();
  ASSERT_EQ(ask(creation("pow/0", "ami-bare")), "running");
  auto stop = power("power.stop", "stop/0");
  stop["timeoutMs"] = 20'000;
  ASSERT_EQ(ask(stop), "stopped");
  Machine machine(machines_, kId);
  std::atomic<int> seen{0};
  {
    std::vector<std::jthread> lookers;
    for (int i = 0; i < 4; ++i)
      lookers.emplace_back([&] {
        for (int look = 0; look < 2000; ++look) seen += machine.alive() ? 1 : 0;
      });
  }
  EXPECT_EQ(seen, 0) << "it is stopped";
  std::jthread looker([&](const std::stop_token& end) {
    while (!end.stop_requested()) (void)machine.alive();
  });
  for (int boot = 2; boot <= 4; ++boot) {
    ASSERT_EQ(ask(power("power.start", fmt::format("pow/{}", boot))), "running");
    EXPECT_EQ(machine.generation(), boot) << "a start that found somebody looking must start all the same";
    stop["id"] = fmt::format("stop/{}", boot);
    ASSERT_EQ(ask(stop), "stopped");
  }
}

TEST_F(MachineTest, AnUnknownImageIsNamedAndLeavesNothing) {
  startAgent();
  EXPECT_NE(ask(creation("pow/1", "ami-none")).find("there is no image 'ami-none'"), std::string::npos);
  EXPECT_FALSE(fs::exists(machines_ + "/" + kId));
  EXPECT_NE(ask(creation("pow/2", "ami-bare", "../../etc")).find("is not an instance id"), std::string::npos);
}

}  // namespace
}  // namespace sp::agent
