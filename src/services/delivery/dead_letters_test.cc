#include "services/delivery/dead_letters.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/time_format.h"
#include "services/delivery/deliveries.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::delivery {
namespace {

using testing::ElementsAre;

class NoAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object&) override {}
  void withdraw(store::Txn&, std::string_view, std::string_view) override {}
  bool connected(std::string_view) const override { return false; }
};

class DeadLettersTest : public testing::Test {
 protected:
  DeadLettersTest()
      // In memory where there is room: what fsync costs is no matter here.
      : directory_((::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
                   ("sp-dead-letters-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    store_ = std::move(*store::openSqlite(directory_ / "store.db"));
    blobs_ = std::move(*store::BlobStore::open(directory_ / "blobs", random_));
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    context_ = std::unique_ptr<Context>(new Context{*core_, realm_, clock_, random_, *blobs_, agents_, reports_, locks_});
    letters_ = std::make_unique<DeadLetters>(*context_, LetterBounds{5, 2'000});
  }
  ~DeadLettersTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void run(const std::function<void(store::Txn&)>& job) {
    core_->post([&job](store::Txn& txn) {
      job(txn);
      return true;
    });
    core_->runPending();
  }
  void keep(int n, std::size_t size = 1) {
    run([&](store::Txn& txn) {
      letters_->keep(txn, "q", {{"RETRY_ATTEMPTS", fmt::format("{}", n)}}, {{"n", n}, {"filled", std::string(size, 'x')}});
    });
    clock_.advance(std::chrono::milliseconds(2));
  }
  std::vector<std::int64_t> kept() {
    std::vector<std::int64_t> out;
    run([&](store::Txn& txn) {
      for (const auto& letter : DeadLetters::letters(txn, "q", "", 100)) out.push_back(json::intOr(letter.delivery, "n", -1));
    });
    return out;
  }
  std::vector<DeadLetterList> lists() {
    std::vector<DeadLetterList> out;
    run([&](store::Txn& txn) { out = DeadLetters::lists(txn, "", 100); });
    return out;
  }

  std::filesystem::path directory_;
  ManualClock clock_{*parseIso8601("2024-01-01T00:00:00Z")};
  SeededRandom random_{1};
  Realm realm_;
  NoAgents agents_;
  runtime::AgentReports reports_;
  runtime::MachineLock locks_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::BlobStore> blobs_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<DeadLetters> letters_;
};

TEST_F(DeadLettersTest, TheOldestGoWhenThereAreTooMany) {
  for (int n = 0; n < 8; ++n) keep(n);
  EXPECT_THAT(kept(), ElementsAre(3, 4, 5, 6, 7));
  ASSERT_EQ(lists().size(), 1U);
  EXPECT_EQ(lists()[0].letters, 5);
  EXPECT_EQ(lists()[0].dropped, 3);
}

TEST_F(DeadLettersTest, TheOldestGoWhenTheyAreTooLarge) {
  keep(0, 600);
  keep(1, 600);
  keep(2, 600);
  EXPECT_THAT(kept(), ElementsAre(1, 2));
  EXPECT_LE(lists()[0].bytes, 2'000);
  // One is kept whatever its size.
  keep(3, 5'000);
  EXPECT_THAT(kept(), ElementsAre(3));
}

TEST_F(DeadLettersTest, EachGoesAfterFourteenDays) {
  keep(0);
  clock_.advance(std::chrono::hours(24));
  keep(1);
  clock_.advance(std::chrono::hours(24 * 13));
  core_->runPending();
  EXPECT_THAT(kept(), ElementsAre(1));
  clock_.advance(std::chrono::hours(24));
  core_->runPending();
  EXPECT_TRUE(kept().empty());
  EXPECT_TRUE(lists().empty());
  EXPECT_FALSE(core_->nextTimer());
}

TEST_F(DeadLettersTest, TheListIsGoneWithItsLastLetter) {
  keep(0);
  keep(1);
  run([&](store::Txn& txn) {
    for (const auto& letter : DeadLetters::letters(txn, "q", "", 100)) {
      EXPECT_TRUE(letters_->remove(txn, "q", letter.id));
      EXPECT_FALSE(letters_->remove(txn, "q", letter.id));
    }
  });
  EXPECT_TRUE(lists().empty());
  EXPECT_FALSE(core_->nextTimer());
}

TEST_F(DeadLettersTest, AClockThatIsPutRightRemovesNone) {
  clock_.jump(-std::chrono::hours(24 * 365));
  keep(0);
  const auto before = clock_.now();
  clock_.jump(std::chrono::hours(24 * 365));
  core_->runPending();
  EXPECT_THAT(kept(), ElementsAre(0));
  keep(1);
  clock_.jump(-std::chrono::hours(24 * 30));
  core_->runPending();
  run([&](store::Txn& txn) {
    const auto all = DeadLetters::letters(txn, "q", "", 100);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_LT(std::chrono::abs(clock_.now() - all[0].since), std::chrono::seconds(1));
    EXPECT_LT(std::chrono::abs(clock_.now() - all[1].since), std::chrono::seconds(1));
    EXPECT_EQ(DeadLetters::find(txn, "q", all[0].id)->since, all[0].since);
    EXPECT_GT(all[0].since, before);
  });
  clock_.advance(std::chrono::hours(24 * 14) - std::chrono::seconds(1));
  core_->runPending();
  EXPECT_THAT(kept(), ElementsAre(0, 1));
  clock_.advance(std::chrono::seconds(1));
  core_->runPending();
  EXPECT_TRUE(kept().empty());
  EXPECT_FALSE(core_->nextTimer());
}

TEST_F(DeadLettersTest, ALetterThatCannotBeReadIsNotSentAndNotLost) {
  keep(0);
  Deliveries deliveries(*context_);
  std::string id;
  run([&](store::Txn& txn) {
    id = DeadLetters::letters(txn, "q", "", 1).at(0).id;
    txn.records().put("dead_letter", "q\x1f" + id, "{\"since\":1");
    EXPECT_EQ(deliveries.messageOf(DeadLetters::find(txn, "q", id)->delivery), "");
    EXPECT_FALSE(deliveries.resend(txn, "q", id));
    EXPECT_TRUE(DeadLetters::find(txn, "q", id));
  });
}

TEST(DeadLetterQueue, IsAStandardQueueOfThisAccountAndRegion) {
  const Realm realm;
  EXPECT_EQ(deadLetterQueue(realm, "arn:aws:sqs:us-east-1:000000000000:a-B_9").value_or(""), "a-B_9");
  for (const auto* wrong :
       {"", "q", "arn:aws:sns:us-east-1:000000000000:q", "arn:aws:sqs:us-east-1:000000000000:q.fifo",
        "arn:aws:sqs:us-east-2:000000000000:q", "arn:aws:sqs:us-east-1:000000000001:q", "arn:aws:sqs:us-east-1:000000000000:"})
    EXPECT_FALSE(deadLetterQueue(realm, wrong)) << wrong;
}

TEST(DeadLetterCode, IsAWordOfAwsForEachFailure) {
  const auto code = [](std::string_view of) { return deadLetterCode({std::string(of), "", false}); };
  EXPECT_EQ(code("StateMachineDoesNotExist"), "NO_RESOURCE");
  EXPECT_EQ(code("ResourceNotFoundException"), "NO_RESOURCE");
  EXPECT_EQ(code("ExecutionLimitExceeded"), "RESOURCE_LIMIT_EXCEEDED");
  EXPECT_EQ(code("ThrottlingException"), "THROTTLING");
  EXPECT_EQ(code("InvalidExecutionInput"), "INVALID_JSON");
  EXPECT_EQ(code("InvalidParameters"), "INVALID_PARAMETER");
  EXPECT_EQ(code("ValidationException"), "INVALID_PARAMETER");
  EXPECT_EQ(code("InternalServerError"), "INTERNAL_ERROR");
  EXPECT_EQ(code("AccessDeniedException"), "NO_PERMISSIONS");
  EXPECT_EQ(code("SomethingElse"), "ERROR_FROM_TARGET");
}

}  // namespace
}  // namespace sp::services::delivery
