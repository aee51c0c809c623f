// Deliveries over a store on disk and agents that are only lists of frames.
#include "fleet/deliveries.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "agentwire/messages.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::fleet {
namespace {

constexpr std::string_view kAgent = "i-0123456789abcdef0";

/// What sessions were sent, without the frames' heads.
class Recorder final : public SessionSender {
 public:
  void send(SessionId session, std::string frame) override {
    auto parsed = json::parse(std::string_view(frame).substr(4));
    sent[session].push_back(parsed->get_object());
  }
  void close(SessionId session) override { closed.push_back(session); }
  Duration quiet(SessionId session) const override { return std::chrono::seconds(session); }

  std::vector<std::string> types(SessionId session) {
    std::vector<std::string> found;
    for (const auto& each : sent[session]) found.push_back(json::textOr(each, "type") + ":" + json::textOr(each, "id"));
    return found;
  }

  std::map<SessionId, std::vector<json::Object>> sent;
  std::vector<SessionId> closed;
};

/// The server's side, which can be thrown away and made anew on the same file.
struct Side {
  Side(const std::string& file, Random& random)
      : store(*store::openSqlite(file)), core(*store, clock, random), deliveries(core, reports, sender, "server-1") {
    reports.on("command.result", [this](store::Txn&, const std::string& agent, const json::Object& message) {
      results.push_back(agent + ":" + json::textOr(message, "id"));
    });
    reports.on("accepted",
               [this](store::Txn&, const std::string&, const json::Object& message) { accepted.push_back(json::textOr(message, "id")); });
    reports.on("refused", [this](store::Txn&, const std::string&, const json::Object& message) {
      refused.push_back(json::textOr(message, "id") + (json::textOr(message, "fate") == "unknown" ? " unknown" : ""));
    });
    reports.on(std::string(kAbsent),
               [this](store::Txn&, const std::string&, const json::Object& message) { absent.push_back(json::textOr(message, "id")); });
    reports.on("unasked", [this](store::Txn&, const std::string& agent, const json::Object& message) {
      unasked.push_back(fmt::format("{} {} {}", agent, json::textOr(message, "type"), json::textOr(message, "id")));
    });
    reports.on("connected", [this](store::Txn&, const std::string& agent, const json::Object&) {
      EXPECT_TRUE(deliveries.connected(agent));
      ++came;
    });
    reports.on("disconnected", [this](store::Txn&, const std::string& agent, const json::Object& message) {
      gone.push_back(agent);
      quiet_us = json::intOr(message, "quietUs", -1);
    });
  }

  void run(std::function<void(store::Txn&)> job) {
    core.post([job = std::move(job)](store::Txn& txn) {
      job(txn);
      return true;
    });
    core.runPending();
  }
  void request(std::string_view id, json::Object more = {}) {
    more["type"] = "command.run";
    more["id"] = id;
    run([this, more](store::Txn& txn) { deliveries.request(txn, kAgent, more); });
  }
  void hello(SessionId session, json::Array open = {}) {
    run([this, session, open](store::Txn& txn) {
      deliveries.opened(txn, session, std::string(kAgent), {{"type", "hello"}, {"open", open}});
    });
  }
  /// By a certificate of that enrolment.
  void helloAs(SessionId session, std::string_view enrolment, json::Array open = {}) {
    helloWith(session, {{"open", std::move(open)},
                        {"run", enrolment},
                        {"certificate", json::Object{{"enrolment", enrolment}, {"leftMs", 1}, {"lifeMs", 1}}}});
  }
  void leave(SessionId session) {
    run([this, session](store::Txn& txn) { deliveries.closed(txn, session, std::string(kAgent)); });
  }
  bool mayHaveLeft(std::string_view id) {
    bool told = false;
    run([&](store::Txn& txn) { told = deliveries.mayHaveLeft(txn, kAgent, id); });
    return told;
  }
  void helloWith(SessionId session, json::Object members) {
    members["type"] = "hello";
    run([this, session, members](store::Txn& txn) { deliveries.opened(txn, session, std::string(kAgent), members); });
  }
  void say(SessionId session, std::string_view type, std::string_view id, std::string_view agent = kAgent) {
    run([this, session, message = json::Object{{"type", type}, {"id", id}}, name = std::string(agent)](store::Txn& txn) {
      deliveries.received(txn, session, name, message);
    });
  }

  ManualClock clock{fromMicros(1'800'000'000'000'000)};
  std::unique_ptr<store::Store> store;
  runtime::Core core;
  runtime::AgentReports reports;
  Recorder sender;
  Deliveries deliveries;
  int came = 0;
  std::vector<std::string> results, accepted, refused, absent, gone, unasked;
  std::int64_t quiet_us = -1;
};

class DeliveriesTest : public testing::Test {
 protected:
  DeliveriesTest() : directory_(std::filesystem::temp_directory_path() / ("sp-deliveries-" + SystemRandom().hex(12))) {
    std::filesystem::create_directories(directory_);
    restart();
  }
  ~DeliveriesTest() override {
    side_.reset();
    std::filesystem::remove_all(directory_);
  }
  void restart() {
    side_.reset();
    side_ = std::make_unique<Side>((directory_ / "store.db").string(), random_);
  }

  SeededRandom random_{1};
  std::filesystem::path directory_;
  std::unique_ptr<Side> side_;
};

using Types = std::vector<std::string>;

TEST_F(DeliveriesTest, WaitsForTheAgentAndKeepsTheOrder) {
  side_->request("cmd/b");
  side_->request("cmd/a");
  side_->hello(7);
  EXPECT_TRUE(side_->deliveries.connected(kAgent));
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/b", "command.run:cmd/a"}));
  side_->request("cmd/c");
  EXPECT_EQ(side_->sender.types(7).back(), "command.run:cmd/c");
}

TEST_F(DeliveriesTest, OrderSurvivesARestartAndAClockThatJumpsBack) {
  side_->request("cmd/b");
  restart();
  side_->clock.jump(-std::chrono::hours(5));
  side_->request("cmd/a");
  side_->hello(7);
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/b", "command.run:cmd/a"}));
}

TEST_F(DeliveriesTest, AResultIsHandledOnceAndSettledAlways) {
  side_->request("cmd/a");
  side_->hello(7);
  side_->say(7, "command.result", "cmd/a");
  side_->say(7, "command.result", "cmd/a");
  EXPECT_EQ(side_->results, (Types{std::string(kAgent) + ":cmd/a"}));
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/a", "settled:cmd/a", "settled:cmd/a"}));
  restart();
  side_->hello(8);
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, WhatNobodyAskedForIsToldBeforeItIsSettled) {
  const auto told = [](std::string_view type, std::string_view id) { return fmt::format("{} {} {}", kAgent, type, id); };
  side_->request("cmd/a");
  side_->hello(7, {"cmd/a", "cmd/own"});
  EXPECT_EQ(side_->unasked, (Types{told("unasked", "cmd/own")}));
  side_->say(7, "accepted", "cmd/other");
  side_->say(7, "command.result", "cmd/own");
  EXPECT_EQ(side_->unasked, (Types{told("unasked", "cmd/own"), told("accepted", "cmd/other"), told("command.result", "cmd/own")}));
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "settled:cmd/own"}));
  EXPECT_TRUE(side_->results.empty());
  // What was asked for is told to whoever waits for it; told again it was not asked for any more.
  side_->say(7, "command.result", "cmd/a");
  side_->say(7, "command.result", "cmd/a");
  EXPECT_EQ(side_->results.size(), 1U);
  EXPECT_EQ(side_->unasked.size(), 4U);
}

TEST_F(DeliveriesTest, WhatIsOnlyToldIsSentOnceToWhoIsThere) {
  const auto tell = [&] {
    side_->run([&](store::Txn& txn) {
      side_->deliveries.tell(txn, kAgent, {{"type", "lease"}, {"freeze", "frz-1"}});
      EXPECT_EQ(std::ranges::count(side_->sender.types(7), "lease:"), 0) << "before the commit";
    });
  };
  tell();
  side_->hello(7);
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:"}));
  tell();
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "lease:"}));
  side_->leave(7);
  side_->hello(8);
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
  // Nor what a transaction that came to nothing would have told.
  side_->core.post([&](store::Txn& txn) {
    side_->deliveries.tell(txn, kAgent, {{"type", "lease"}});
    return false;
  });
  side_->core.runPending();
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, AnotherAgentCannotAnswer) {
  side_->request("cmd/a");
  side_->say(9, "command.result", "cmd/a", "i-fffffffffffffffff");
  EXPECT_TRUE(side_->results.empty());
  side_->hello(7);
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/a"}));
}

TEST_F(DeliveriesTest, TheWrongKindOfResultIsNoAnswer) {
  side_->request("cmd/a");
  side_->hello(7);
  side_->say(7, "power.result", "cmd/a");
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/a"}));
  side_->say(7, "command.result", "cmd/a");
  EXPECT_EQ(side_->results.size(), 1U);
}

TEST_F(DeliveriesTest, WhatTheAgentHasIsNotSentAgainButCountsAsAccepted) {
  side_->request("cmd/a");
  side_->request("cmd/b");
  side_->hello(7, {"cmd/a", "cmd/unknown"});
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/b"}));
  EXPECT_EQ(side_->accepted, (Types{"cmd/a"}));
}

TEST_F(DeliveriesTest, WhatMayHaveLeftIsNeverSentToAnotherEnrolment) {
  side_->helloAs(7, "e1");
  side_->request("cmd/sent");
  side_->run([this](store::Txn& txn) { side_->deliveries.request(txn, kAgent, {{"type", "backup.run"}, {"id", "job/b"}}); });
  side_->leave(7);
  side_->request("cmd/waited");
  EXPECT_TRUE(side_->mayHaveLeft("cmd/sent"));
  EXPECT_FALSE(side_->mayHaveLeft("cmd/waited"));
  restart();
  side_->helloAs(8, "e2");
  EXPECT_EQ(side_->refused, (Types{"cmd/sent unknown", "job/b unknown"}));
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:", "command.run:cmd/waited"}));
  // What was sent to the second may not go to a third either; nothing is told twice.
  restart();
  side_->helloAs(9, "e3");
  EXPECT_EQ(side_->refused, (Types{"cmd/waited unknown"}));
  EXPECT_EQ(side_->sender.types(9), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, ARequestOfTheHostsOwnEnrolmentIsNotSentToAToken) {
  side_->hello(7);
  side_->request("cmd/a");
  side_->leave(7);
  side_->helloAs(8, "e1");
  EXPECT_EQ(side_->refused, (Types{"cmd/a unknown"}));
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, WhatGotLostOnItsWayIsSentAgainToTheSameEnrolment) {
  side_->helloAs(7, "e1");
  side_->request("cmd/a");
  side_->leave(7);
  side_->helloAs(8, "e1");
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:", "command.run:cmd/a"}));
  EXPECT_TRUE(side_->refused.empty());
  EXPECT_EQ(side_->absent, (Types{"cmd/a"}));
}

TEST_F(DeliveriesTest, AnAgentThatKeptItsJournalAnswersForItsFormerEnrolment) {
  side_->helloAs(7, "e1");
  side_->request("cmd/a");
  side_->leave(7);
  side_->helloAs(8, "e2", {"cmd/a"});
  EXPECT_TRUE(side_->refused.empty());
  EXPECT_EQ(side_->accepted, (Types{"cmd/a"}));
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
  side_->say(8, "command.result", "cmd/a");
  EXPECT_EQ(side_->results.size(), 1U);
}

TEST_F(DeliveriesTest, ACancellationGoesWithWhatItWasFor) {
  side_->helloAs(7, "e1");
  side_->request("cmd/a");
  side_->leave(7);
  side_->run([this](store::Txn& txn) {
    side_->deliveries.request(txn, kAgent, {{"type", "cancel"}, {"id", "cancel/1"}, {"target", "cmd/a"}});
    side_->deliveries.request(txn, kAgent, {{"type", "power.stop"}, {"id", "power/1"}});
  });
  side_->helloAs(8, "e2");
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:", "power.stop:power/1"}));
}

TEST_F(DeliveriesTest, WhatWasCancelledMeanwhileIsNotBegun) {
  side_->helloAs(7, "e1");
  side_->request("cmd/a");
  side_->leave(7);
  side_->run(
      [this](store::Txn& txn) { side_->deliveries.request(txn, kAgent, {{"type", "cancel"}, {"id", "cancel/1"}, {"target", "cmd/a"}}); });
  side_->helloAs(8, "e1");
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:", "cancel:cancel/1", "command.run:cmd/a"}));
}

TEST_F(DeliveriesTest, WhatIsAskedBecauseAnotherIsLostIsSentAtOnce) {
  side_->reports.on("refused", [this](store::Txn& txn, const std::string& agent, const json::Object&) {
    side_->deliveries.request(txn, agent, {{"type", "command.run"}, {"id", "cmd/thaw"}});
  });
  side_->helloAs(7, "e1");
  side_->request("cmd/freeze");
  side_->leave(7);
  side_->helloAs(8, "e2");
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:", "command.run:cmd/thaw"}));
  EXPECT_TRUE(side_->mayHaveLeft("cmd/thaw"));
}

TEST_F(DeliveriesTest, WhatIsAskedInTheCommitOfAWelcomeIsKnownToHaveLeft) {
  side_->core.post([this](store::Txn& txn) {
    side_->deliveries.opened(txn, 7, std::string(kAgent), {{"type", "hello"}});
    return true;
  });
  side_->core.post([this](store::Txn& txn) {
    side_->deliveries.request(txn, kAgent, {{"type", "command.run"}, {"id", "cmd/a"}});
    return true;
  });
  side_->core.runPending();
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/a"}));
  EXPECT_TRUE(side_->mayHaveLeft("cmd/a"));
}

TEST_F(DeliveriesTest, ASessionThatEndsInTheBatchInWhichItComesIsNotConnected) {
  side_->core.post([this](store::Txn& txn) {
    side_->deliveries.opened(txn, 7, std::string(kAgent), {{"type", "hello"}});
    return true;
  });
  side_->core.post([this](store::Txn& txn) {
    side_->deliveries.closed(txn, 7, std::string(kAgent));
    return true;
  });
  side_->core.runPending();
  EXPECT_FALSE(side_->deliveries.connected(kAgent));
  EXPECT_EQ(side_->came, 0);
  side_->request("cmd/a");
  EXPECT_FALSE(side_->mayHaveLeft("cmd/a"));
  side_->hello(8);
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:", "command.run:cmd/a"}));
}

TEST_F(DeliveriesTest, NobodyArrivesByAWelcomeThatIsRolledBack) {
  side_->core.post([this](store::Txn& txn) {
    side_->deliveries.opened(txn, 7, std::string(kAgent), {{"type", "hello"}});
    return false;
  });
  side_->core.runPending();
  EXPECT_FALSE(side_->deliveries.connected(kAgent));
  side_->request("cmd/a");
  EXPECT_FALSE(side_->mayHaveLeft("cmd/a"));
}

TEST_F(DeliveriesTest, WhatAnOlderServerWroteMayHaveLeft) {
  side_->run([](store::Txn& txn) {
    txn.records().put("delivery", std::string(kAgent) + "/cmd/a", "1 1 -1 command.run\n{\"type\":\"command.run\",\"id\":\"cmd/a\"}");
    txn.records().put("delivery", std::string(kAgent) + "/cmd/b", R"({"seq":2,"created":1,"message":{"type":"command.run","id":"cmd/b"}})");
    txn.records().put("delivery", std::string(kAgent) + "/cmd/c", "3 1 -1 command.run -\n{\"type\":\"command.run\",\"id\":\"cmd/c\"}");
  });
  EXPECT_TRUE(side_->mayHaveLeft("cmd/a"));
  EXPECT_TRUE(side_->mayHaveLeft("cmd/b"));
  EXPECT_FALSE(side_->mayHaveLeft("cmd/c"));
  side_->helloAs(7, "e1");
  // Who knows that it was accepted gives it up; else it goes to the same machine once more.
  EXPECT_EQ(side_->absent, (Types{"cmd/a", "cmd/b"}));
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/a", "command.run:cmd/b", "command.run:cmd/c"}));
  side_->leave(7);
  side_->helloAs(8, "e2");
  EXPECT_EQ(side_->refused, (Types{"cmd/a unknown", "cmd/b unknown", "cmd/c unknown"}));
}

TEST_F(DeliveriesTest, WhoIsToldOfAnAgentFindsItConnected) {
  side_->hello(1);
  EXPECT_EQ(side_->came, 1);
}

TEST_F(DeliveriesTest, ANewerSessionReplacesTheOlder) {
  side_->hello(7);
  side_->hello(8);
  EXPECT_EQ(side_->sender.closed, (std::vector<SessionId>{7}));
  side_->run([this](store::Txn& txn) { side_->deliveries.closed(txn, 7, std::string(kAgent)); });
  EXPECT_TRUE(side_->deliveries.connected(kAgent));
  EXPECT_TRUE(side_->gone.empty());
  side_->run([this](store::Txn& txn) { side_->deliveries.closed(txn, 8, std::string(kAgent)); });
  EXPECT_FALSE(side_->deliveries.connected(kAgent));
  EXPECT_EQ(side_->gone, (Types{std::string(kAgent)}));
}

TEST_F(DeliveriesTest, WithdrawnRequestsAreNotSent) {
  side_->request("cmd/a");
  side_->run([this](store::Txn& txn) { side_->deliveries.withdraw(txn, kAgent, "cmd/a"); });
  side_->hello(7);
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, TimeThatWentByShortensStartWithin) {
  side_->request("cmd/soon", {{"startWithinMs", 60'000}});
  side_->request("cmd/late", {{"startWithinMs", 10'000}});
  side_->clock.advance(std::chrono::seconds(20));
  side_->hello(7);
  ASSERT_EQ(side_->sender.types(7), (Types{"welcome:", "command.run:cmd/soon"}));
  EXPECT_EQ(json::intOr(side_->sender.sent[7][1], "startWithinMs", 0), 40'000);
}

TEST_F(DeliveriesTest, AMessageTooLargeIsRefusedInsteadOfWaitingForEver) {
  side_->request("cmd/huge", {{"script", std::string(2U << 20U, 'x')}});
  EXPECT_EQ(side_->refused, (Types{"cmd/huge"}));
}

TEST_F(DeliveriesTest, WhoeverIsNotAdmittedIsToldWhyAndClosed) {
  side_->deliveries.admit([](store::Txn&, const std::string&, const json::Object&) {
    return std::optional(runtime::AgentRefusal{"revoked", "somebody took it back"});
  });
  side_->hello(7);
  ASSERT_EQ(side_->sender.types(7), (Types{"rejected:"}));
  EXPECT_EQ(json::textOr(side_->sender.sent[7].front(), "code"), "revoked");
  EXPECT_EQ(side_->sender.closed, (std::vector<SessionId>{7}));
  EXPECT_FALSE(side_->deliveries.connected(kAgent));
}

TEST_F(DeliveriesTest, AProtocolThatNobodySpeaksIsToldApart) {
  side_->helloWith(7, {{"protocol", json::Object{{"least", 90}, {"most", 91}}}});
  side_->helloWith(8, {{"protocol", json::Object{{"least", 0}, {"most", 0}}}});
  EXPECT_EQ(json::textOr(side_->sender.sent[7].front(), "code"), "protocol_too_new");
  EXPECT_EQ(json::textOr(side_->sender.sent[8].front(), "code"), "protocol_too_old");
  EXPECT_FALSE(side_->deliveries.connected(kAgent));
}

TEST_F(DeliveriesTest, TheWelcomeTellsProtocolAndRenewalAsADuration) {
  side_->helloWith(7, {{"protocol", json::Object{{"least", 1}, {"most", 9}}},
                       {"certificate", json::Object{{"enrolment", "e1"}, {"leftMs", 90'000}, {"lifeMs", 90'000}}}});
  const auto& welcome = side_->sender.sent[7].front();
  EXPECT_EQ(json::intOr(welcome, "protocol", 0), agentwire::kProtocolMost);
  const auto in = json::intOr(welcome, "renewInMs", 0);
  EXPECT_LE(in, 60'000);
  EXPECT_GE(in, 55'000);
}

TEST_F(DeliveriesTest, TheSameProcessTakesItsSessionOver) {
  side_->helloWith(7, {{"run", "one"}});
  side_->helloWith(8, {{"run", "one"}});
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
  EXPECT_EQ(side_->sender.closed, (std::vector<SessionId>{7}));
}

TEST_F(DeliveriesTest, ASecondAgentIsRefusedWhileTheFirstAnswers) {
  side_->helloWith(7, {{"run", "one"}});
  side_->helloWith(8, {{"run", "two"}});
  ASSERT_EQ(side_->sender.types(7), (Types{"welcome:", "probe:probe/i-0123456789abcdef0"}));
  EXPECT_TRUE(side_->sender.types(8).empty());
  side_->say(7, "probe.result", "probe/i-0123456789abcdef0");
  ASSERT_EQ(side_->sender.types(8), (Types{"rejected:"}));
  EXPECT_EQ(json::textOr(side_->sender.sent[8].front(), "code"), "duplicate_agent");
  EXPECT_EQ(side_->sender.closed, (std::vector<SessionId>{8}));
  side_->request("cmd/a");
  EXPECT_EQ(side_->sender.types(7).back(), "command.run:cmd/a");
}

TEST_F(DeliveriesTest, ASecondAgentCannotAnswerForTheFirst) {
  side_->helloWith(7, {{"run", "one"}});
  side_->helloWith(8, {{"run", "two"}});
  side_->say(8, "probe.result", "probe/i-0123456789abcdef0");
  EXPECT_TRUE(side_->sender.types(8).empty());
}

TEST_F(DeliveriesTest, ARestartedAgentTakesTheDeadSessionsPlace) {
  side_->helloWith(7, {{"run", "one"}});
  side_->helloWith(8, {{"run", "two"}});
  side_->clock.advance(std::chrono::seconds(6));
  side_->core.runPending();
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
  EXPECT_EQ(side_->sender.closed, (std::vector<SessionId>{7}));
  // What the dead one had to say is over.
  side_->say(7, "probe.result", "probe/i-0123456789abcdef0");
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, ANewcomerNeedNotWaitForASessionThatEnds) {
  side_->helloWith(7, {{"run", "one"}});
  side_->helloWith(8, {{"run", "two"}});
  side_->run([this](store::Txn& txn) { side_->deliveries.closed(txn, 7, std::string(kAgent)); });
  EXPECT_EQ(side_->sender.types(8), (Types{"welcome:"}));
  EXPECT_TRUE(side_->deliveries.connected(kAgent));
}

TEST_F(DeliveriesTest, ANewcomerThatLeavesIsForgotten) {
  side_->helloWith(7, {{"run", "one"}});
  side_->helloWith(8, {{"run", "two"}});
  side_->run([this](store::Txn& txn) { side_->deliveries.closed(txn, 8, std::string(kAgent)); });
  side_->clock.advance(std::chrono::seconds(6));
  side_->core.runPending();
  EXPECT_TRUE(side_->sender.types(8).empty());
  EXPECT_TRUE(side_->deliveries.connected(kAgent));
  EXPECT_TRUE(side_->gone.empty());
}

TEST_F(DeliveriesTest, ALiveSessionIsEndedWithItsReason) {
  side_->helloWith(7, {{"run", "one"}, {"certificate", json::Object{{"enrolment", "e1"}, {"leftMs", 1}, {"lifeMs", 1}}}});
  side_->deliveries.end(kAgent, {"superseded", "enrolled anew"}, "e1");
  EXPECT_TRUE(side_->sender.closed.empty());
  side_->deliveries.end(kAgent, {"revoked", "taken back"});
  EXPECT_EQ(side_->sender.types(7).back(), "rejected:");
  EXPECT_EQ(side_->sender.closed, (std::vector<SessionId>{7}));
}

TEST_F(DeliveriesTest, AJobThatFailsSendsNothing) {
  side_->hello(7);
  side_->core.post([this](store::Txn& txn) {
    side_->deliveries.request(txn, kAgent, {{"type", "command.run"}, {"id", "cmd/a"}});
    return false;
  });
  side_->core.runPending();
  EXPECT_EQ(side_->sender.types(7), (Types{"welcome:"}));
}

TEST_F(DeliveriesTest, TellsForHowLongAnAgentHasBeenSilent) {
  EXPECT_EQ(side_->deliveries.quiet(kAgent), Duration{0});
  side_->hello(7);
  EXPECT_EQ(side_->deliveries.quiet(kAgent), std::chrono::seconds(7)) << "as its session's other end says";
  side_->run([this](store::Txn& txn) { side_->deliveries.closed(txn, 7, std::string(kAgent), std::chrono::seconds(60)); });
  EXPECT_EQ(side_->quiet_us, 60'000'000);
  EXPECT_EQ(side_->deliveries.quiet(kAgent), Duration{0});
}

}  // namespace
}  // namespace sp::fleet
