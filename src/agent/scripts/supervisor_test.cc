#include "agent/scripts/supervisor.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

using testing::TempFolder;
using testing::until;

class SupervisorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto program = superviseProgram(folder_.path());
    ASSERT_TRUE(program) << program.error().text();
    program_ = *program;
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  SuperviseSpec spec(const std::string& name, const std::string& script, std::int64_t timeout_ms = 60'000) {
    EXPECT_TRUE(os::writeFile(file(name), script, 0700));
    return {.argv = {file(name)}, .environment = {"PATH=/usr/bin:/bin"}, .cwd = folder_.path(), .timeout_ms = timeout_ms, .reserve = ""};
  }
  ScriptStatus statusOf(SupervisedRun& run) {
    EXPECT_TRUE(run.wait(-1));
    const auto status = run.status();
    EXPECT_TRUE(status);
    return status.value_or(ScriptStatus{});
  }

  TempFolder folder_;
  std::string program_;
};

/// Children of this process with the supervisors' name.
std::vector<pid_t> supervisorsOfOurs() {
  std::vector<pid_t> found;
  std::ifstream list(fmt::format("/proc/self/task/{}/children", ::getpid()));
  for (pid_t pid = 0; list >> pid;)
    if (const auto name = os::readFile(fmt::format("/proc/{}/comm", pid)); name && trim(*name) == "sp-supervise") found.push_back(pid);
  return found;
}

TEST_F(SupervisorTest, DescriptorsAreHandedOnAndTheSpecSaysWhichSignalAsksItToEnd) {
  std::vector<os::Fd> ends;
  std::vector<int> given;
  for (const char* text : {"third ", "fourth "}) {
    auto pipe = os::makePipe();
    ASSERT_TRUE(pipe);
    ASSERT_GT(::write(pipe->write.get(), text, std::strlen(text)), 0);
    given.push_back(pipe->read.get());
    ends.push_back(std::move(pipe->read));
  }
  SupervisedRun run(file("run"));
  auto what = spec("s",
                   "cat <&3; cat <&4; ls /proc/self/fd | wc -l; trap 'echo asked; exit 5' INT\n"
                   ": > ready; while :; do sleep 0.05; done");
  what.end_signal = SIGINT;
  ASSERT_TRUE(run.prepare(what));
  ASSERT_TRUE(run.launch(program_, given));
  ends.clear();
  ASSERT_TRUE(until([&] { return ::access(file("ready").c_str(), F_OK) == 0; }));
  EXPECT_GT(run.scriptPid(), 0);
  run.cancel();
  EXPECT_EQ(statusOf(run).reason, "cancelled");
  // 0 to 4, and what lists them.
  EXPECT_EQ(os::readFile(file("run/stdout")).value_or(""), "third fourth 6\nasked\n");
}

TEST_F(SupervisorTest, OneProcessStartsTheSupervisorsOfAllScriptsAndIsReplacedWhenItIsGone) {
  keepSupervisorsReady(program_);
  ASSERT_TRUE(until([] { return supervisorsOfOurs().size() == 1; }));
  const auto first = supervisorsOfOurs();
  for (const char* name : {"a", "b"}) {
    SupervisedRun run(file(fmt::format("run-{}", name)));
    ASSERT_TRUE(run.prepare(spec(name, "exit 3")));
    ASSERT_TRUE(run.launch(program_));
    EXPECT_EQ(statusOf(run).exit_code, 3);
  }
  EXPECT_EQ(supervisorsOfOurs(), first);
  // A script under way does not hang on it.
  SupervisedRun going(file("run-going"));
  ASSERT_TRUE(going.prepare(spec("going", fmt::format("touch {0}; while [ ! -e {1} ]; do sleep 0.01; done", file("began"), file("go")))));
  ASSERT_TRUE(going.launch(program_));
  ASSERT_TRUE(until([&] { return ::access(file("began").c_str(), F_OK) == 0; }));
  ::kill(first.front(), SIGKILL);
  siginfo_t gone{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(first.front()), &gone, WEXITED | WNOWAIT), 0);
  SupervisedRun next(file("run-next"));
  ASSERT_TRUE(next.prepare(spec("next", "exit 4")));
  ASSERT_TRUE(next.launch(program_));
  EXPECT_EQ(statusOf(next).exit_code, 4);
  EXPECT_TRUE(going.alive());
  ASSERT_TRUE(os::writeFile(file("go"), ""));
  EXPECT_EQ(statusOf(going).exit_code, 0);
}

TEST_F(SupervisorTest, WhatIsNotTextIsLeftToTheKernel) {
  const auto binary = os::readFile("/bin/true", 1U << 20U);
  ASSERT_TRUE(binary);
  SupervisedRun run(file("run"));
  ASSERT_TRUE(run.prepare(spec("program", *binary)));
  ASSERT_TRUE(run.launch(program_));
  EXPECT_EQ(statusOf(run).exit_code, 0);
  // And what the kernel does not know either a shell is asked about.
  SupervisedRun odd(file("run-odd"));
  ASSERT_TRUE(odd.prepare(spec("odd", std::string("exit 5\n\0", 8))));
  ASSERT_TRUE(odd.launch(program_));
  EXPECT_EQ(statusOf(odd).exit_code, 5);
}

/// Makes pidfd_open fail from here on, in this process and all it becomes and starts.
void denyPidfds() {
  std::array<sock_filter, 4> program{
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_pidfd_open},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | (EMFILE & SECCOMP_RET_DATA)},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter{program.size(), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) ::_exit(99);
}

/// Orders the script of a prepared folder from a supervisor of its own that gets no pidfds; true once it has ended.
bool superviseWithoutPidfds(const std::string& program, const std::string& directory) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return false;
  os::Fd ours(ends[0]);
  os::Fd theirs(ends[1]);
  auto done = os::makePipe();
  const os::Fd lock(::open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!done || !lock) return false;
  const pid_t pid = ::fork();
  if (pid == 0) {
    denyPidfds();
    if (theirs.get() == 3) ::fcntl(3, F_SETFD, 0);
    else ::dup2(theirs.get(), 3);
    ::execl(program.c_str(), program.c_str(), nullptr);
    ::_exit(98);
  }
  theirs.reset();
  const bool sent = orderSupervisor(ours.get(), directory, lock.get(), done->write.get());
  done->write.reset();
  const bool ended = sent && os::waitReadable(done->read.get(), std::chrono::milliseconds(20'000));
  ours.reset();
  int status = 0;
  ::waitpid(pid, &status, 0);
  return ended && status == 0;
}

TEST_F(SupervisorTest, TheTimeOfAScriptIsLimitedEvenWithoutAPidfd) {
  {
    SupervisedRun run(file("slow"));
    ASSERT_TRUE(run.prepare(spec("slow.sh", "sleep 1000 & sleep 1000", 100)));
  }
  ASSERT_TRUE(superviseWithoutPidfds(program_, file("slow")));
  const auto slow = SupervisedRun(file("slow")).status();
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->reason, "timeout");
  {
    SupervisedRun run(file("quick"));
    ASSERT_TRUE(run.prepare(spec("quick.sh", "exit 6")));
  }
  ASSERT_TRUE(superviseWithoutPidfds(program_, file("quick")));
  const auto quick = SupervisedRun(file("quick")).status();
  ASSERT_TRUE(quick);
  EXPECT_EQ(quick->reason, "exited");
  EXPECT_EQ(quick->exit_code, 6);
}

TEST_F(SupervisorTest, AStatusOfAnotherRunIsNone) {
  SupervisedRun before(file("folder"), "cmd/1/0");
  ASSERT_TRUE(before.prepare(spec("script", "exit 3")));
  ASSERT_TRUE(before.launch(program_));
  EXPECT_EQ(statusOf(before).exit_code, 3);
  // As a power cut leaves a folder that was emptied for the next script.
  EXPECT_FALSE(SupervisedRun(file("folder"), "cmd/2/0").status());
  EXPECT_TRUE(SupervisedRun(file("folder"), "cmd/1/0").status());
}

}  // namespace
}  // namespace sp::agent
