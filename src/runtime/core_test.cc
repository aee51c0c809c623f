// What the core does where the disk is full, and where it starts on another clock than it stopped.
#include "runtime/core.h"

#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/sqlite/sqlite_store.h"

namespace sp::runtime {
namespace {

using testing::ElementsAre;

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

/// A core that starts on what another one left, and what it told: "waits -86400" and "dates -86400", and "timer", "posted".
class Restart : public CoreTest {
 protected:
  void start() {
    restarted_ = std::make_unique<Core>(store_, clock_, random_);
    restarted_->onClockSet([this](store::Txn&, Duration by) { tell("waits", by); });
    restarted_->onDatesSet([this](store::Txn&, Duration by) { tell("dates", by); });
    restarted_->onTimer("t", [this](store::Txn&, const store::Timer&) { told_.emplace_back("timer"); });
    restarted_->post([this](store::Txn&) {
      told_.emplace_back("posted");
      return true;
    });
    told_.clear();
    restarted_->runPending();
  }
  void tell(std::string_view what, Duration by) {
    told_.push_back(fmt::format("{} {}", what, std::chrono::duration_cast<std::chrono::seconds>(by).count()));
  }
  void setTimer() {
    restarted_->post([](store::Txn& txn) {
      txn.timers().set({"t", "1", txn.now(), ""});
      return true;
    });
    restarted_->runPending();
  }
  void restart() {
    restarted_.reset();
    start();
  }

  std::unique_ptr<Core> restarted_;
  std::vector<std::string> told_;
};

TEST_F(Restart, AClockThatGoesOnWhileTheServerIsDownIsNotTold) {
  start();
  EXPECT_THAT(told_, ElementsAre("posted"));
  clock_.advance(std::chrono::hours(50));
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
  // What keeps a clock right.
  clock_.jump(-std::chrono::seconds(4));
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
}

TEST_F(Restart, AClockPutBackWhileTheServerIsDownIsToldBeforeAnythingIsDue) {
  start();
  clock_.advance(std::chrono::hours(1));
  setTimer();
  told_.clear();
  clock_.jump(-std::chrono::hours(24));
  restart();
  EXPECT_THAT(told_, ElementsAre("posted", "dates -86400"));
  // Once.
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
}

TEST_F(Restart, AClockThatIsFarBehindHasTenMinutesToBePutRight) {
  start();
  clock_.advance(std::chrono::hours(1));
  setTimer();
  clock_.jump(-std::chrono::hours(100));
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
  clock_.advance(std::chrono::minutes(9));
  // It is as far behind after another start.
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
  clock_.advance(std::chrono::minutes(9));
  restarted_->runPending();
  EXPECT_THAT(told_, ElementsAre("posted"));
  clock_.advance(std::chrono::minutes(1));
  restarted_->runPending();
  EXPECT_THAT(told_, ElementsAre("posted", "dates -358860"));
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
}

TEST_F(Restart, AClockThatIsPutRightInTimeLeavesTheDates) {
  start();
  clock_.advance(std::chrono::hours(1));
  setTimer();
  clock_.jump(-std::chrono::hours(100));
  restart();
  clock_.jump(std::chrono::hours(100));
  restarted_->runPending();
  EXPECT_THAT(told_, ElementsAre("posted", "waits 360000"));
  clock_.advance(std::chrono::hours(1));
  restart();
  EXPECT_THAT(told_, ElementsAre("posted"));
  // From here on a step is told to all again.
  clock_.jump(-std::chrono::hours(100));
  restarted_->runPending();
  EXPECT_THAT(told_, ElementsAre("posted", "waits -360000", "dates -360000"));
}

TEST_F(Restart, WhatOnlyReadsWritesNothing) {
  std::optional<std::string> kept;
  const auto read = [&] {
    restarted_->post([&kept](store::Txn& txn) {
      kept = txn.records().get("clock", "dates");
      return true;
    });
    restarted_->runPending();
    return kept;
  };
  start();
  setTimer();
  const auto before = read();
  EXPECT_TRUE(before);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(read(), before);
  EXPECT_EQ(read(), before);
  setTimer();
  EXPECT_NE(read(), before);
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
