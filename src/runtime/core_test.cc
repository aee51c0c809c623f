// What the core does where the disk is full.
#include "runtime/core.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "store/sqlite/sqlite_store.h"

namespace sp::runtime {
namespace {

/// A store on a disk that is full until there is `room`, or a batch has no more than `few` jobs.
class FullDisk final : public store::Store {
 public:
  Result<std::vector<bool>> run(const std::vector<store::Job>& jobs, Instant now) override {
    ++commits;
    if (room || jobs.size() <= few) return disk->run(jobs, now);
    return fail("store.full", "there is no room");
  }
  std::unique_ptr<store::Store> disk;
  bool room = true;
  std::size_t few = 0;
  int commits = 0;
};

class CoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stillpoint-core-XXXXXX";
    dir_ = ::mkdtemp(name);
    store_.disk = *store::openSqlite(dir_ + "/store.db");
    core_.runPending();
  }
  void TearDown() override {
    store_.disk.reset();
    std::filesystem::remove_all(dir_);
  }
  /// "done", or the error's code.
  void post(const std::string& key, std::string& outcome, bool deletes) {
    const auto job = [key](store::Txn& txn) {
      txn.records().put("test", key, "x");
      return true;
    };
    const auto done = [&outcome](const Error* error) { outcome = error == nullptr ? "done" : error->code; };
    if (deletes) core_.postDeletion(job, done);
    else core_.post(job, done);
  }
  std::vector<std::string> keys() {
    std::vector<std::string> found;
    core_.post([&](store::Txn& txn) {
      for (const auto& record : txn.records().scan("test", "", "", 10)) found.push_back(record.key);
      return true;
    });
    core_.runPending();
    return found;
  }

  std::string dir_;
  FullDisk store_;
  ManualClock clock_{Instant(Duration(1'700'000'000'000'000))};
  SystemRandom random_;
  Core core_{store_, clock_, random_};
};

TEST_F(CoreTest, WhatDeletesIsTriedAgainWhereRoomIsMadeAndNothingElse) {
  int asked = 0;
  core_.onFull([&] {
    ++asked;
    return store_.room = true;
  });
  store_.room = false;
  std::string puts;
  std::string deletes;
  post("put", puts, false);
  post("delete", deletes, true);
  core_.runPending();
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(puts, "store.full");
  EXPECT_EQ(deletes, "done");
  EXPECT_EQ(keys(), std::vector<std::string>{"delete"});
}

TEST_F(CoreTest, NoRoomIsMadeForOtherWork) {
  core_.onFull([&] { return store_.room = true; });
  store_.room = false;
  std::string puts;
  post("put", puts, false);
  core_.runPending();
  EXPECT_EQ(puts, "store.full");
  EXPECT_FALSE(store_.room);
}

TEST_F(CoreTest, WhereNoRoomCanBeMadeADeletionFailsAfterOneTry) {
  core_.onFull([] { return false; });
  store_.room = false;
  const auto before = store_.commits;
  std::string deletes;
  post("delete", deletes, true);
  core_.runPending();
  EXPECT_EQ(deletes, "store.full");
  EXPECT_EQ(store_.commits - before, 1);
}

TEST_F(CoreTest, WhereNoRoomCanBeMadeADeletionIsTriedWithoutWhatCameWithIt) {
  core_.onFull([] { return false; });
  store_.room = false;
  // The core's own job counts too.
  store_.few = 2;
  std::string puts;
  std::string deletes;
  post("put", puts, false);
  post("delete", deletes, true);
  core_.runPending();
  EXPECT_EQ(puts, "store.full");
  EXPECT_EQ(deletes, "done");
  EXPECT_EQ(keys(), std::vector<std::string>{"delete"});
}

}  // namespace
}  // namespace sp::runtime
