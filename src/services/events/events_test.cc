// Rules and their deliveries over a real store and a clock that is told what time it is.
#include "services/events/events.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/time_format.h"
#include "services/delivery/dead_letters.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::events {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class NoAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object&) override {}
  void withdraw(store::Txn&, std::string_view, std::string_view) override {}
  bool connected(std::string_view) const override { return false; }
};

/// Keeps what it is to send until the test answers.
class HeldWeb final : public Web {
 public:
  void send(WebRequest request, Told told) override { held.emplace_back(std::move(request), std::move(told)); }
  void answer(std::size_t at, int status, std::string body = "") {
    const auto told = std::move(held.at(at).second);
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    if (status == 0) told(std::unexpected(delivery::Failure{"TIMEOUT", "no answer", true}));
    else told(WebAnswer{status, {}, std::move(body)});
  }
  std::vector<std::pair<WebRequest, Told>> held;
};

/// A store whose disk is full after so many more batches.
class FullDisk final : public store::Store {
 public:
  Result<std::vector<bool>> run(const std::vector<store::Job>& jobs, Instant now) override {
    if (!room || (*room)-- > 0) return disk->run(jobs, now);
    room = 0;
    std::vector<store::Job> undone;
    for (const auto& job : jobs)
      undone.emplace_back([&job](store::Txn& txn) {
        static_cast<void>(job(txn));
        return false;
      });
    static_cast<void>(disk->run(undone, now));
    return fail("store.full", "there is no room");
  }
  std::unique_ptr<store::Store> disk;
  std::optional<int> room;
};

Instant at(std::string_view text) { return *parseIso8601(text); }

class EventsTest : public testing::Test {
 protected:
  EventsTest()
      // In memory where there is room: what fsync costs is no matter here.
      : directory_((::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
                   ("sp-events-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    store_.disk = std::move(*store::openSqlite(directory_ / "store.db"));
    blobs_ = std::move(*store::BlobStore::open(directory_ / "blobs", random_));
    boot();
  }
  ~EventsTest() override {
    core_.reset();
    store_.disk.reset();
    std::filesystem::remove_all(directory_);
  }

  /// A new process on the same store.
  void boot() {
    web_.held.clear();
    core_ = std::make_unique<runtime::Core>(store_, clock_, random_);
    context_ = std::unique_ptr<Context>(new Context{*core_, realm_, clock_, random_, *blobs_, agents_, reports_, locks_});
    deliveries_ = std::make_unique<delivery::Deliveries>(*context_);
    events_ = std::make_unique<Events>(*context_, *deliveries_);
    events_->hooks().attach(web_);
    table_ = events_->makeEvents();
    aws::ServiceTable states{"states", aws::Protocol::json10, "", "", {}};
    states.operations.push_back({"StartExecution",
                                 [this](const aws::Call& call) -> aws::Outcome {
                                   if (!refusal_.empty()) return aws::refuse(refusal_, "not now");
                                   started_.push_back(json::textOr(json::parse(json::textOr(call.input, "input"))->as_object(), "time"));
                                   return json::Object();
                                 },
                                 {},
                                 false});
    deliveries_->serve({states});
    core_->post([this](store::Txn& txn) {
      events_->recover(txn);
      return true;
    });
    core_->runPending();
  }

  json::Object call(std::string_view operation, const json::Object& input) {
    json::Object answer;
    const auto found = std::ranges::find(table_.operations, operation, &aws::Operation::name);
    EXPECT_NE(found, table_.operations.end()) << operation;
    core_->post([&](store::Txn& txn) {
      auto out = found->handler({input, &txn, principal_, realm_, "request", "", txn.now()});
      EXPECT_TRUE(out) << (out ? "" : out.error().message);
      if (out) answer = std::move(*out);
      return out.has_value();
    });
    core_->runPending();
    return answer;
  }

  static json::Array machine() {
    return {json::Object{{"Id", "1"},
                         {"Arn", "arn:aws:states:us-east-1:000000000000:stateMachine:M"},
                         {"RoleArn", "arn:aws:iam::000000000000:role/r"},
                         {"DeadLetterConfig", json::Object{{"Arn", "arn:aws:sqs:us-east-1:000000000000:q"}}}}};
  }
  void schedule(std::string_view expression) {
    call("PutRule", {{"Name", "r"}, {"ScheduleExpression", expression}});
    call("PutTargets", {{"Rule", "r"}, {"Targets", machine()}});
  }
  /// A rule for events of the source `name` whose target is a destination of that name and rate.
  std::string hook(std::string_view name, std::int64_t rate, json::Object target = {}) {
    const json::Object key{{"ApiKeyAuthParameters", json::Object{{"ApiKeyName", "K"}, {"ApiKeyValue", "v"}}}};
    const auto connection = call("CreateConnection", {{"Name", name}, {"AuthorizationType", "API_KEY"}, {"AuthParameters", key}});
    return aim(name, rate, json::textOr(connection, "ConnectionArn"), std::move(target));
  }
  std::string aim(std::string_view name, std::int64_t rate, const std::string& connection, json::Object target = {}) {
    const auto made = call("CreateApiDestination", {{"Name", name},
                                                    {"ConnectionArn", connection},
                                                    {"InvocationEndpoint", fmt::format("https://{}.test/", name)},
                                                    {"HttpMethod", "POST"},
                                                    {"InvocationRateLimitPerSecond", rate}});
    const auto arn = json::textOr(made, "ApiDestinationArn");
    call("PutRule", {{"Name", name}, {"EventPattern", fmt::format(R"({{"source":["{}"]}})", name)}});
    target["Id"] = "1";
    target["Arn"] = arn;
    target["RoleArn"] = "arn:aws:iam::000000000000:role/r";
    call("PutTargets", {{"Rule", name}, {"Targets", json::Array{std::move(target)}}});
    return arn;
  }
  /// A connection that asks https://token.test/ for its tokens.
  std::string oauth(std::string_view name) {
    const json::Object client{{"ClientID", "id"}, {"ClientSecret", "secret"}};
    const json::Object parameters{
        {"OAuthParameters",
         json::Object{{"AuthorizationEndpoint", "https://token.test/"}, {"HttpMethod", "POST"}, {"ClientParameters", client}}}};
    return json::textOr(
        call("CreateConnection", {{"Name", name}, {"AuthorizationType", "OAUTH_CLIENT_CREDENTIALS"}, {"AuthParameters", parameters}}),
        "ConnectionArn");
  }
  void giveToken(std::string_view token) {
    ASSERT_EQ(sentTo("token"), 1U);
    const auto found = std::ranges::find_if(web_.held, [](const auto& one) { return one.first.url == "https://token.test/"; });
    web_.answer(static_cast<std::size_t>(found - web_.held.begin()), 200, fmt::format(R"({{"access_token":"{}"}})", token));
    core_->runPending();
  }
  std::string stateOf(std::string_view connection) {
    return json::textOr(call("DescribeConnection", {{"Name", connection}}), "ConnectionState");
  }
  /// A target's members: what is older than a minute ends among the letters of q.
  static json::Object aMinute() {
    return {{"DeadLetterConfig", json::Object{{"Arn", "arn:aws:sqs:us-east-1:000000000000:q"}}},
            {"RetryPolicy", json::Object{{"MaximumEventAgeInSeconds", 60}, {"MaximumRetryAttempts", 5}}}};
  }
  void send(std::string_view source, int count = 1) {
    for (int n = 0; n < count; ++n)
      call("PutEvents", {{"Entries", json::Array{json::Object{{"Source", source}, {"DetailType", "t"}, {"Detail", "{}"}}}}});
  }
  void answerOne(std::string_view name, int status) {
    const auto found =
        std::ranges::find_if(web_.held, [&](const auto& one) { return one.first.url == fmt::format("https://{}.test/", name); });
    ASSERT_NE(found, web_.held.end());
    web_.answer(static_cast<std::size_t>(found - web_.held.begin()), status);
    core_->runPending();
  }
  std::size_t sentTo(std::string_view name) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(web_.held, [&](const auto& one) { return one.first.url == fmt::format("https://{}.test/", name); }));
  }

  /// Lets time pass, timer by timer, in steps of at most `step`.
  void passUntil(Instant end, Duration step = hours(1)) {
    while (clock_.now() < end) {
      const auto next = core_->nextTimer();
      const auto to = std::min({end, clock_.now() + step, next && *next > clock_.now() ? *next : end});
      clock_.advance(to - clock_.now());
      core_->runPending();
    }
  }
  std::size_t letters() {
    std::size_t out = 0;
    core_->post([&](store::Txn& txn) {
      out = delivery::DeadLetters::letters(txn, "q", "", 100).size();
      return true;
    });
    core_->runPending();
    return out;
  }

  std::filesystem::path directory_;
  ManualClock clock_{at("2024-01-01T00:00:30Z")};
  SeededRandom random_{5};
  Realm realm_;
  aws::Principal principal_;
  NoAgents agents_;
  HeldWeb web_;
  runtime::AgentReports reports_;
  runtime::MachineLock locks_;
  std::vector<std::string> started_;
  std::string refusal_;
  std::unique_ptr<store::BlobStore> blobs_;
  FullDisk store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<delivery::Deliveries> deliveries_;
  std::unique_ptr<Events> events_;
  aws::ServiceTable table_;
};

TEST_F(EventsTest, AClockThatIsSetBackOrForwardStartsNothingTwice) {
  schedule("cron(0 * * * ? *)");
  passUntil(at("2024-01-01T02:30:00Z"));
  EXPECT_THAT(started_, ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"));
  clock_.jump(-hours(24));
  core_->runPending();
  passUntil(at("2024-01-01T03:30:00Z"));
  EXPECT_THAT(started_, ElementsAre("2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z", "2024-01-01T03:00:00Z"));
  // Put forward: the latest that it skipped runs, and the next when its time comes.
  clock_.jump(hours(24));
  core_->runPending();
  passUntil(at("2024-01-02T04:30:00Z"));
  EXPECT_EQ(started_.size(), 5U);
  EXPECT_EQ(started_[3], "2024-01-02T03:00:00Z");
  EXPECT_EQ(started_[4], "2024-01-02T04:00:00Z");
}

TEST_F(EventsTest, WhatWaitsForAnotherTryDoesNotMindTheClock) {
  call("PutRule", {{"Name", "r"}, {"EventPattern", R"({"source":["s"]})"}});
  call("PutTargets", {{"Rule", "r"}, {"Targets", machine()}});
  refusal_ = "ExecutionLimitExceeded";
  for (const auto by : {-hours(24), hours(24)}) {
    started_.clear();
    send("s");
    EXPECT_THAT(started_, IsEmpty());
    clock_.jump(by);
    core_->runPending();
    refusal_.clear();
    // The second and a half that it waits at most are those of a clock that goes on.
    passUntil(clock_.now() + seconds(2), seconds(1));
    EXPECT_THAT(started_, SizeIs(1));
    refusal_ = "ExecutionLimitExceeded";
  }
  // A day more on the clock does not make it a day old.
  send("s");
  clock_.jump(hours(25));
  core_->runPending();
  passUntil(clock_.now() + minutes(5), seconds(30));
  EXPECT_EQ(letters(), 0U);
  passUntil(clock_.now() + hours(25), minutes(5));
  EXPECT_EQ(letters(), 1U);
}

TEST_F(EventsTest, ADestinationThatHangsHoldsFewConnectionsAndNobodyElse) {
  hook("silent", 300);
  hook("good", 300);
  send("silent", 40);
  EXPECT_EQ(sentTo("silent"), 16U);
  send("good", 3);
  EXPECT_EQ(sentTo("good"), 3U);
  while (sentTo("silent") > 1) answerOne("silent", 0);
  EXPECT_EQ(sentTo("good"), 3U);
  // It answers again: twice as many at once with each answer.
  for (const std::size_t open : {2U, 4U, 8U, 16U}) {
    answerOne("silent", 200);
    EXPECT_EQ(sentTo("silent"), open);
  }
}

TEST_F(EventsTest, TheRateHoldsWhateverTheClockSays) {
  hook("slow", 2);
  send("slow", 6);
  EXPECT_EQ(sentTo("slow"), 2U);
  clock_.jump(-hours(24));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 2U);
  clock_.advance(seconds(1));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 4U);
  clock_.jump(hours(24));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 4U);
  clock_.advance(seconds(1));
  core_->runPending();
  EXPECT_EQ(sentTo("slow"), 6U);
}

TEST_F(EventsTest, WhatWasUnderWayIsSentAgainByTheNextProcess) {
  hook("kept", 300);
  send("kept", 2);
  ASSERT_EQ(sentTo("kept"), 2U);
  const auto id = headerOf(web_.held[0].first.headers, "Stillpoint-Delivery-Id");
  const std::string first(id);
  boot();
  ASSERT_EQ(sentTo("kept"), 2U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Stillpoint-Delivery-Id"), first);
  web_.answer(0, 200);
  web_.answer(0, 204);
  core_->runPending();
  boot();
  EXPECT_EQ(sentTo("kept"), 0U);
}

TEST_F(EventsTest, WhatWasAnsweredOnAFullDiskIsNotSentAgain) {
  hook("full", 300);
  send("full");
  ASSERT_EQ(sentTo("full"), 1U);
  store_.room = 0;
  web_.answer(0, 200);
  for (int n = 0; n < 3; ++n) {
    core_->runPending();
    clock_.advance(seconds(1));
  }
  store_.room.reset();
  core_->runPending();
  passUntil(clock_.now() + seconds(5), seconds(1));
  EXPECT_EQ(sentTo("full"), 0U);
  boot();
  EXPECT_EQ(sentTo("full"), 0U) << "its record is gone";
  // A failure counts as one try.
  send("full");
  store_.room = 0;
  web_.answer(0, 503);
  core_->runPending();
  store_.room.reset();
  clock_.advance(seconds(1));
  core_->runPending();
  EXPECT_EQ(sentTo("full"), 0U) << "it waits for its second try";
  passUntil(clock_.now() + seconds(2), seconds(1));
  EXPECT_EQ(sentTo("full"), 1U);
}

TEST_F(EventsTest, ATokenIsFetchedOnceThereIsRoomAgain) {
  aim("hook", 300, oauth("c"));
  giveToken("one");
  send("hook");
  answerOne("hook", 401);
  // Its second try is among what waits for a token when there is no room to look at it.
  store_.room = 2;
  clock_.advance(seconds(2));
  core_->runPending();
  EXPECT_THAT(web_.held, IsEmpty());
  std::size_t waiting = 0;
  ASSERT_TRUE(store_.disk->run({[&](store::Txn& txn) {
                                 waiting = txn.records().scan("event_hook", "", "", 10).size();
                                 return true;
                               }},
                               clock_.now()));
  ASSERT_EQ(waiting, 1U);
  store_.room.reset();
  clock_.advance(seconds(1));
  core_->runPending();
  giveToken("two");
  ASSERT_EQ(sentTo("hook"), 1U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Authorization"), "Bearer two");
}

TEST_F(EventsTest, AConnectionGetsNoTokenOfAnEarlierOneOfItsName) {
  oauth("c");
  auto first = std::move(web_.held.at(0).second);
  web_.held.clear();
  call("DeleteConnection", {{"Name", "c"}});
  aim("hook", 300, oauth("c"));
  first(WebAnswer{200, {}, R"({"access_token":"old"})"});
  core_->runPending();
  EXPECT_EQ(stateOf("c"), "AUTHORIZING");
  giveToken("new");
  EXPECT_EQ(stateOf("c"), "AUTHORIZED");
  send("hook");
  ASSERT_EQ(sentTo("hook"), 1U);
  EXPECT_EQ(headerOf(web_.held[0].first.headers, "Authorization"), "Bearer new");
}

TEST_F(EventsTest, WhatWaitsForATokenFailsWithItsConnection) {
  aim("hook", 300, oauth("c"), aMinute());
  giveToken("one");
  send("hook");
  boot();
  // The new process has no token yet.
  ASSERT_EQ(sentTo("token"), 1U);
  EXPECT_EQ(letters(), 0U);
  call("DeauthorizeConnection", {{"Name", "c"}});
  EXPECT_EQ(letters(), 1U);
}

TEST_F(EventsTest, WhatGetsTooOldBeforeItIsSentIsNotSent) {
  hook("slow", 300, aMinute());
  send("slow", 18);
  ASSERT_EQ(sentTo("slow"), 16U);
  passUntil(clock_.now() + seconds(61), seconds(1));
  answerOne("slow", 200);
  EXPECT_EQ(sentTo("slow"), 15U);
  core_->post([](store::Txn& txn) {
    const auto letters = delivery::DeadLetters::letters(txn, "q", "", 100);
    EXPECT_EQ(letters.size(), 2U);
    for (const auto& letter : letters) EXPECT_EQ(json::textOr(letter.attributes, "EXHAUSTED_RETRY_CONDITION"), "MaximumEventAgeInSeconds");
    return true;
  });
  core_->runPending();
}

TEST_F(EventsTest, WhoWaitsLongestForRoomGetsIt) {
  for (int n = 0; n < 32; ++n) {
    const auto name = fmt::format("h{}", n);
    hook(name, 300);
    send(name, 16);
  }
  ASSERT_THAT(web_.held, SizeIs(512));
  hook("z", 300);
  hook("a", 300);
  send("z");
  send("a");
  ASSERT_THAT(web_.held, SizeIs(512));
  answerOne("h0", 200);
  EXPECT_EQ(sentTo("z"), 1U);
  EXPECT_EQ(sentTo("a"), 0U);
  answerOne("h0", 200);
  EXPECT_EQ(sentTo("a"), 1U);
}

}  // namespace
}  // namespace sp::services::events
