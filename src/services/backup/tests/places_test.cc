#include "services/backup/places.h"

#include <gtest/gtest.h>

#include "services/backup/tests/backup_fixture.h"

namespace sp::services::backup {
namespace {

/// Whoever gets a place stands in `order`; a place is given up by leave().
class PlacesTest : public testing::Test {
 protected:
  PlacesTest() {
    char name[] = "/tmp/stillpoint-places-XXXXXX";
    dir_ = ::mkdtemp(name);
    store_ = *store::openSqlite(dir_ + "/store.db");
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    places_ = std::make_unique<Places>(*core_);
    places_->onGranted("x", [this](store::Txn&, const std::string& holder) { order_.push_back(holder); });
  }
  ~PlacesTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(dir_);
  }
  PlacesTest(const PlacesTest&) = delete;
  PlacesTest& operator=(const PlacesTest&) = delete;

  void run(const std::function<void(store::Txn&)>& work) {
    core_->post([&](store::Txn& txn) {
      work(txn);
      return true;
    });
    core_->runPending();
  }
  void take(const std::string& owner, const std::string& holder) {
    run([&](store::Txn& txn) {
      if (places_->take(txn, owner, "x:" + holder)) order_.push_back("x:" + holder);
    });
  }
  void leave(const std::string& holder) {
    run([&](store::Txn& txn) { places_->leave(txn, "x:" + holder); });
  }
  Places::Use use() {
    Places::Use out;
    run([&](store::Txn& txn) { out = places_->use(txn); });
    return out;
  }

  std::string dir_;
  ManualClock clock_{fromMicros(1'800'000'000'000'000)};
  SeededRandom random_{7};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Places> places_;
  std::vector<std::string> order_;
};

TEST_F(PlacesTest, OfOneOwnerInOrderOfArrival) {
  places_->setMost(1);
  for (int i = 0; i < 12; ++i) take("a", std::to_string(i));
  for (int i = 0; i < 12; ++i) leave(std::to_string(i));
  std::vector<std::string> expected;
  for (int i = 0; i < 12; ++i) expected.push_back("x:" + std::to_string(i));
  EXPECT_EQ(order_, expected);
}

TEST_F(PlacesTest, OwnersShareWhatThereIs) {
  places_->setMost(4);
  for (int i = 0; i < 100; ++i) take("large", "l" + std::to_string(i));
  for (int i = 0; i < 10; ++i) take("small", "s" + std::to_string(i));
  order_.clear();
  // As each of the first four leaves: two places for each owner, then one for one.
  for (const auto* holder : {"l0", "l1", "l2", "l3"}) leave(holder);
  EXPECT_EQ(order_, (std::vector<std::string>{"x:s0", "x:s1", "x:l4", "x:l5"}));
  order_.clear();
  for (const auto* holder : {"s0", "l4", "s1", "l5"}) leave(holder);
  EXPECT_EQ(order_, (std::vector<std::string>{"x:s2", "x:l6", "x:s3", "x:l7"}));
}

TEST_F(PlacesTest, OwnersTakeTurnsForTheOnlyPlace) {
  places_->setMost(1);
  for (int i = 0; i < 1000; ++i) take("large", "l" + std::to_string(i));
  take("one", "o");
  for (int i = 0; i < 3; ++i) take("some", "s" + std::to_string(i));
  for (std::size_t i = 0; i < 9; ++i) leave(order_[i].substr(2));
  EXPECT_EQ(order_, (std::vector<std::string>{"x:l0", "x:l1", "x:o", "x:s0", "x:l2", "x:s1", "x:l3", "x:s2", "x:l4", "x:l5"}));
}

class StreamTest : public PlacesTest, public testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Most, StreamTest, testing::Values(1, 2, 3));

TEST_P(StreamTest, ManySmallOnesDoNotKeepTheLargeOneOut) {
  places_->setMost(GetParam());
  for (int i = 0; i < 10; ++i) take("large", "l" + std::to_string(i));
  for (int i = 0; i < 60; ++i) {
    take("small" + std::to_string(i), "s" + std::to_string(i));
    leave(order_[static_cast<std::size_t>(i)].substr(2));
  }
  EXPECT_EQ(std::ranges::count_if(order_, [](const auto& holder) { return holder.starts_with("x:l"); }), 10);
}

TEST_F(PlacesTest, AskingAgainLeavingAndOccupying) {
  places_->setMost(1);
  take("a", "1");
  take("b", "2");
  take("c", "3");
  take("b", "2");
  EXPECT_EQ(use().waiting, 2);
  run([&](store::Txn& txn) { EXPECT_FALSE(places_->take(txn, "b", "x:2")); });
  leave("2");
  leave("2");
  leave("nobody");
  EXPECT_EQ(use().waiting, 1);
  // What runs already counts, even beyond what there is; nobody else comes in before enough have left.
  run([&](store::Txn& txn) {
    places_->occupy(txn, "d", "x:4");
    places_->occupy(txn, "d", "x:4");
    places_->occupy(txn, "c", "x:3");
  });
  EXPECT_EQ(use().held, 3);
  EXPECT_EQ(use().waiting, 0);
  take("e", "5");
  leave("1");
  leave("3");
  EXPECT_EQ(use().waiting, 1);
  leave("4");
  EXPECT_EQ(order_.back(), "x:5");
  leave("5");
  EXPECT_EQ(use().held, 0);
  run([&](store::Txn& txn) {
    for (const auto kind : {"backup_place", "backup_place_queue", "backup_place_owner"})
      EXPECT_EQ(txn.records().count(kind, 10), 0U) << kind;
  });
}

TEST_F(PlacesTest, APlaceThatIsGivenUpAtOnceIsGivenOn) {
  places_->setMost(1);
  places_->onGranted("x", [this](store::Txn& txn, const std::string& holder) {
    order_.push_back(holder);
    places_->leave(txn, holder);
  });
  take("a", "0");
  // Deeper than any stack would bear if each were given on from within.
  for (int i = 1; i < 5000; ++i) run([&](store::Txn& txn) { places_->take(txn, "a", "x:" + std::to_string(i)); });
  leave("0");
  EXPECT_EQ(order_.size(), 5000U);
  EXPECT_EQ(order_.back(), "x:4999");
  EXPECT_EQ(use().held, 0);
}

TEST_F(PlacesTest, MoreOfThemAreGivenAtTheNextStart) {
  places_->setMost(1);
  for (int i = 0; i < 3; ++i) take("a", std::to_string(i));
  places_->setMost(3);
  run([&](store::Txn& txn) { places_->recover(txn); });
  EXPECT_EQ(order_, (std::vector<std::string>{"x:0", "x:1", "x:2"}));
}

TEST_F(BackupTest, JobsOfNoRunWaitForAPlaceToo) {
  server_->backup.places().setMost(1);
  auto other = spec();
  server_->run([&](store::Txn& txn) {
    Instance instance;
    instance.id = "i-0123456789abcdef1";
    instance.image_id = "ami-bare";
    instance.state = InstanceState::running;
    txn.records().put("instance", instance.id, json::toText(instance.encode()));
  });
  other.resource_arn = server_->realm.arn("ec2", "instance/i-0123456789abcdef1");
  const auto first = start();
  const auto second = start(other);
  const auto third = start(other);
  madeRepository();
  EXPECT_EQ(agents_.count("backup.run"), 1U);
  EXPECT_EQ(server_->job(second).state, JobState::created);
  boot();
  server_->backup.places().setMost(1);
  snapshot(first, std::string(64, 'a'));
  result(first, "COMPLETED");
  EXPECT_EQ(server_->job(second).state, JobState::running);
  EXPECT_EQ(server_->job(third).state, JobState::created);
  // Ended before its turn: it leaves the queue.
  server_->run([&](store::Txn& txn) { EXPECT_TRUE(server_->backup.jobs().stop(txn, third).has_value()); });
  snapshot(second, std::string(64, 'b'));
  result(second, "COMPLETED");
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->backup.places().use(txn).held, 0); });
}

class JobPlacesTest : public BackupTest {
 protected:
  std::int64_t held() {
    std::int64_t out = 0;
    server_->run([&](store::Txn& txn) { out = server_->backup.places().use(txn).held; });
    return out;
  }
  void takePlace() {
    server_->backup.places().setMost(1);
    server_->run([&](store::Txn& txn) { EXPECT_TRUE(server_->backup.places().take(txn, "x", "x:1")); });
  }
  void leavePlace() {
    server_->run([&](store::Txn& txn) { server_->backup.places().leave(txn, "x:1"); });
  }
  void connect(const std::string& agent) {
    agents_.up = true;
    server_->run([&](store::Txn& txn) { EXPECT_TRUE(server_->reports.tell(txn, agent, "connected", {})); });
  }
};

TEST_F(JobPlacesTest, NothingIsSentToAnAgentThatIsAway) {
  agents_.up = false;
  const auto id = start();
  madeRepository();
  boot();
  takePlace();
  EXPECT_EQ(agents_.count("backup.run"), 0U);
  EXPECT_EQ(server_->job(id).state, JobState::created);
  connect(kMachine);
  EXPECT_EQ(agents_.count("backup.run"), 0U) << "it waits for its turn like everyone";
  leavePlace();
  EXPECT_EQ(server_->job(id).state, JobState::running);
  EXPECT_EQ(held(), 1);
  snapshot(id, std::string(64, 'a'));
  result(id, "COMPLETED");
  EXPECT_EQ(held(), 0);
}

TEST_F(JobPlacesTest, AStoppedMachinesJobWaitsForTheHostsAgent) {
  server_->setMachine(InstanceState::stopped, 4);
  agents_.up = false;
  const auto id = start();
  madeRepository();
  EXPECT_EQ(agents_.count("backup.run"), 0U);
  boot();
  connect(kMachine);
  agents_.up = false;
  EXPECT_EQ(agents_.count("backup.run"), 0U) << "its own agent does not read it";
  connect("host");
  EXPECT_EQ(server_->job(id).state, JobState::running);
  EXPECT_EQ(agents_.sent.back().first, "host");
}

TEST_F(JobPlacesTest, WhoCannotBeginGivesItsPlaceBack) {
  takePlace();
  const auto id = start();
  madeRepository();
  server_->setMachine(InstanceState::stopping, 1);
  leavePlace();
  EXPECT_EQ(server_->job(id).state, JobState::created);
  EXPECT_EQ(held(), 0);
  server_->setMachine(InstanceState::running, 1);
  server_->run([&](store::Txn& txn) { server_->backup.jobs().wake(txn, kMachine); });
  EXPECT_EQ(server_->job(id).state, JobState::running);
  EXPECT_EQ(held(), 1);
}

TEST_F(JobPlacesTest, OthersMayActOnAMachineWhoseJobOnlyWaits) {
  takePlace();
  const auto id = start();
  madeRepository();
  const auto refusal = [&] {
    std::optional<aws::ApiError> out;
    server_->run([&](store::Txn& txn) {
      out = server_->instances.refusal(txn, *server_->instances.find(txn, kMachine), "RebootInstances", false, "api");
    });
    return out;
  };
  EXPECT_FALSE(refusal().has_value());
  bool busy = true;
  server_->backup.jobs().onBusy([&](store::Txn&, const std::string& instance) {
    EXPECT_EQ(instance, kMachine);
    return busy;
  });
  leavePlace();
  EXPECT_EQ(server_->job(id).state, JobState::created) << "somebody is at work there";
  EXPECT_EQ(held(), 0);
  busy = false;
  advance(std::chrono::seconds(2));
  EXPECT_EQ(server_->job(id).state, JobState::running);
  ASSERT_TRUE(refusal().has_value());
  EXPECT_NE(refusal()->message.find("is held by backup job '" + id), std::string::npos) << refusal()->message;
}

TEST_F(JobPlacesTest, AClockThatIsSetMovesNoWindow) {
  agents_.up = false;
  const auto id = start();
  madeRepository();
  clock_.jump(std::chrono::hours(9));
  advance(std::chrono::minutes(479));
  EXPECT_EQ(server_->job(id).state, JobState::created);
  clock_.jump(-std::chrono::hours(20));
  advance(std::chrono::minutes(1));
  EXPECT_EQ(server_->job(id).state, JobState::expired);
  agents_.up = true;
  const auto running = start();
  EXPECT_EQ(server_->job(running).state, JobState::running);
  clock_.jump(std::chrono::hours(9));
  advance(std::chrono::seconds(1));
  EXPECT_EQ(server_->job(running).state, JobState::running) << "it does not stall";
}

TEST_F(JobPlacesTest, AnExpiredJobWasMadeWhenItsRunBeganToWait) {
  auto asked = spec();
  asked.since = clock_.now() - std::chrono::minutes(90);
  asked.start_window_minutes = 60;
  std::expected<Job, aws::ApiError> job;
  server_->run([&](store::Txn& txn) { job = server_->backup.jobs().expire(txn, asked, "why"); });
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->created, *asked.since);
  EXPECT_EQ(job->start_by, *asked.since + std::chrono::minutes(60));
  EXPECT_EQ(job->ended, clock_.now());
}

}  // namespace
}  // namespace sp::services::backup
