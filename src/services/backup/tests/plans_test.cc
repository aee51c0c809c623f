// When plans run, by the injected clock: pauses, clocks that are set, starts that fail.
#include "services/backup/plans/plans.h"

#include <set>

#include "base/time_format.h"
#include "services/backup/shapes.h"
#include "services/backup/tests/backup_fixture.h"

namespace sp::services::backup {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class NoExecutions final : public runtime::Executions {
 public:
  void taskSucceeded(store::Txn&, std::string_view, json::Value) override {}
  void taskFailed(store::Txn&, std::string_view, std::string, std::string) override {}
  void onEnd(EndHandler) override {}
};

class PlansTest : public BackupTest {
 protected:
  void SetUp() override {
    BackupTest::SetUp();
    PlanRuns runs;
    runs.refuses = [](const json::Object&) { return std::string(); };
    runs.arn = [](const std::string& name) { return "arn:" + name; };
    runs.start = [this](store::Txn& txn, const std::string& name, const json::Object&) -> std::expected<void, aws::ApiError> {
      if (refuse_) return std::unexpected(apiError("ExecutionLimitExceeded", "not now"));
      if (names_.insert(name).second) started_.push_back(toIso8601Seconds(txn.now()));
      else ++repeated_;
      return {};
    };
    runs.missed = [this](store::Txn&, json::Object detail) { missed_.push_back(std::move(detail)); };
    plans().attach(std::move(runs), executions_);
    server_->run([&](store::Txn& txn) {
      const auto document = parsePlan(json::parse(R"json({"BackupPlanName":"p","Rules":[{"RuleName":"r","TargetBackupVaultName":"Default",
        "ScheduleExpression":"cron(0 * * * ? *)","StartWindowMinutes":60}]})json")
                                          ->get_object());
      ASSERT_TRUE(document.has_value()) << document.error().message;
      plan_ = plans().create(txn, *document, "", {})->id;
      const auto selection = json::parse(R"({"SelectionName":"s","IamRoleArn":"arn:aws:iam::000000000000:role/b","Resources":["*"]})");
      ASSERT_TRUE(plans().select(txn, plan_, selection->get_object(), "").has_value());
    });
  }
  Plans& plans() { return server_->backup.plans(); }
  void jump(Duration by) {
    clock_.jump(by);
    server_->core.runPending();
  }
  /// Minute by minute, as the core looks each second.
  void pass(minutes many) {
    for (minutes gone{0}; gone < many; ++gone) advance(minutes(1));
  }

  NoExecutions executions_;
  std::vector<std::string> started_;
  std::set<std::string> names_;
  std::vector<json::Object> missed_;
  std::string plan_;
  int repeated_ = 0;
  bool refuse_ = false;
};

TEST_F(PlansTest, AClockThatIsSetStartsNothingTwiceAndTellsWhatWasMissed) {
  pass(hours(3));
  EXPECT_EQ(started_.size(), 3U);
  jump(-minutes(30));
  pass(minutes(29));
  EXPECT_EQ(started_.size(), 3U) << "the hour that was shown again";
  pass(minutes(61));
  EXPECT_EQ(started_.size(), 4U);
  // A day ahead: the latest hour runs, the others are told.
  jump(hours(24));
  EXPECT_EQ(started_.size(), 5U);
  ASSERT_EQ(missed_.size(), 1U);
  EXPECT_EQ(missed_[0].at("missed").to_number<int>(), 23);
  pass(hours(1));
  EXPECT_EQ(started_.size(), 6U);
  // Put right: each hour runs as it comes, but for the two that have run.
  jump(-hours(24));
  pass(hours(25));
  EXPECT_EQ(started_.size(), 6U + 25U - 2U);
  EXPECT_EQ(repeated_, 0);
  EXPECT_EQ(missed_.size(), 1U);
}

TEST_F(PlansTest, APlanOutlivesAClockThatWasAYearAhead) {
  jump(hours(24 * 400));
  pass(hours(2));
  const auto before = started_.size();
  jump(-hours(24 * 400));
  pass(hours(3));
  EXPECT_EQ(started_.size(), before + 3);
  EXPECT_EQ(repeated_, 0);
}

TEST_F(PlansTest, ThePausedRunsNothingWhateverTheClockSays) {
  pass(minutes(90));
  EXPECT_EQ(started_.size(), 1U);
  server_->run([&](store::Txn& txn) { EXPECT_TRUE(plans().pause(txn, plan_, "arn:me").has_value()); });
  pass(hours(2));
  jump(hours(24));
  jump(-hours(24));
  pass(hours(1));
  EXPECT_EQ(started_.size(), 1U);
  server_->run([&](store::Txn& txn) { EXPECT_TRUE(plans().resume(txn, plan_).has_value()); });
  EXPECT_EQ(started_.size(), 1U);
  pass(hours(1));
  EXPECT_EQ(started_.size(), 2U);
  EXPECT_TRUE(missed_.empty());
}

TEST_F(PlansTest, WhatCannotStartIsTriedAgainWithinItsWindow) {
  refuse_ = true;
  pass(minutes(70));
  refuse_ = false;
  pass(minutes(1));
  EXPECT_EQ(started_.size(), 1U);
  pass(hours(1));
  EXPECT_EQ(started_.size(), 2U);
  EXPECT_EQ(repeated_, 0);
}

}  // namespace
}  // namespace sp::services::backup
