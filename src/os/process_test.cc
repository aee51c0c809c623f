#include "os/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>

#include "os/limits.h"

namespace sp::os {
namespace {

using std::chrono::milliseconds;

TEST(Process, RunGivesOutputAndExitCode) {
  const auto output = run({.argv = {"sh", "-c", "cat; echo err >&2; exit 3"}}, milliseconds(20000), "hello");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->out, "hello");
  EXPECT_EQ(output->err, "err\n");
  EXPECT_EQ(output->status.code, 3);
  EXPECT_FALSE(output->timed_out);
}

TEST(Process, RunMovesMoreThanAPipeHoldsBothWays) {
  const std::string input(3U << 20U, 'x');
  const auto output = run({.argv = {"cat"}}, milliseconds(20000), input);
  ASSERT_TRUE(output);
  EXPECT_EQ(output->out.size(), input.size());
}

TEST(Process, TimeoutEndsTheWholeGroup) {
  const auto output = run({.argv = {"sh", "-c", "sleep 1000 & echo $!; wait"}}, milliseconds(300));
  ASSERT_TRUE(output);
  EXPECT_TRUE(output->timed_out);
  EXPECT_EQ(output->status.signal, SIGKILL);
  EXPECT_EQ(output->status.code, 137);
  const auto sleeper = static_cast<pid_t>(std::stol(output->out));
  for (int i = 0; i < 1000 && processStartTime(sleeper) != 0; ++i) ::usleep(1000);
  EXPECT_EQ(processStartTime(sleeper), 0U) << "the background child outlived the group's kill";
}

TEST(Process, ADaemonLeftBehindDoesNotHoldTheRun) {
  const auto output = run({.argv = {"sh", "-c", "sleep 30 & echo $!"}}, milliseconds(20000));
  ASSERT_TRUE(output);
  EXPECT_FALSE(output->timed_out);
  const auto pid = static_cast<pid_t>(std::stol(output->out));
  EXPECT_NE(processStartTime(pid), 0U);
  ::kill(pid, SIGKILL);
}

TEST(Process, ChildrenGetTheLimitOfOpenFilesThatHeldBefore) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto most = limit.rlim_max;
  ASSERT_GT(most, 300U);
  limit.rlim_cur = 300;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(raiseOpenFiles(), most);
  EXPECT_EQ(openFilesLimit(), most);
  // It looks only once it has been told to, which is after spawn() has returned.
  const auto output = run({.argv = {"sh", "-c", "read go; ulimit -Sn"}}, milliseconds(20000), "go\n");
  ASSERT_TRUE(output);
  EXPECT_EQ(output->out, "300\n");
}

TEST(Process, MissingProgramIsNamed) {
  const auto child = spawn({.argv = {"/no/such/program"}});
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().text().find("/no/such/program"), std::string::npos);
}

TEST(Process, PassedDescriptorsMayCross) {
  auto a = makePipe();
  auto b = makePipe();
  ASSERT_TRUE(a && b);
  // Each under the other's number: only right if the moves do not overwrite each other.
  const auto child =
      spawn({.argv = {"sh", "-c", "echo to-a >&" + std::to_string(b->write.get()) + "; echo to-b >&" + std::to_string(a->write.get())},
             .pass = {{a->write.get(), b->write.get()}, {b->write.get(), a->write.get()}}});
  ASSERT_TRUE(child);
  const auto status = child->wait();
  ASSERT_TRUE(status && *status);
  EXPECT_TRUE((*status)->ok());
  char buffer[16] = {};
  EXPECT_EQ(::read(a->read.get(), buffer, sizeof buffer), 5);
  EXPECT_STREQ(buffer, "to-a\n");
}

TEST(Process, StartTimeAndBootIdNameAProcess) {
  EXPECT_EQ(bootId().size(), 36U);
  EXPECT_NE(processStartTime(::getpid()), 0U);
  EXPECT_EQ(processStartTime(0x3fffffff), 0U);
  EXPECT_TRUE(std::filesystem::exists(ownProgram()));
}

}  // namespace
}  // namespace sp::os
