#include "agent/backup/contain.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/scripts/supervisor.h"
#include "agent/testing_test.h"
#include "base/strings.h"
#include "net/relay.h"

namespace sp::agent {
namespace {

using testing::until;

pid_t pidIn(const std::string& path) {
  const auto text = os::readFile(path, 4096);
  return text ? static_cast<pid_t>(parseInt(std::string_view(*text).substr(0, text->find(' '))).value_or(-1)) : -1;
}

pid_t childOf(pid_t pid) { return pidIn(fmt::format("/proc/{0}/task/{0}/children", pid)); }

class ContainTest : public ::testing::Test {
 protected:
  void start(SupervisedRun& run, const std::string& relay, const std::string& script, const std::vector<int>& given) {
    const auto program = superviseProgram(folder_.path());
    ASSERT_TRUE(program);
    SuperviseSpec spec;
    spec.argv = containedCommand({run.directory(), "", folder_.path(), relay}, {"bash", "-c", script});
    spec.environment = {"PATH=/usr/bin:/bin"};
    spec.cwd = folder_.path();
    ASSERT_TRUE(run.prepare(spec));
    ASSERT_TRUE(run.launch(*program, given));
  }
  bool isThere(const std::string& name) const { return std::filesystem::exists(folder_.path() + "/" + name); }
  testing::TempFolder folder_;
};

TEST_F(ContainTest, TheProgramDiesWithItsSupervisor) {
  SupervisedRun run(folder_.path() + "/run");
  start(run, "", ": > ready; sleep 300", {});
  ASSERT_TRUE(until([&] { return isThere("ready"); }));
  const auto program = run.scriptPid();
  ASSERT_GT(program, 0);
  ::kill(pidIn(folder_.path() + "/run/pid"), SIGKILL);
  EXPECT_TRUE(until([&] { return os::processStartTime(program) == 0; }));
  EXPECT_FALSE(run.alive());
  EXPECT_FALSE(run.status());
}

TEST_F(ContainTest, OnlyASupervisorStartsIt) {
  const auto ended = os::run({.argv = containedCommand({folder_.path(), "", folder_.path(), ""}, {"true"})}, std::chrono::seconds(20));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status.code, 1);
}

TEST_F(ContainTest, ItsRelayIsThereUntilItEndsWhateverAsksItToEnd) {
  const auto server = net::Relay::listen();
  ASSERT_TRUE(server);
  os::Fd listener(*server);
  const auto given = net::Relay::listen();
  ASSERT_TRUE(given);
  os::Fd relay(*given);
  const auto port = net::Relay::endpointOf(*given).substr(10);
  auto pipe = os::makePipe();
  ASSERT_TRUE(pipe);
  const auto filler = pipe->read.get();
  SupervisedRun run(folder_.path() + "/run");
  // When it is asked to end it still speaks to the server, as restic does to take back its lock.
  start(run, net::Relay::endpointOf(*server),
        fmt::format("trap 'exec 9<>/dev/tcp/127.0.0.1/{}; echo bye >&9; cat <&9; exit 0' TERM; ls -l /proc/self/fd/8; : > ready\n"
                    "while :; do sleep 0.05; done",
                    port),
        {filler, filler, filler, filler, filler, *given});
  relay.reset();
  ASSERT_TRUE(until([&] { return isThere("ready"); }));
  const auto program = run.scriptPid();
  pid_t relay_process = -1;
  ASSERT_TRUE(until([&] {
    relay_process = childOf(program);
    return relay_process > 0 &&
           os::readFile(fmt::format("/proc/{}/cmdline", relay_process)).value_or("").find("agent-relay") != std::string::npos;
  }));
  run.cancel();
  int client = -1;
  ASSERT_TRUE(until([&] { return (client = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0; }));
  const os::Fd connection(client);
  std::string heard(4, '\0');
  ASSERT_EQ(::recv(client, heard.data(), heard.size(), MSG_WAITALL), 4);
  EXPECT_EQ(heard, "bye\n");
  ASSERT_EQ(::send(client, "well", 4, MSG_NOSIGNAL), 4);
  ::shutdown(client, SHUT_WR);
  EXPECT_TRUE(run.wait(-1));
  EXPECT_EQ(os::readFile(folder_.path() + "/run/stdout").value_or(""), "well");
  EXPECT_TRUE(until([&] { return os::processStartTime(relay_process) == 0; }));
}

}  // namespace
}  // namespace sp::agent
