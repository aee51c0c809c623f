#include "agent/scripts/run_folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

class RunFoldersTest : public ::testing::Test {
 protected:
  std::string file(const std::string& run, const std::string& name) const { return folder_.path() + "/" + run + "/step-0/" + name; }
  /// As a script leaves it.
  void use(const std::string& run) {
    ASSERT_TRUE(folders_.take(run));
    ASSERT_TRUE(os::writeFile(file(run, "_script.sh"), "echo secret", 0700));
    for (const char* name : {"spec", "lock", "pid", "stdout", "stderr", "status"}) ASSERT_TRUE(os::writeFile(file(run, name), "secret"));
  }
  ino_t inode(const std::string& path) const {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_ino;
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }

  testing::TempFolder folder_;
  RunFolders folders_{folder_.path()};
};

TEST_F(RunFoldersTest, OneThatWasGivenBackIsEmptyAndServesTheNext) {
  use("a");
  const auto before = inode(file("a", "stdout"));
  ASSERT_TRUE(folders_.giveBack("a"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/a"));
  const auto taken = folders_.take("b");
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->reused);
  EXPECT_EQ(inode(file("b", "stdout")), before);
  for (const char* name : {"_script.sh", "spec", "lock", "pid", "stdout", "stderr", "status"})
    EXPECT_EQ(fs::file_size(file("b", name)), 0U) << name;
}

TEST_F(RunFoldersTest, NewOnesAreMadeWhenItIsQuietAndTakenFirst) {
  use("a");
  ASSERT_TRUE(folders_.giveBack("a"));
  folders_.refresh();
  EXPECT_EQ(entries(), 2U) << "the used one is gone";
  const auto first = folders_.take("b");
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->reused);
  ASSERT_TRUE(folders_.giveBack("b"));
  const auto second = folders_.take("c");
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->reused);
  const auto third = folders_.take("d");
  ASSERT_TRUE(third);
  EXPECT_TRUE(third->reused);
}

TEST_F(RunFoldersTest, WithoutAnyOneIsMade) {
  const auto taken = folders_.take("a");
  ASSERT_TRUE(taken);
  EXPECT_FALSE(taken->reused);
  EXPECT_TRUE(fs::is_directory(folder_.path() + "/a/step-0"));
}

TEST_F(RunFoldersTest, WhatAnAgentTookBeforeItEndedIsNotHeldToBeNew) {
  ASSERT_TRUE(folders_.take("a"));
  const auto again = folders_.take("a");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->reused);
}

TEST_F(RunFoldersTest, OneThatItsScriptChangedIsNotKept) {
  const auto changed = [&](const char* run, const std::function<void()>& change) {
    use(run);
    change();
    EXPECT_FALSE(folders_.giveBack(run)) << run;
    EXPECT_TRUE(fs::exists(folder_.path() + "/" + run)) << run << " is the caller's";
  };
  changed("file", [&] { ASSERT_TRUE(os::writeFile(file("file", "left"), "")); });
  changed("link", [&] { fs::create_hard_link(file("link", "stdout"), folder_.path() + "/elsewhere"); });
  changed("symlink", [&] {
    fs::remove(file("symlink", "stderr"));
    fs::create_symlink("/etc/passwd", file("symlink", "stderr"));
  });
  changed("mode", [&] { ASSERT_EQ(::chmod(file("mode", "stdout").c_str(), 0644), 0); });
  changed("folder", [&] { ASSERT_EQ(::chmod((folder_.path() + "/folder/step-0").c_str(), 0777), 0); });
  changed("downloads", [&] { fs::create_directory(folder_.path() + "/downloads/downloads"); });
  changed("long", [&] { ASSERT_TRUE(os::writeFile(file("long", "stdout"), std::string(300 << 10, 'x'))); });
}

TEST_F(RunFoldersTest, OneThatAProgramStillWritesToIsNotKept) {
  use("a");
  const os::Fd held(::open(file("a", "stdout").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_TRUE(held);
  EXPECT_FALSE(folders_.giveBack("a"));
}

TEST_F(RunFoldersTest, FewAreKept) {
  for (const char* run : {"a", "b", "c", "d", "e"}) use(run);
  for (const char* run : {"a", "b", "c", "d"}) EXPECT_TRUE(folders_.giveBack(run)) << run;
  EXPECT_FALSE(folders_.giveBack("e"));
}

}  // namespace
}  // namespace sp::agent
