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

TEST_F(TreeTest, APartLeavesTheFoldersAboveItAlone) {
  put("/from/srv/d/a", "new");
  put("/from/srv/d/b", "new b");
  put("/from/new/deep/c", "new c");
  ::chmod((dir_ + "/from/srv").c_str(), 0711);
  ::chmod((dir_ + "/from/srv/d").c_str(), 0711);
  ::chmod((dir_ + "/from/new").c_str(), 0711);
  const auto root = dir_ + "/root";
  fs::remove_all(root + "/srv");
  put("/root/big/srv/d/a", "old");
  put("/root/big/srv/other", "other");
  ::chmod((root + "/big/srv").c_str(), 0700);
  ::chmod((root + "/big/srv/d").c_str(), 0700);
  // Followed inside the root: on this host there is none.
  fs::create_symlink("/big/srv", root + "/srv");
  const auto moves = planMoves(root, dir_ + "/from", root, {"/srv/d/a", "/srv//d/b", "/new/deep/c"});
  ASSERT_TRUE(moves) << moves.error().text();
  EXPECT_EQ(*moves, (std::vector<Move>{{dir_ + "/from/new", root + "/new"},
                                       {dir_ + "/from/srv/d/a", root + "/big/srv/d/a"},
                                       {dir_ + "/from/srv/d/b", root + "/big/srv/d/b"}}));
  ASSERT_TRUE(moveParts(*moves, dir_ + "/from"));
  EXPECT_EQ(fs::read_symlink(root + "/srv"), "/big/srv");
  EXPECT_EQ(get("/root/big/srv/d/a"), "new");
  EXPECT_EQ(get("/root/big/srv/d/b"), "new b");
  EXPECT_EQ(get("/root/big/srv/other"), "other");
  EXPECT_EQ(get("/root/new/deep/c"), "new c");
  struct stat about{};
  for (const auto* kept : {"/big/srv", "/big/srv/d"}) {
    ASSERT_EQ(::stat((root + kept).c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0700U) << kept;
  }
  // What was not there comes as it was.
  ASSERT_EQ(::stat((root + "/new").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0711U);
  EXPECT_FALSE(fs::exists(dir_ + "/from"));
  // Interrupted after all was moved, and begun again.
  EXPECT_TRUE(moveParts(*moves, dir_ + "/from"));
}

TEST_F(TreeTest, AFolderThatIsWantedItselfTakesEverything) {
  put("/from/srv/d/a", "new");
  ::chmod((dir_ + "/from/srv").c_str(), 0711);
  fs::create_symlink("/outside", dir_ + "/root/srv/d");
  const auto moves = planMoves(dir_ + "/root", dir_ + "/from", dir_ + "/root", {"/srv", "/srv/d/a"});
  ASSERT_TRUE(moves) << moves.error().text();
  EXPECT_EQ(*moves, (std::vector<Move>{{dir_ + "/from/srv", dir_ + "/root/srv"}}));
  ASSERT_TRUE(moveParts(*moves, dir_ + "/from"));
  struct stat about{};
  ASSERT_EQ(::stat((dir_ + "/root/srv").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0711U);
  EXPECT_FALSE(fs::is_symlink(dir_ + "/root/srv/d"));
  EXPECT_EQ(get("/root/srv/d/a"), "new");
}

TEST_F(TreeTest, AWayThatIsNoFolderIsRefused) {
  put("/from/srv/d/a", "new");
  const auto root = dir_ + "/root";
  fs::create_symlink("/nowhere", root + "/srv/d");
  const auto dangling = planMoves(root, dir_ + "/from", root, {"/srv/d/a"});
  ASSERT_FALSE(dangling);
  EXPECT_EQ(dangling.error().code, "tree.way");
  EXPECT_TRUE(dangling.error().message.starts_with("/srv/d is above a path of includePaths and must be a folder"))
      << dangling.error().message;
  fs::remove(root + "/srv/d");
  put("/root/srv/d", "a file");
  EXPECT_EQ(planMoves(root, dir_ + "/from", root, {"/srv/d/a"}).error().code, "tree.way");
  EXPECT_EQ(get("/root/srv/d"), "a file");
}

// /proc is a mount of every machine: nothing of it is changed, only asked.
TEST_F(TreeTest, WhatLiesOnAnotherMountIsToldBeforeAnythingIsMoved) {
  const auto tree = dir_ + "/from";
  const auto told = [&](const std::string& path) {
    const auto parts = planMoves("/", tree, "/", {path});
    EXPECT_TRUE(parts) << parts.error().text();
    const auto checked = checkMoves("/", tree, *parts);
    const auto whole = checkMoves("/", tree, {{tree, "/"}});
    EXPECT_EQ(checked ? "" : checked.error().text(), whole ? "" : whole.error().text());
    return checked ? "" : checked.error().code + ": " + checked.error().message;
  };
  fs::create_directories(tree + "/proc");
  EXPECT_EQ(told("/proc"), "") << "an empty folder: the mount is left alone";
  put("/from/proc/self", "x");
  EXPECT_EQ(told("/proc"),
            "tree.mount: /proc is another file system than the target, and /proc/self cannot be moved there: restore into a folder of that "
            "file system; nothing was put in place");
  fs::remove_all(tree);
  put("/from/proc", "a file");
  EXPECT_EQ(
      told("/proc"),
      "tree.mount: /proc would have to be replaced, and /proc is a mount point: unmount it, or restore into another folder; nothing was "
      "put in place");
  EXPECT_EQ(checkMoves("/", tree, {{tree + "/proc", "/proc/new"}}).error().code, "tree.mount");
}

TEST_F(TreeTest, AFolderWithAMountBelowItIsNotReplaced) {
  put("/from/a", "a file");
  EXPECT_EQ(checkMoves("/", dir_ + "/from", {{dir_ + "/from/a", "/"}}).error().code, "tree.mount");
  const auto root = dir_ + "/root";
  put("/root/a/b/c", "old");
  EXPECT_TRUE(checkMoves(root, dir_ + "/from", {{dir_ + "/from", root}})) << "no mount there";
  EXPECT_EQ(get("/root/a/b/c"), "old");
}

TEST_F(TreeTest, WhatIsReplacedByAnotherKindGoesOnlyAfterIt) {
  put("/from/a", "new");
  put("/root/a/b/c", "old");
  put("/from/folder/file", "stands");
  // A move that the kernel refuses whatever is mounted: of a folder into itself.
  EXPECT_EQ(moveParts({{dir_ + "/from/folder", dir_ + "/from/folder/file"}}, dir_ + "/from").error().code, "tree.move");
  EXPECT_EQ(get("/from/folder/file"), "stands");
  // One that waits from an interrupted try is removed with the rest.
  put("/from.replaced/b", "left by a kill");
  ASSERT_TRUE(mergeTree(dir_ + "/from", dir_ + "/root"));
  EXPECT_EQ(get("/root/a"), "new");
  EXPECT_FALSE(fs::exists(dir_ + "/from.replaced"));
  EXPECT_FALSE(fs::exists(dir_ + "/from"));
}

TEST_F(TreeTest, WhatATreeDoesNotHaveIsNamed) {
  put("/from/srv/a", "a");
  fs::create_symlink("/srv", dir_ + "/from/link");
  EXPECT_EQ(missingIn(dir_ + "/from", {"/srv", "/srv/a", "/link", "/srv/b", "/link/a", "/none/x"}),
            (std::vector<std::string>{"/srv/b", "/link/a", "/none/x"}));
}

TEST_F(TreeTest, EmptinessAllowsOneName) {
  fs::create_directories(dir_ + "/e/.aside");
  EXPECT_TRUE(isEmptyFolder(dir_ + "/e", ".aside").value());
  EXPECT_FALSE(isEmptyFolder(dir_ + "/e", ".other").value());
  EXPECT_FALSE(isEmptyFolder(dir_ + "/none", "").has_value());
}

}  // namespace
}  // namespace sp::agent
