// Schedules over a real store and a clock that is told what time it is.
#include "services/scheduler/scheduler.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/time_format.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::scheduler {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NoAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object&) override {}
  void withdraw(store::Txn&, std::string_view, std::string_view) override {}
  bool connected(std::string_view) const override { return false; }
};

/// What was started, in order.
struct Started {
  std::string what;
  json::Object input;
  std::string id;
  Instant at;
};

class Calls final : public SdkCalls {
 public:
  explicit Calls(std::vector<Started>& started) : started_(started) {}
  bool knowsSdk(std::string_view service, std::string_view action) const override {
    return service == "backup" && action == "startBackupJob";
  }
  std::vector<std::string> unknownOfSdk(std::string_view, std::string_view, const json::Object& parameters) const override {
    return parameters.contains("foo") ? std::vector<std::string>{"foo"} : std::vector<std::string>();
  }
  aws::Outcome callSdk(store::Txn& txn, std::string_view service, std::string_view action, const json::Object& parameters,
                       const std::string& id) override {
    started_.push_back({fmt::format("{}:{}", service, action), parameters, id, txn.now()});
    return json::Object();
  }

 private:
  std::vector<Started>& started_;
};

Instant at(std::string_view text) { return *parseIso8601(text); }

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest()
      // In memory where there is room: a year has hundreds of commits, and what fsync costs is no matter here.
      : directory_((::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
                   ("sp-scheduler-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    store_ = std::move(*store::openSqlite(directory_ / "store.db"));
    blobs_ = std::move(*store::BlobStore::open(directory_ / "blobs", random_));
    boot();
  }
  ~SchedulerTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  /// A new process on the same store. `early`: posts what comes before any timer that has come due.
  void boot(const std::function<void()>& early = {}) {
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    context_ = std::unique_ptr<Context>(new Context{*core_, realm_, clock_, random_, *blobs_, agents_, reports_, locks_});
    deliveries_ = std::make_unique<delivery::Deliveries>(*context_);
    events_ = std::make_unique<events::Events>(*context_, *deliveries_);
    scheduler_ = std::make_unique<Scheduler>(*context_, *deliveries_, *events_);
    scheduler_->attach(calls_);
    table_ = scheduler_->makeScheduler();
    aws::ServiceTable states{"states", aws::Protocol::json10, "", "", {}};
    states.operations.push_back({"StartExecution",
                                 [this](const aws::Call& call) -> aws::Outcome {
                                   if (!refusal_.empty()) return aws::refuse(refusal_, "not now");
                                   const auto name = json::textOr(call.input, "name");
                                   if (!names_.insert(name).second) return aws::refuse("ExecutionAlreadyExists", "there is one");
                                   const auto input = json::parse(json::textOr(call.input, "input"));
                                   started_.push_back({json::textOr(call.input, "stateMachineArn"), input->as_object(), name, call.now});
                                   return json::Object();
                                 },
                                 {},
                                 false});
    deliveries_->serve({states});
    core_->post([this](store::Txn& txn) {
      events_->recover(txn);
      scheduler_->recover(txn);
      return true;
    });
    if (early) early();
    core_->runPending();
  }

  /// `answer` lives until the core has run.
  void post(std::string_view operation, const json::Object& input, json::Object& answer) {
    const auto found = std::ranges::find(table_.operations, operation, &aws::Operation::name);
    EXPECT_NE(found, table_.operations.end()) << operation;
    core_->post([this, found, input, &answer](store::Txn& txn) {
      auto out = found->handler({input, &txn, principal_, realm_, "request", "", txn.now()});
      answer = out ? std::move(*out) : json::Object{{"refused", out.error().code + ": " + out.error().message}};
      return out.has_value();
    });
  }
  json::Object call(std::string_view operation, const json::Object& input) {
    json::Object answer;
    post(operation, input, answer);
    core_->runPending();
    return answer;
  }

  static json::Object schedule(std::string_view name, std::string_view expression, json::Object more = {}) {
    json::Object input{{"Name", name},
                       {"ScheduleExpression", expression},
                       {"FlexibleTimeWindow", json::Object{{"Mode", "OFF"}}},
                       {"Target", json::Object{{"Arn", "arn:aws:states:us-east-1:000000000000:stateMachine:M"},
                                               {"RoleArn", "arn:aws:iam::000000000000:role/r"},
                                               {"Input", R"({"at":"<aws.scheduler.scheduled-time>"})"}}}};
    for (const auto& member : more) input[member.key()] = member.value();
    return input;
  }
  void create(std::string_view name, std::string_view expression, json::Object more = {}) {
    const auto answer = call("CreateSchedule", schedule(name, expression, std::move(more)));
    ASSERT_EQ(json::textOr(answer, "refused"), "");
  }

  /// Written in the record of the schedule "nightly": the API takes no zone that is not there.
  void zoneOfNightly(std::string_view zone) {
    core_->post([zone](store::Txn& txn) {
      auto record = *findSchedule(txn, kDefaultGroup, "nightly");
      record["ScheduleExpressionTimezone"] = zone;
      saveSchedule(txn, record);
      return true;
    });
    core_->runPending();
  }

  /// Lets time pass, timer by timer.
  void passUntil(Instant end) {
    for (auto next = core_->nextTimer(); next && *next <= end; next = core_->nextTimer()) {
      clock_.advance(std::max(*next - clock_.now(), Duration(0)));
      core_->runPending();
    }
    clock_.advance(end - clock_.now());
    core_->runPending();
  }

  std::vector<std::string> times() const {
    std::vector<std::string> out;
    for (const auto& one : started_) out.push_back(json::textOr(one.input, "at"));
    return out;
  }

  std::filesystem::path directory_;
  ManualClock clock_{*parseIso8601("2024-01-01T00:00:30Z")};
  SeededRandom random_{3};
  Realm realm_;
  aws::Principal principal_;
  NoAgents agents_;
  runtime::AgentReports reports_;
  runtime::MachineLock locks_;
  std::vector<Started> started_;
  std::set<std::string> names_;
  std::string refusal_;
  Calls calls_{started_};
  std::unique_ptr<store::BlobStore> blobs_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<delivery::Deliveries> deliveries_;
  std::unique_ptr<events::Events> events_;
  std::unique_ptr<Scheduler> scheduler_;
  aws::ServiceTable table_;
};

TEST_F(SchedulerTest, AYearOfNightsInATimeZone) {
  create("nightly", "cron(30 2 * * ? *)", {{"ScheduleExpressionTimezone", "Europe/Berlin"}});
  passUntil(at("2025-01-01T00:00:00Z"));
  // 366 nights, of which one has no 02:30 and one has two.
  EXPECT_EQ(started_.size(), 365U);
  EXPECT_EQ(names_.size(), 365U);
  const std::set<std::string> all = [&] {
    const auto list = times();
    return std::set<std::string>(list.begin(), list.end());
  }();
  EXPECT_TRUE(all.contains("2024-03-30T01:30:00Z"));
  EXPECT_FALSE(all.contains("2024-03-31T00:30:00Z") || all.contains("2024-03-31T01:30:00Z"));
  EXPECT_TRUE(all.contains("2024-04-01T00:30:00Z"));
  EXPECT_TRUE(all.contains("2024-10-27T00:30:00Z"));
  EXPECT_FALSE(all.contains("2024-10-27T01:30:00Z"));
  for (const auto& one : started_) EXPECT_EQ(toIso8601Seconds(one.at), json::textOr(one.input, "at"));
}

TEST_F(SchedulerTest, ARateRunsAtOnceAndGoesOnCounting) {
  create("often", "rate(10 minutes)");
  passUntil(at("2024-01-01T00:21:00Z"));
  EXPECT_THAT(times(), ElementsAre("2024-01-01T00:00:30Z", "2024-01-01T00:10:30Z", "2024-01-01T00:20:30Z"));
  // Another description is no other period; another period begins anew.
  call("UpdateSchedule", schedule("often", "rate(10 minutes)", {{"Description", "x"}}));
  passUntil(at("2024-01-01T00:31:00Z"));
  EXPECT_EQ(times().back(), "2024-01-01T00:30:30Z");
  call("UpdateSchedule", schedule("often", "rate(1 hour)"));
  passUntil(at("2024-01-01T02:00:00Z"));
  EXPECT_EQ(times().size(), 6U);
  EXPECT_EQ(times().back(), "2024-01-01T01:31:00Z");
}

TEST_F(SchedulerTest, WhatWasPausedDoesNotRunAfterwards) {
  create("hourly", "cron(0 * * * ? *)");
  passUntil(at("2024-01-01T01:30:00Z"));
  call("UpdateSchedule", schedule("hourly", "cron(0 * * * ? *)", {{"State", "DISABLED"}}));
  passUntil(at("2024-01-01T05:30:00Z"));
  call("UpdateSchedule", schedule("hourly", "cron(0 * * * ? *)"));
  passUntil(at("2024-01-01T06:30:00Z"));
  EXPECT_THAT(times(), ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T06:00:00Z"));
}

TEST_F(SchedulerTest, AClockThatIsSetBackOrForwardStartsNothingTwice) {
  create("hourly", "cron(0 * * * ? *)");
  passUntil(at("2024-01-01T02:30:00Z"));
  EXPECT_EQ(started_.size(), 2U);
  clock_.jump(-hours(24));
  core_->runPending();
  // Written again at a time that has been before.
  call("UpdateSchedule", schedule("hourly", "cron(0 * * * ? *)", {{"Description", "x"}}));
  passUntil(at("2024-01-01T03:30:00Z"));
  // The hours of the day before, but not the two that have run.
  ASSERT_EQ(times().size(), 25U);
  EXPECT_EQ(times()[2], "2023-12-31T03:00:00Z");
  EXPECT_EQ(times()[23], "2024-01-01T00:00:00Z");
  EXPECT_EQ(times()[24], "2024-01-01T03:00:00Z");
  clock_.jump(hours(24));
  core_->runPending();
  EXPECT_EQ(times().size(), 26U);
  EXPECT_EQ(times().back(), "2024-01-02T03:00:00Z");
  // Put right: what was skipped runs at its time, what has run does not.
  clock_.jump(-hours(24));
  core_->runPending();
  passUntil(at("2024-01-02T04:30:00Z"));
  ASSERT_EQ(times().size(), 50U);
  EXPECT_EQ(times()[48], "2024-01-02T02:00:00Z");
  EXPECT_EQ(times()[49], "2024-01-02T04:00:00Z");
  EXPECT_EQ(names_.size(), 50U);
}

TEST_F(SchedulerTest, WhatAClockPutForwardSkippedIsMadeUpForThoughLaterTimesHaveRun) {
  create("hourly", "cron(0 * * * ? *)");
  passUntil(at("2024-01-01T02:30:00Z"));
  clock_.jump(-hours(24));
  core_->runPending();
  clock_.jump(hours(24));
  core_->runPending();
  EXPECT_THAT(times(), ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z", "2024-01-01T00:00:00Z"));
  passUntil(at("2024-01-01T03:30:00Z"));
  EXPECT_EQ(times().back(), "2024-01-01T03:00:00Z");
  EXPECT_EQ(times().size(), 4U);
}

TEST_F(SchedulerTest, SchedulesOutliveAClockThatWasPutRightWhileTheServerWasDown) {
  clock_.jump(hours(24 * 400));
  core_->runPending();
  create("often", "rate(1 hour)");
  create("hourly", "cron(0 * * * ? *)");
  passUntil(clock_.now() + hours(3));
  const auto before = started_.size();
  clock_.jump(-hours(24 * 400));
  boot();
  passUntil(clock_.now() + minutes(11));
  passUntil(clock_.now() + hours(3));
  // From ten minutes after the start on: two of each at least.
  EXPECT_GE(started_.size(), before + 4);
}

TEST_F(SchedulerTest, AMachineThatComesUpInThePastAndIsPutRightRunsNothingTwice) {
  create("hourly", "cron(0 * * * ? *)");
  passUntil(at("2024-01-01T02:30:00Z"));
  const auto aside = clock_.now() - at("2000-01-01T00:00:00Z");
  clock_.jump(-aside);
  boot();
  passUntil(clock_.now() + minutes(5));
  clock_.jump(aside);
  core_->runPending();
  passUntil(at("2024-01-01T03:30:00Z"));
  EXPECT_THAT(times(), ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z", "2024-01-01T03:00:00Z"));
}

TEST_F(SchedulerTest, AWindowThatIsOpenedLaterRunsNothingThatWasMissed) {
  create("often", "rate(5 minutes)");
  passUntil(at("2024-01-01T01:01:00Z"));
  core_.reset();
  clock_.advance(minutes(49));
  boot();
  const auto before = times().size();
  EXPECT_EQ(times().back().substr(0, 15), "2024-01-01T01:4");
  const json::Object window{{"Mode", "FLEXIBLE"}, {"MaximumWindowInMinutes", 60}};
  call("UpdateSchedule", schedule("often", "rate(5 minutes)", {{"FlexibleTimeWindow", window}}));
  passUntil(at("2024-01-01T04:00:00Z"));
  auto later = times();
  later.erase(later.begin(), later.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_FALSE(later.empty());
  EXPECT_GE(*std::ranges::min_element(later), "2024-01-01T01:50:00Z");
}

TEST_F(SchedulerTest, WhatIsWrittenAsItComesDueRuns) {
  create("hourly", "cron(0 * * * ? *)");
  create("paused", "cron(0 * * * ? *)");
  create("other", "cron(0 * * * ? *)");
  passUntil(at("2024-01-01T00:59:00Z"));
  clock_.advance(minutes(2));
  json::Object answer;
  boot([&] {
    post("UpdateSchedule", schedule("hourly", "cron(0 * * * ? *)", {{"Description", "x"}}), answer);
    post("UpdateSchedule", schedule("paused", "cron(0 * * * ? *)", {{"State", "DISABLED"}}), answer);
    post("UpdateSchedule", schedule("other", "cron(30 * * * ? *)"), answer);
  });
  EXPECT_THAT(times(), ElementsAre("2024-01-01T01:00:00Z"));
}

TEST_F(SchedulerTest, AClockThatWasSetOftenRunsNothingForEver) {
  create("hourly", "cron(0 * * * ? *)", {{"FlexibleTimeWindow", json::Object{{"Mode", "FLEXIBLE"}, {"MaximumWindowInMinutes", 15}}}});
  core_->post([](store::Txn& txn) {
    auto record = *findSchedule(txn, kDefaultGroup, "hourly");
    std::string ran;
    for (const auto* time : {"2024-01-01T10:00:00Z", "2024-01-01T13:00:00Z", "2024-01-01T16:00:00Z", "2024-01-01T19:00:00Z"})
      ran += fmt::format("{}{}/{}", ran.empty() ? "" : " ", toMicros(at(time)), toMicros(at(time)));
    record["ran"] = ran;
    saveSchedule(txn, record);
    return true;
  });
  core_->runPending();
  passUntil(at("2024-01-01T01:20:00Z"));
  EXPECT_THAT(times(), ElementsAre("2024-01-01T01:00:00Z"));
  passUntil(at("2024-01-01T09:30:00Z"));
  EXPECT_EQ(times().size(), 9U);
}

TEST_F(SchedulerTest, SchedulesOutliveAClockThatWasAYearAhead) {
  const auto right = clock_.now();
  clock_.jump(hours(24 * 400));
  core_->runPending();
  create("often", "rate(1 hour)");
  create("hourly", "cron(0 * * * ? *)", {{"FlexibleTimeWindow", json::Object{{"Mode", "FLEXIBLE"}, {"MaximumWindowInMinutes", 5}}}});
  // More than one step of those that are armed anew.
  for (int n = 0; n < 600; ++n) create(fmt::format("s{}", n), "cron(0 12 * * ? *)");
  passUntil(clock_.now() + hours(2) + minutes(10));
  EXPECT_EQ(started_.size(), 5U);
  clock_.jump(right - clock_.now());
  core_->runPending();
  passUntil(right + hours(3) + minutes(10));
  EXPECT_EQ(started_.size(), 11U);
  passUntil(at("2024-01-01T12:00:00Z"));
  EXPECT_GE(started_.size(), 600U);
}

TEST_F(SchedulerTest, WhatCameWhileTheServerWasDown) {
  create("hourly", "cron(0 * * * ? *)");
  create("recent", "at(2024-01-02T00:00:00)");
  create("old", "at(2024-01-01T06:00:00)", {{"ActionAfterCompletion", "DELETE"}});
  create("gone", "cron(0 12 1 1 ? 2024)", {{"EndDate", toEpochSeconds(at("2024-01-03T00:00:00Z"))}});
  clock_.advance(hours(40));
  boot();
  auto list = times();
  std::ranges::sort(list);
  EXPECT_THAT(list, ElementsAre("2024-01-02T00:00:00Z", "2024-01-02T16:00:00Z"));
  EXPECT_THAT(json::textOr(call("GetSchedule", {{"Name", "old"}}), "refused"), HasSubstr("Schedule old does not exist."));
}

TEST_F(SchedulerTest, ATimeZoneThatIsGoneForAWhileEndsNothing) {
  create("nightly", "cron(0 3 * * ? *)", {{"ScheduleExpressionTimezone", "Europe/Berlin"}});
  zoneOfNightly("Europe/Atlantis");
  passUntil(at("2024-01-01T05:30:00Z"));
  EXPECT_THAT(times(), IsEmpty());
  zoneOfNightly("Europe/Berlin");
  passUntil(at("2024-01-02T12:00:00Z"));
  EXPECT_THAT(times(), ElementsAre("2024-01-01T02:00:00Z", "2024-01-02T02:00:00Z"));
}

TEST_F(SchedulerTest, ATimeZoneThatIsGoneWhileTheClockIsPutRightEndsNothing) {
  clock_.jump(hours(24 * 400));
  core_->runPending();
  create("nightly", "cron(0 3 * * ? *)", {{"ScheduleExpressionTimezone", "Europe/Berlin"}});
  zoneOfNightly("Europe/Atlantis");
  clock_.jump(-hours(24 * 400));
  core_->runPending();
  passUntil(at("2024-01-01T05:30:00Z"));
  EXPECT_THAT(times(), IsEmpty());
  zoneOfNightly("Europe/Berlin");
  passUntil(at("2024-01-02T12:00:00Z"));
  EXPECT_THAT(times(), ElementsAre("2024-01-01T02:00:00Z", "2024-01-02T02:00:00Z"));
}

TEST_F(SchedulerTest, AFlexibleWindowSpreadsWhatIsDueAtOnce) {
  for (int n = 0; n < 50; ++n)
    create(fmt::format("s{}", n), "cron(0 3 * * ? *)",
           {{"FlexibleTimeWindow", json::Object{{"Mode", "FLEXIBLE"}, {"MaximumWindowInMinutes", 60}}}});
  passUntil(at("2024-01-01T03:20:00Z"));
  const auto early = started_.size();
  EXPECT_GT(early, 5U);
  EXPECT_LT(early, 45U);
  // What waits within its window is not lost when it is written again, and what has run does not run again.
  for (int n = 0; n < 50; ++n)
    call("UpdateSchedule",
         schedule(fmt::format("s{}", n), "cron(0 3 * * ? *)",
                  {{"Description", "x"}, {"FlexibleTimeWindow", json::Object{{"Mode", "FLEXIBLE"}, {"MaximumWindowInMinutes", 60}}}}));
  passUntil(at("2024-01-01T04:00:00Z"));
  EXPECT_EQ(started_.size(), 50U);
  std::set<Instant> moments;
  for (const auto& one : started_) {
    EXPECT_GE(one.at, at("2024-01-01T03:00:00Z"));
    EXPECT_LT(one.at, at("2024-01-01T04:00:00Z"));
    EXPECT_EQ(json::textOr(one.input, "at"), "2024-01-01T03:00:00Z");
    moments.insert(one.at);
  }
  EXPECT_GT(moments.size(), 40U);
}

TEST_F(SchedulerTest, WhatIsRefusedForNowIsTriedAgainUntilItIsTooOld) {
  refusal_ = "ExecutionLimitExceeded";
  auto target = schedule("", "").at("Target").as_object();
  target["Input"] = R"({"at":"<aws.scheduler.attempt-number>"})";
  create("patient", "at(2024-01-01T01:00:00)", {{"Target", target}});
  target["RetryPolicy"] = json::Object{{"MaximumRetryAttempts", 2}};
  create("hasty", "at(2024-01-01T01:00:00)", {{"Target", target}});
  passUntil(at("2024-01-01T01:10:00Z"));
  EXPECT_TRUE(started_.empty());
  refusal_.clear();
  passUntil(at("2024-01-01T01:30:00Z"));
  ASSERT_EQ(started_.size(), 1U);
  EXPECT_GT(std::stoi(json::textOr(started_[0].input, "at")), 8);
}

TEST_F(SchedulerTest, UniversalTargetsGetTheirParameters) {
  const json::Object target{{"Arn", "arn:aws:scheduler:::aws-sdk:backup:startBackupJob"},
                            {"RoleArn", "arn:aws:iam::000000000000:role/r"},
                            {"Input", R"({"BackupVaultName":"Default","IdempotencyToken":"<aws.scheduler.execution-id>"})"}};
  create("job", "at(2024-01-01T01:00:00)", {{"Target", target}});
  passUntil(at("2024-01-01T01:00:00Z"));
  ASSERT_EQ(started_.size(), 1U);
  EXPECT_EQ(started_[0].what, "backup:startBackupJob");
  EXPECT_EQ(json::textOr(started_[0].input, "BackupVaultName"), "Default");
  EXPECT_EQ(json::textOr(started_[0].input, "IdempotencyToken"), started_[0].id);
}

TEST_F(SchedulerTest, MembersThatACallDoesNotHaveAreRefusedUnlessTheyWereThere) {
  const auto asked = [](std::string_view input, std::string_view state) {
    return schedule("job", "at(2024-01-01T01:00:00)",
                    {{"State", state},
                     {"Target", json::Object{{"Arn", "arn:aws:scheduler:::aws-sdk:backup:startBackupJob"},
                                             {"RoleArn", "arn:aws:iam::000000000000:role/r"},
                                             {"Input", input}}}});
  };
  constexpr std::string_view kOld = R"({"foo":1})";
  const auto is_told = HasSubstr("startBackupJob has no member 'foo'");
  EXPECT_THAT(json::textOr(call("CreateSchedule", asked(kOld, "ENABLED")), "refused"), is_told);
  call("CreateSchedule", asked("{}", "DISABLED"));
  EXPECT_THAT(json::textOr(call("UpdateSchedule", asked(kOld, "ENABLED")), "refused"), is_told);
  // One from before this was looked at.
  core_->post([&](store::Txn& txn) {
    auto stored = *findSchedule(txn, "default", "job");
    stored["Target"].as_object()["Input"] = kOld;
    saveSchedule(txn, stored);
    return true;
  });
  EXPECT_EQ(json::textOr(call("UpdateSchedule", asked(kOld, "ENABLED")), "refused"), "");
  EXPECT_THAT(json::textOr(call("UpdateSchedule", asked(R"({"foo":2})", "ENABLED")), "refused"), is_told);
  passUntil(at("2024-01-01T01:00:00Z"));
  ASSERT_EQ(started_.size(), 1U);
  EXPECT_EQ(started_[0].input, json::Object({{"foo", 1}}));
}

TEST_F(SchedulerTest, ALargeGroupIsDeletedInSteps) {
  call("CreateScheduleGroup", {{"Name", "many"}});
  for (int n = 0; n < 1'100; ++n) create(fmt::format("s{:04}", n), "rate(1 day)", {{"GroupName", "many"}, {"State", "DISABLED"}});
  core_->post([this](store::Txn& txn) {
    // The first step alone: nothing else has run yet.
    const auto found = std::ranges::find(table_.operations, "DeleteScheduleGroup", &aws::Operation::name);
    EXPECT_TRUE(found->handler({{{"Name", "many"}}, &txn, principal_, realm_, "request", "", txn.now()}));
    EXPECT_EQ(json::textOr(*findGroup(txn, "many"), "State"), "DELETING");
    EXPECT_EQ(countOf(txn), 600U);
    return true;
  });
  core_->runPending();
  EXPECT_THAT(json::textOr(call("GetScheduleGroup", {{"Name", "many"}}), "refused"), HasSubstr("Schedule group many does not exist."));
  core_->post([](store::Txn& txn) {
    EXPECT_EQ(countOf(txn), 0U);
    EXPECT_THAT(txn.records().scan(kSchedule, "", "", 10), IsEmpty());
    return true;
  });
  core_->runPending();
}

}  // namespace
}  // namespace sp::services::scheduler
