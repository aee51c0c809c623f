#include "agent/backup/own_state.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

class SomeIdentity final : public Identity {
 public:
  SomeIdentity(std::string agent, std::string state_dir) : agent_(std::move(agent)), state_dir_(std::move(state_dir)) {}
  const std::string& agent() const override { return agent_; }
  const std::string& stateDir() const override { return state_dir_; }
  const std::string& machinesDir() const override { return none_; }
  Result<std::string> endpoint() const override { return "127.0.0.1:1"; }
  net::ClientTls tls() const override { return {}; }

 private:
  std::string agent_;
  std::string state_dir_;
  std::string none_;
};

class OwnStateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    top_ = fs::canonical(folder_.path()).string();
    put("real/ag/key.pem");
    put("real/data");
    fs::create_directory_symlink("real", top_ + "/way");
    fs::create_directory_symlink("real/ag", top_ + "/ag");
  }
  void put(const std::string& name) {
    fs::create_directories(fs::path(at(name)).parent_path());
    ASSERT_TRUE(os::writeFile(at(name), name));
  }
  std::string at(const std::string& name) const { return top_ + "/" + name; }
  static bool has(const std::vector<std::string>& all, const std::string& one) { return std::ranges::find(all, one) != all.end(); }

  testing::TempFolder folder_;
  std::string top_;
};

TEST_F(OwnStateTest, ItIsKnownByEveryName) {
  for (const auto* spelt : {"real/ag", "real/ag/", "way/ag", "ag", "real/../real/./ag"}) {
    SCOPED_TRACE(spelt);
    const OwnState own(SomeIdentity("i-1", at(spelt)));
    for (const auto* path : {"real/ag", "real/ag/key.pem", "way/ag", "way/ag/key.pem", "ag/key.pem", "real/ag/new/folder"})
      EXPECT_FALSE(own.checkOutside(at(path), false)) << path;
    EXPECT_FALSE(own.checkOutside(at("ag"), true));
    for (const auto* path : {"real", "way", "real/agent", "real/data", "", "nowhere/ag"})
      EXPECT_TRUE(own.checkOutside(at(path), true)) << path;
    EXPECT_TRUE(own.checkOutside("/", true));
    const auto whole = own.patternsFor({"/"});
    EXPECT_TRUE(has(whole, at("real/ag")));
    EXPECT_TRUE(has(own.patternsFor({at("way/.")}), at("real/ag")));
  }
  const auto refused = OwnState(SomeIdentity("i-1", at("real/ag"))).checkOutside(at("way/ag/key.pem"), false);
  EXPECT_EQ(refused.error().message, at("way/ag/key.pem") + " lies in the agent's own state (" + at("real/ag") +
                                         "), which is in no backup and not restored to: name another path");
}

TEST_F(OwnStateTest, ALinkToItIsOneAndReadAsOne) {
  EXPECT_TRUE(OwnState(SomeIdentity("i-1", at("real/ag"))).checkOutside(at("ag"), false));
}

TEST_F(OwnStateTest, PatternsNameItAsThePathsDo) {
  put("a*[b]/c\\/ag/key.pem");
  fs::create_directory_symlink(at("a*[b]"), at("star"));
  const OwnState own(SomeIdentity("i-1", at("a*[b]/c\\/ag")));
  const auto patterns = own.patternsFor({at("star/c\\"), at("real")});
  EXPECT_TRUE(has(patterns, at("a\\*\\[b\\]/c\\\\/ag")));
  EXPECT_TRUE(has(patterns, at("a\\*\\[b\\]/c\\\\/ag-users")));
  EXPECT_TRUE(has(patterns, at("star/c\\\\/ag")));
}

TEST_F(OwnStateTest, ScriptsOfOtherUsersAndTheServersDataToo) {
  const OwnState own(SomeIdentity("i-1", at("real/ag")));
  EXPECT_FALSE(own.checkOutside(at("real/ag-users/cmd-0"), false));
  const OwnState server(SomeIdentity("host", at("real/ag")));
  EXPECT_FALSE(server.checkOutside(at("real/store.db"), false));
  EXPECT_TRUE(server.checkOutside(at("else"), false));
  EXPECT_TRUE(has(server.patternsFor({at("")}), at("real")));
}

TEST(OtherNames, AreWhereMountsShowAFolderAgain) {
  constexpr std::string_view kMounts = R"(21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 8:2 / /srv rw - ext4 /dev/sda2 rw
23 21 8:2 /data /mnt/a\040b rw shared:1 - ext4 /dev/sda2 rw
24 21 8:2 /data/ag/runs /mnt/runs rw - ext4 /dev/sda2 rw
25 21 8:2 /else /mnt/else rw - ext4 /dev/sda2 rw
26 21 8:1 / /mnt/whole rw - ext4 /dev/sda1 rw
)";
  EXPECT_EQ(otherNames(kMounts, "/srv/data/ag"), (std::vector<std::string>{"/mnt/a b/ag", "/mnt/runs"}));
  EXPECT_EQ(otherNames(kMounts, "/var/lib/ag"), std::vector<std::string>{"/mnt/whole/var/lib/ag"});
  EXPECT_EQ(otherNames(kMounts, "/mnt/a b/ag"), (std::vector<std::string>{"/srv/data/ag", "/mnt/runs"}));
  EXPECT_TRUE(otherNames("", "/srv").empty());
}

TEST_F(OwnStateTest, ItIsTakenOutOfATree) {
  const OwnState own(SomeIdentity("i-1", at("ag")));
  put("tree/real/ag/key.pem");
  put("tree/real/data");
  put("tree/ag/key.pem");
  const auto out = own.removeFrom(at("tree"), top_);
  ASSERT_TRUE(out) << out.error().text();
  EXPECT_EQ(*out, (std::vector<std::string>{at("ag"), at("real/ag")}));
  EXPECT_FALSE(fs::exists(at("tree/real/ag")));
  EXPECT_FALSE(fs::exists(at("tree/ag")));
  EXPECT_TRUE(fs::exists(at("tree/real/data")));
  EXPECT_TRUE(fs::exists(at("real/ag/key.pem")));
}

TEST_F(OwnStateTest, WhatWouldReplaceAFolderOnTheWayToItIsTakenOutAndNotFollowed) {
  const OwnState own(SomeIdentity("i-1", at("real/ag")));
  put("elsewhere/ag/key.pem");
  fs::create_directories(at("tree"));
  fs::create_directory_symlink(at("elsewhere"), at("tree/real"));
  const auto out = own.removeFrom(at("tree"), top_);
  ASSERT_TRUE(out) << out.error().text();
  EXPECT_EQ(*out, std::vector<std::string>{at("real")});
  EXPECT_FALSE(fs::is_symlink(at("tree/real")));
  EXPECT_TRUE(fs::exists(at("elsewhere/ag/key.pem")));
}

}  // namespace
}  // namespace sp::agent
