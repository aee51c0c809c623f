// Maintenance with the real restic: what it removes, what it leaves alone, and what others left it.
#include "fleet/vault/maintenance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"
#include "fleet/vault_http.h"
#include "json/json.h"

namespace sp::fleet {
namespace {

class MaintenanceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stillpoint-maintenance-XXXXXX";
    dir_ = ::mkdtemp(name);
    key_ = SystemRandom().hex(64);
    keeper_ = makeVaultKeeper(dir_ + "/vaults");
    std::promise<Result<void>> made;
    keeper_->create(repository(), [&](Result<void> result) { made.set_value(std::move(result)); });
    ASSERT_TRUE(made.get_future().get().has_value());
    std::filesystem::create_directories(dir_ + "/src");
  }
  void TearDown() override {
    keeper_.reset();
    std::filesystem::remove_all(dir_);
  }
  runtime::VaultRepository repository() const { return {"V", "i-1", key_}; }
  std::string path() const { return keeper_->pathOf("V", "i-1"); }

  os::SpawnSpec spec(std::vector<std::string> arguments) const {
    os::SpawnSpec out;
    out.argv = {"restic", "-r", path(), "--no-cache"};
    out.argv.insert(out.argv.end(), arguments.begin(), arguments.end());
    out.environment = {{"PATH=/usr/bin:/bin", "RESTIC_PASSWORD=" + key_, "TZ=UTC", "HOME=/nonexistent"}};
    out.cwd = dir_;
    return out;
  }
  std::string restic(std::vector<std::string> arguments) const {
    const auto output = os::run(spec(std::move(arguments)), std::chrono::seconds(100));
    EXPECT_TRUE(output && output->status.ok()) << (output ? output->err : output.error().text());
    return output ? output->out : "";
  }
  /// Its full id.
  std::string backup(const std::string& word, std::size_t bytes = 3U << 20U) const {
    SystemRandom random;
    std::ofstream(dir_ + "/src/" + word) << random.hex(bytes);
    std::set<std::string> before = names("snapshots");
    restic({"backup", "src/" + word, "--tag", word});
    for (const auto& name : names("snapshots"))
      if (!before.contains(name)) return name;
    ADD_FAILURE() << "no snapshot";
    return "";
  }
  std::set<std::string> names(const std::string& folder) const {
    std::set<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path() + "/" + folder)) out.insert(entry.path().filename().string());
    return out;
  }
  std::uintmax_t bytes() const {
    std::uintmax_t out = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path() + "/data"))
      if (entry.is_regular_file()) out += entry.file_size();
    return out;
  }
  Result<void> forget(const std::vector<std::string>& snapshots) const {
    std::promise<Result<void>> done;
    keeper_->forget(repository(), snapshots, [&](Result<void> result) { done.set_value(std::move(result)); });
    return done.get_future().get();
  }
  std::vector<runtime::VaultSnapshot> look(std::set<std::string> known) const {
    std::promise<Result<std::vector<runtime::VaultSnapshot>>> done;
    keeper_->look(repository(), std::move(known),
                  [&](Result<std::vector<runtime::VaultSnapshot>> result) { done.set_value(std::move(result)); });
    auto found = done.get_future().get();
    EXPECT_TRUE(found.has_value());
    return found.value_or(std::vector<runtime::VaultSnapshot>());
  }
  /// A restic that holds its lock until its standard input ends.
  struct Holding {
    os::Process process;
    os::Pipe input;
    std::string lock;
  };
  Holding hold() const {
    Holding out;
    out.input = os::makePipe().value();
    auto wanted = spec({"backup", "--stdin"});
    wanted.stdin_fd = out.input.read.get();
    out.process = os::spawn(wanted).value();
    out.input.read.reset();
    // It writes "ID-tmp-…" first, and is done with the lock once nobody may write it.
    for (int i = 0; i < 6000 && out.lock.size() != 64; ++i) {
      static_cast<void>(out.process.wait(std::chrono::milliseconds(10)));
      for (const auto& name : names("locks")) {
        std::error_code gone;
        const auto mode = std::filesystem::status(path() + "/locks/" + name, gone).permissions();
        if (!gone && (mode & std::filesystem::perms::owner_write) == std::filesystem::perms::none) out.lock = name;
      }
    }
    EXPECT_EQ(out.lock.size(), 64U);
    return out;
  }
  std::string leaseFile() const { return dir_ + "/vaults/V/.stillpoint/i-1.maintenance"; }

  std::string dir_;
  std::string key_;
  std::unique_ptr<runtime::VaultKeeper> keeper_;
};

TEST_F(MaintenanceTest, SpaceIsFreedAndTheOthersAreWhole) {
  const auto first = backup("first");
  const auto second = backup("second");
  const auto before = bytes();
  const auto gone = forget({first, std::string(64, 'f')});
  ASSERT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_EQ(names("snapshots"), std::set<std::string>{second});
  EXPECT_LT(bytes(), before * 2 / 3);
  EXPECT_TRUE(names("locks").empty());
  restic({"check", "--read-data"});
  restic({"restore", second, "--target", dir_ + "/out", "--verify"});
  EXPECT_EQ(os::run({.argv = {"cmp", dir_ + "/src/second", dir_ + "/out/src/second"}}, std::chrono::seconds(30))->status.code, 0);
}

TEST_F(MaintenanceTest, SomebodyElsesRunningResticIsNotPrunedAgainst) {
  const auto snapshot = backup("one");
  auto other = hold();
  const auto refused = forget({snapshot});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("already locked"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(names("locks").contains(other.lock));
  EXPECT_TRUE(names("snapshots").contains(snapshot));
  other.input.write.reset();
  EXPECT_TRUE(other.process.wait(std::chrono::seconds(60)).value().has_value());
  const auto gone = forget({snapshot});
  EXPECT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_FALSE(names("snapshots").contains(snapshot));
}

TEST_F(MaintenanceTest, AHalfWrittenLockIsRemovedOnceItIsOld) {
  const auto snapshot = backup("one");
  const auto old = std::string(64, 'a') + "-tmp-1";
  const auto fresh = std::string(64, 'b') + "-tmp-2";
  for (const auto& name : {old, fresh}) ASSERT_TRUE(os::writeFile(path() + "/locks/" + name, "half").has_value());
  std::filesystem::last_write_time(path() + "/locks/" + old, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const auto gone = forget({snapshot});
  ASSERT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_EQ(names("locks"), std::set<std::string>{fresh}) << "somebody may be writing it";
}

TEST_F(MaintenanceTest, TheLockOfAKilledResticIsRemoved) {
  const auto snapshot = backup("one");
  auto other = hold();
  other.process.signal(SIGKILL);
  EXPECT_TRUE(other.process.wait().has_value());
  const auto gone = forget({snapshot});
  EXPECT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_TRUE(names("locks").empty());
}

// restic itself takes a lock for alive whose number another process has by now.
TEST_F(MaintenanceTest, TheLockOfADeadMaintenanceIsRemovedThoughItsNumberWasGivenAnew) {
  const auto snapshot = backup("one");
  const auto other = hold();
  std::filesystem::create_directories(dir_ + "/vaults/V/.stillpoint");
  std::ofstream(leaseFile()) << fmt::format("{} {} {}\n", other.process.pid(), os::processStartTime(other.process.pid()) + 1, os::bootId());
  const auto gone = forget({snapshot});
  EXPECT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_FALSE(names("locks").contains(other.lock));
  other.process.signal(SIGKILL);
  EXPECT_TRUE(other.process.wait().has_value());
}

TEST_F(MaintenanceTest, LocksOfClientsAreKnownByTheirIds) {
  const auto snapshot = backup("one");
  const auto other = hold();
  const auto noted = dir_ + "/vaults/V/.stillpoint/locks/i-1";
  std::filesystem::create_directories(noted);
  std::ofstream(noted + "/" + other.lock) << "job";
  const auto gone = forget({snapshot});
  EXPECT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_FALSE(std::filesystem::exists(noted));
  other.process.signal(SIGKILL);
  EXPECT_TRUE(other.process.wait().has_value());
}

TEST_F(MaintenanceTest, AResticThatOutlivedItsServerIsEnded) {
  const auto snapshot = backup("one");
  std::filesystem::create_directories(dir_ + "/vaults/V/.stillpoint");
  os::Process left;
  {
    const os::Fd lease(::open(leaseFile().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::flock(lease.get(), LOCK_EX), 0);
    os::SpawnSpec wanted{.argv = {"sleep", "1000"}};
    wanted.pass = {{lease.get(), 4}};
    left = os::spawn(wanted).value();
    const auto text = fmt::format("{} {} {}\n", left.pid(), os::processStartTime(left.pid()), os::bootId());
    ASSERT_EQ(::pwrite(lease.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  const auto gone = forget({snapshot});
  EXPECT_TRUE(gone.has_value()) << gone.error().text();
  const auto status = left.wait(std::chrono::seconds(1)).value();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->signal, SIGINT);
}

TEST_F(MaintenanceTest, AVaultIsRemovedOnlyWhenAllItsSnapshotsAreKnown) {
  const auto remove = [&](std::set<std::string> known) {
    std::promise<Result<void>> done;
    keeper_->removeVault("V", std::move(known), [&](Result<void> result) { done.set_value(std::move(result)); });
    return done.get_future().get();
  };
  const auto first = backup("first");
  const auto second = backup("second");
  // Of a machine that the server knows nothing of.
  std::filesystem::create_directories(dir_ + "/vaults/V/i-2/snapshots");
  const auto third = sha256Hex("third");
  std::ofstream(dir_ + "/vaults/V/i-2/snapshots/" + third) << "sealed";
  std::ofstream(dir_ + "/vaults/V/i-2/snapshots/" + third + "-tmp-1") << "half";
  const std::set<std::string> all{"i-1/" + first, "i-1/" + second, "i-2/" + third};
  EXPECT_EQ(keeper_->snapshots("V").value(), all);
  EXPECT_EQ(remove({"i-1/" + first, "i-1/" + second}).error().code, "vault.strange");
  EXPECT_EQ(remove({"i-1/" + first, "i-2/" + third}).error().code, "vault.strange");
  EXPECT_EQ(keeper_->snapshots("V").value(), all);
  restic({"check", "--read-data"});
  const auto gone = remove(all);
  EXPECT_TRUE(gone.has_value()) << gone.error().text();
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/vaults"));
  EXPECT_TRUE(keeper_->snapshots("V").value().empty());
  EXPECT_TRUE(remove({}).has_value());
}

TEST_F(MaintenanceTest, WhatIsNotKnownIsTold) {
  const auto first = backup("first");
  EXPECT_TRUE(look({first}).empty());
  const auto second = backup("second");
  const auto found = look({first});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, second);
  EXPECT_EQ(found[0].tags, std::vector<std::string>{"second"});
  EXPECT_EQ(found[0].paths, std::vector<std::string>{dir_ + "/src/second"});
  EXPECT_NE(found[0].time, "");
  EXPECT_EQ(found[0].problem, "");
  // One that nobody can read hides neither itself nor the others.
  std::ofstream(path() + "/snapshots/" + sha256Hex("junk")) << "other junk";
  const auto all = look({});
  std::set<std::string> ids;
  for (const auto& snapshot : all) ids.insert(snapshot.id);
  EXPECT_EQ(ids, (std::set<std::string>{first, second, sha256Hex("junk")}));
}

}  // namespace
}  // namespace sp::fleet
