// Rules and their deliveries over a real store and a clock that is told what time it is.
#pragma once
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/time_format.h"
#include "services/delivery/dead_letters.h"
#include "services/events/events.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::events {

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

inline Instant at(std::string_view text) { return *parseIso8601(text); }

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

  /// A new process on the same store. `early`: posts what comes before any timer that has come due.
  void boot(const std::function<void()>& early = {}) {
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
                                   names_.insert(json::textOr(call.input, "name"));
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
    if (early) early();
    core_->runPending();
  }

  /// `answer` lives until the core has run.
  void post(std::string_view operation, const json::Object& input, json::Object& answer) {
    const auto found = std::ranges::find(table_.operations, operation, &aws::Operation::name);
    EXPECT_NE(found, table_.operations.end()) << operation;
    core_->post([this, found, input, &answer](store::Txn& txn) {
      auto out = found->handler({input, &txn, principal_, realm_, "request", "", txn.now()});
      EXPECT_TRUE(out) << (out ? "" : out.error().message);
      if (out) answer = std::move(*out);
      return out.has_value();
    });
  }
  json::Object call(std::string_view operation, const json::Object& input) {
    json::Object answer;
    post(operation, input, answer);
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

  /// One that is worth to be shared by two deliveries.
  void sendLarge(std::string_view source) {
    const auto detail = json::toText(json::Object{{"text", std::string(20'000, 'x')}});
    call("PutEvents", {{"Entries", json::Array{json::Object{{"Source", source}, {"DetailType", "t"}, {"Detail", detail}}}}});
  }
  /// Rules r0, r1 … for events of the source "s", each with so many targets.
  void rules(int count, int targets, const json::Object& more = {}) {
    for (int n = 0; n < count; ++n) {
      const auto name = fmt::format("r{}", n);
      json::Array list;
      for (int each = 0; each < targets; ++each) {
        auto target = machine()[0].get_object();
        target["Id"] = fmt::format("{}", each);
        for (const auto& member : more) target[member.key()] = member.value();
        list.push_back(std::move(target));
      }
      call("PutRule", {{"Name", name}, {"EventPattern", R"({"source":["s"]})"}});
      call("PutTargets", {{"Rule", name}, {"Targets", std::move(list)}});
    }
  }
  std::vector<store::Record> kept(std::string_view kind) {
    std::vector<store::Record> out;
    EXPECT_TRUE(store_.disk->run({[&](store::Txn& txn) {
                                   out = txn.records().scan(kind, "", "", 2'000);
                                   return true;
                                 }},
                                 clock_.now()));
    return out;
  }
  /// Nothing of any event is left.
  void expectNothingKept() {
    for (const auto* kind : {"event", "event_delivery", "event_waiting", "event_hook", "event_shared", "event_shared_uses"})
      EXPECT_THAT(kept(kind), IsEmpty()) << kind;
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
  std::set<std::string> names_;
  std::string refusal_;
  std::unique_ptr<store::BlobStore> blobs_;
  FullDisk store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<delivery::Deliveries> deliveries_;
  std::unique_ptr<Events> events_;
  aws::ServiceTable table_;
};

}  // namespace sp::services::events
