#include "agent/backup/tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stillpoint-tree-XXXXXX";
    dir_ = ::mkdtemp(name);
    fs::create_directories(dir_ + "/root/srv");
    fs::create_directories(dir_ + "/outside");
  }
  void TearDown() override { fs::remove_all(dir_); }
  void put(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(dir_ + path).parent_path());
    std::ofstream(dir_ + path) << text;
  }
  std::string get(const std::string& path) const { return os::readFile(dir_ + path).value_or("absent"); }
  std::string dir_;
};

TEST_F(TreeTest, PresenceIsSeenFromInsideAndTheLastPartIsNotFollowed) {
  put("/root/srv/a", "a");
  fs::create_symlink("/nowhere", dir_ + "/root/srv/dangling");
  fs::create_symlink("/srv", dir_ + "/root/link");
  const auto root = dir_ + "/root";
  EXPECT_TRUE(checkPresent(root, "/"));
  EXPECT_TRUE(checkPresent(root, "/srv/a"));
  EXPECT_TRUE(checkPresent(root, "/link/a"));
  EXPECT_TRUE(checkPresent(root, "/srv/dangling"));
  const auto missing = checkPresent(root, "/srv/b");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, "tree.missing");
  EXPECT_EQ(missing.error().message, "/srv/b does not exist");
  EXPECT_FALSE(checkPresent(root, "/srv/a/b"));
}

TEST_F(TreeTest, AFolderIsMadeInsideTheRootWhateverLinksSay) {
  fs::create_symlink("../../outside", dir_ + "/root/srv/escape");
  const auto root = dir_ + "/root";
  std::vector<std::string> folders;
  const auto made = makeFolderIn(root, "/new/deep", &folders);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(*made, root + "/new/deep");
  EXPECT_EQ(folders, (std::vector<std::string>{root + "/new", root + "/new/deep"}));
  struct stat about{};
  ASSERT_EQ(::stat(made->c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0755U);
  const auto escaped = makeFolderIn(root, "/srv/escape/x");
  EXPECT_FALSE(escaped);
  EXPECT_TRUE(fs::is_empty(dir_ + "/outside"));
  put("/root/file", "x");
  EXPECT_EQ(makeFolderIn(root, "/file/x").error().code, "tree.folder");
}

TEST_F(TreeTest, MergeReplacesFilesAndLinksAndKeepsWhatIsNotThere) {
  put("/from/a", "new");
  put("/from/d/deep", "new deep");
  put("/from/was-folder", "now a file");
  put("/from/awkward \n * name/x", "x");
  fs::create_symlink("/new-target", dir_ + "/from/link");
  fs::create_symlink("/was-file", dir_ + "/from/now-link");
  ::chmod((dir_ + "/from/d").c_str(), 0710);
  put("/to/a", "old");
  put("/to/kept", "kept");
  put("/to/d/also-kept", "kept too");
  put("/to/was-folder/inner", "gone");
  put("/to/now-link", "old file");
  fs::create_symlink("/old-target", dir_ + "/to/link");
  const auto size = measureTree(dir_ + "/from");
  ASSERT_TRUE(size);
  EXPECT_EQ(size->entries, 8);
  ASSERT_TRUE(mergeTree(dir_ + "/from", dir_ + "/to"));
  EXPECT_EQ(get("/to/a"), "new");
  EXPECT_EQ(get("/to/kept"), "kept");
  EXPECT_EQ(get("/to/d/deep"), "new deep");
  EXPECT_EQ(get("/to/d/also-kept"), "kept too");
  EXPECT_EQ(get("/to/was-folder"), "now a file");
  EXPECT_EQ(get("/to/awkward \n * name/x"), "x");
  EXPECT_EQ(fs::read_symlink(dir_ + "/to/link"), "/new-target");
  EXPECT_EQ(fs::read_symlink(dir_ + "/to/now-link"), "/was-file");
  struct stat about{};
  ASSERT_EQ(::stat((dir_ + "/to/d").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0710U);
  EXPECT_FALSE(fs::exists(dir_ + "/from"));
  // Interrupted after all was moved, and begun again.
  EXPECT_TRUE(mergeTree(dir_ + "/from", dir_ + "/to"));
}

TEST_F(TreeTest, EmptinessAllowsOneName) {
  fs::create_directories(dir_ + "/e/.aside");
  EXPECT_TRUE(isEmptyFolder(dir_ + "/e", ".aside").value());
  EXPECT_FALSE(isEmptyFolder(dir_ + "/e", ".other").value());
  EXPECT_FALSE(isEmptyFolder(dir_ + "/none", "").has_value());
}

}  // namespace
}  // namespace sp::agent
