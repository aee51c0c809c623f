#include "agent/scripts/run_as.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "os/file.h"
#include "os/user.h"

namespace sp::agent {
namespace {

using Users = std::vector<std::string>;

std::string chosen(const Users& allowed, const std::string& asked, bool is_root = true) {
  const auto user = chooseUser(allowed, asked, is_root ? "root" : "backup", is_root);
  if (!user) return "refused: " + user.error().message;
  return user->value_or("own");
}

TEST(ChooseUser, WithoutAListRootMayBeAnybody) {
  EXPECT_EQ(chosen({}, ""), "own");
  EXPECT_EQ(chosen({}, "root"), "own");
  EXPECT_EQ(chosen({}, "postgres"), "postgres");
}

TEST(ChooseUser, AListBindsAndItsFirstIsTheDefault) {
  EXPECT_EQ(chosen({"postgres", "www-data"}, ""), "postgres");
  EXPECT_EQ(chosen({"postgres", "www-data"}, "www-data"), "www-data");
  EXPECT_EQ(chosen({"root", "postgres"}, ""), "own");
  for (const auto* other : {"root", "nobody"}) {
    const auto refused = chosen({"postgres", "www-data"}, other);
    EXPECT_TRUE(refused.starts_with("refused: ")) << refused;
    EXPECT_NE(refused.find("postgres, www-data"), std::string::npos) << refused;
  }
}

TEST(ChooseUser, WhoIsNotRootIsHimselfOnly) {
  EXPECT_EQ(chosen({}, "", false), "own");
  EXPECT_EQ(chosen({}, "backup", false), "own");
  EXPECT_NE(chosen({}, "root", false).find("not as root"), std::string::npos);
  EXPECT_NE(chosen({"postgres"}, "", false).find("not as root"), std::string::npos);
}

class SomeIdentity final : public Identity {
 public:
  explicit SomeIdentity(std::string state_dir) : state_dir_(std::move(state_dir)) {}
  const std::string& agent() const override { return agent_; }
  const std::string& stateDir() const override { return state_dir_; }
  const std::string& machinesDir() const override { return machines_; }
  const Users& runAs() const override { return users; }
  Result<std::string> endpoint() const override { return std::string(); }
  net::ClientTls tls() const override { return {}; }
  Users users;

 private:
  std::string agent_ = "i-1";
  std::string state_dir_;
  std::string machines_;
};

class RunAsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    std::filesystem::create_directories(identity_.stateDir() + "/runs/cmd/downloads/sub");
    std::filesystem::create_directories(identity_.stateDir() + "/runs/cmd/step-0");
    spec_.argv = {identity_.stateDir() + "/runs/cmd/step-0/_script.sh"};
    ASSERT_TRUE(os::writeFile(spec_.argv.front(), "id -un\n", 0700));
    ASSERT_TRUE(os::writeFile(identity_.stateDir() + "/runs/cmd/downloads/sub/tool.sh", "echo tool\n", 0700));
    spec_.environment = {"PATH=/bin:" + identity_.stateDir() + "/runs/cmd/downloads", "HOME=/root"};
    spec_.cwd = identity_.stateDir() + "/runs/cmd/downloads";
  }
  const testing::TempFolder folder_;
  SomeIdentity identity_{folder_.path() + "/state"};
  SuperviseSpec spec_;
};

TEST_F(RunAsTest, TheUserGetsScriptAndDownloadsAndNothingElse) {
  ASSERT_TRUE(runAs(spec_, identity_, "nobody", "cmd-0"));
  const auto nobody = *os::findUser("nobody");
  const auto users = identity_.stateDir() + "-users";
  EXPECT_EQ(spec_.argv.front(), "/usr/bin/setpriv");
  EXPECT_EQ(spec_.argv.back(), users + "/cmd-0/_script.sh");
  EXPECT_EQ(spec_.cwd, users + "/cmd-0/downloads");
  EXPECT_EQ(spec_.environment.front(), "PATH=/bin:" + users + "/cmd-0/downloads");
  EXPECT_NE(std::ranges::find(spec_.environment, "USER=nobody"), spec_.environment.end());
  for (const auto* path : {"/cmd-0", "/cmd-0/_script.sh", "/cmd-0/downloads/sub/tool.sh"}) {
    struct stat info{};
    ASSERT_EQ(::stat((users + path).c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_uid, nobody.uid) << path;
  }
  struct stat info{};
  ASSERT_EQ(::stat(users.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0711U);
}

TEST_F(RunAsTest, AForeignFolderIsNotUsed) {
  const auto users = identity_.stateDir() + "-users";
  std::filesystem::create_directories(users);
  ASSERT_EQ(::chmod(users.c_str(), 0777), 0);
  const auto done = runAs(spec_, identity_, "nobody", "cmd-0");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "agent.run_as");
}

TEST_F(RunAsTest, AUserThatIsNotThereIsNamed) {
  const auto done = runAs(spec_, identity_, "no-such-user", "cmd-0");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("no-such-user"), std::string::npos);
}

TEST_F(RunAsTest, FoldersGoWithTheirRuns) {
  ASSERT_TRUE(runAs(spec_, identity_, "nobody", "cmd-0"));
  tidyRunAs(identity_.stateDir());
  EXPECT_TRUE(std::filesystem::exists(identity_.stateDir() + "-users/cmd-0"));
  std::filesystem::remove_all(identity_.stateDir() + "/runs/cmd");
  tidyRunAs(identity_.stateDir());
  EXPECT_FALSE(std::filesystem::exists(identity_.stateDir() + "-users/cmd-0"));
}

}  // namespace
}  // namespace sp::agent
