#include "agent/journal.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "agent/freeze_rules.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "sp-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string dir(const std::string& name = "a") const { return (root_ / name).string(); }
  static std::unique_ptr<Journal> open(const std::string& path) {
    auto journal = Journal::open(path);
    EXPECT_TRUE(journal) << journal.error().text();
    return std::move(*journal);
  }
  static json::Object request(const std::string& id) { return {{"type", "command.run"}, {"id", id}}; }
  fs::path root_;
};

TEST_F(JournalTest, AcceptedNotesResultsAndSettlingAreThereAfterReopening) {
  {
    auto journal = open(dir());
    ASSERT_TRUE(journal->accept("r1", request("r1"), std::nullopt));
    ASSERT_TRUE(journal->accept("r2", request("r2"), std::nullopt));
    ASSERT_TRUE(journal->accept("r3", request("r3"), std::nullopt));
    ASSERT_TRUE(journal->note("r2", {{"starting", 0}}));
    ASSERT_TRUE(journal->finish("r2", {{"type", "command.result"}, {"id", "r2"}}, std::nullopt));
    ASSERT_TRUE(journal->finish("r3", {{"type", "command.result"}, {"id", "r3"}}, std::nullopt));
    ASSERT_TRUE(journal->settle("r3"));
    ASSERT_TRUE(journal->cancel("r9"));
  }
  for (int round = 0; round < 2; ++round) {
    auto journal = open(dir());
    EXPECT_EQ(journal->seen("r1"), Journal::Seen::open);
    EXPECT_EQ(journal->seen("r2"), Journal::Seen::finished);
    EXPECT_EQ(journal->seen("r3"), Journal::Seen::settled);
    EXPECT_EQ(journal->seen("r4"), Journal::Seen::fresh);
    EXPECT_EQ(journal->find("r2")->notes.size(), 1U);
    EXPECT_EQ(journal->results().size(), 1U);
    EXPECT_EQ(journal->openIds(), (std::vector<std::string>{"r1", "r2"}));
    EXPECT_TRUE(journal->cancelled("r9"));
    EXPECT_FALSE(journal->cancelled("r1"));
  }
}

TEST_F(JournalTest, WhatIsWithheldIsAskedForAgainUntilItEnds) {
  auto withheld = request("r1");
  withheld[kWithheld] = true;
  {
    auto journal = open(dir());
    ASSERT_TRUE(journal->accept("r1", withheld, std::nullopt));
    ASSERT_TRUE(journal->accept("r2", request("r2"), std::nullopt));
    journal->whole("r1");
    EXPECT_EQ(journal->openIds(), (std::vector<std::string>{"r1", "r2"}));
  }
  auto journal = open(dir());
  EXPECT_EQ(journal->openIds(), std::vector<std::string>{"r2"}) << "the server is to send r1 again";
  ASSERT_TRUE(journal->finish("r1", {{"type", "backup.result"}, {"id", "r1"}}, std::nullopt));
  EXPECT_EQ(journal->openIds(), (std::vector<std::string>{"r1", "r2"}));
}

/// Cut at every byte: what was whole before the cut is there, nothing else, and the journal goes on from there.
TEST_F(JournalTest, TornAtEveryByteKeepsEveryWholeRecord) {
  std::string bytes;
  std::vector<std::size_t> ends{0};
  for (int i = 0; i < 6; ++i) {
    const auto id = "r" + std::to_string(i);
    bytes += encodeRecord({{"k", "accept"}, {"id", id}, {"request", request(id)}});
    ends.push_back(bytes.size());
  }
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const auto path = dir("cut");
    fs::remove_all(path);
    fs::create_directories(path);
    std::ofstream(path + "/journal", std::ios::binary) << bytes.substr(0, cut);
    auto journal = open(path);
    const auto whole = static_cast<std::size_t>(std::ranges::upper_bound(ends, cut) - ends.begin()) - 1;
    ASSERT_EQ(journal->openIds().size(), whole) << "cut at byte " << cut;
    ASSERT_TRUE(journal->accept("after", request("after"), std::nullopt));
    journal = open(path);
    ASSERT_EQ(journal->openIds().size(), whole + 1) << "cut at byte " << cut;
    ASSERT_EQ(journal->seen("after"), Journal::Seen::open);
  }
}

TEST_F(JournalTest, AFlippedByteIsNeverRead) {
  const auto first = encodeRecord({{"k", "accept"}, {"id", "r0"}, {"request", request("r0")}});
  const auto second = encodeRecord({{"k", "accept"}, {"id", "r1"}, {"request", request("r1")}});
  for (std::size_t at = first.size(); at < first.size() + second.size(); ++at) {
    const auto path = dir("flip");
    fs::remove_all(path);
    fs::create_directories(path);
    auto bytes = first + second;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    std::ofstream(path + "/journal", std::ios::binary) << bytes;
    ASSERT_EQ(open(path)->openIds(), std::vector<std::string>{"r0"}) << "byte " << at;
  }
}

TEST_F(JournalTest, CompactionForgetsSettledRequestsAndKeepsFreezes) {
  auto journal = open(dir());
  const std::string large(200'000, 'x');
  Freeze freeze;
  freeze.refused = true;
  freeze.why = "thawed";
  freeze.attempts["thaw/1"] = "r0";
  ASSERT_TRUE(journal->setFreeze("f1", freeze));
  for (int i = 0; i < 60; ++i) {
    const auto id = "r" + std::to_string(i);
    ASSERT_TRUE(journal->accept(id, {{"type", "x"}, {"script", large}}, std::nullopt));
    ASSERT_TRUE(journal->finish(id, {{"type", "command.result"}}, std::nullopt));
    ASSERT_TRUE(journal->settle(id));
  }
  EXPECT_LT(journal->bytes(), 5U << 20U) << "12 MB of settled requests were kept";
  journal = open(dir());
  EXPECT_LT(journal->bytes(), 16'384U);
  EXPECT_TRUE(journal->openIds().empty());
  EXPECT_EQ(journal->seen("r59"), Journal::Seen::settled);
  ASSERT_TRUE(journal->freeze("f1"));
  EXPECT_TRUE(journal->freeze("f1")->refused);
  EXPECT_EQ(journal->freeze("f1")->attempts.at("thaw/1"), "r0");
}

TEST_F(JournalTest, ACompactionThatFailsIsTriedAgainLaterAndHindersNoSettling) {
  auto journal = open(dir());
  const auto settled = [&](const std::string& id, std::size_t size) {
    ASSERT_TRUE(journal->accept(id, {{"type", "x"}, {"script", std::string(size, 'x')}}, std::nullopt));
    ASSERT_TRUE(journal->finish(id, {{"type", "command.result"}}, std::nullopt));
    const auto done = journal->settle(id);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(journal->seen(id), Journal::Seen::settled);
  };
  // A folder of that name stands in for a full disk: the shorter file cannot be written.
  const auto aside = dir() + "/journal.new";
  fs::create_directory(aside);
  settled("large", 5'000'000);
  settled("small", 10);
  EXPECT_GT(journal->bytes(), 5'000'000U);
  fs::remove(aside);
  settled("soon", 10);
  EXPECT_GT(journal->bytes(), 5'000'000U) << "not at every settling";
  settled("later", 300'000);
  EXPECT_LT(journal->bytes(), 16'384U);
}

TEST_F(JournalTest, AFullDiskRefusesAndHarmsNothing) {
  auto journal = open(dir());
  ASSERT_TRUE(journal->accept("r1", request("r1"), std::nullopt));
  // The size limit of files stands in for a full disk: writes fail in the middle of a record.
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{journal->bytes() + 100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto refused = journal->accept("r2", {{"script", std::string(5000, 'x')}}, std::nullopt);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(refused);
  EXPECT_EQ(journal->seen("r2"), Journal::Seen::fresh);
  ASSERT_TRUE(journal->accept("r3", request("r3"), std::nullopt));
  journal = open(dir());
  EXPECT_EQ(journal->openIds(), (std::vector<std::string>{"r1", "r3"}));
}

TEST(FreezeRules, AThawRefusesTheFreezeForEver) {
  const FreezeTag freeze{"f", false, 1};
  const FreezeTag thaw{"f", true, 1};
  auto record = onAccept(std::nullopt, thaw, "t1");
  record = onAccept(record, freeze, "late");
  EXPECT_EQ(decide(record, thaw, "t1").kind, FreezeDecision::Kind::run);
  const auto late = decide(record, freeze, "late");
  EXPECT_EQ(late.kind, FreezeDecision::Kind::refuse);
  EXPECT_EQ(late.message, "freeze f was already thawed");
  EXPECT_EQ(decide(Freeze::decode(record.encode()), freeze, "late").kind, FreezeDecision::Kind::refuse);
}

TEST(FreezeRules, ASuccessfulThawAnswersEveryLaterOne) {
  const FreezeTag one{"f", true, 1};
  const FreezeTag two{"f", true, 2};
  auto record = onAccept(std::nullopt, one, "t1");
  record = onResult(record, one, {{"status", "Failed"}});
  record = onAccept(record, two, "t2");
  EXPECT_EQ(decide(record, two, "t2").kind, FreezeDecision::Kind::run) << "a failed thaw may be tried again";
  record = onResult(record, two, {{"status", "Success"}, {"steps", json::Array{json::Object{{"stdout", std::string(9000, 'x')}}}}});
  record = Freeze::decode(record.encode());
  const auto later = decide(record, {"f", true, 3}, "t3");
  EXPECT_EQ(later.kind, FreezeDecision::Kind::answer);
  EXPECT_EQ(json::textOr(later.result, "status"), "Success");
  EXPECT_LT(json::toText(later.result).size(), 5000U);
}

TEST(FreezeRules, OneAttemptIsMadeOnce) {
  const FreezeTag tag{"f", false, 1};
  auto record = onAccept(std::nullopt, tag, "a");
  record = onAccept(record, tag, "b");
  EXPECT_EQ(decide(record, tag, "a").kind, FreezeDecision::Kind::run);
  EXPECT_EQ(decide(record, tag, "b").kind, FreezeDecision::Kind::refuse);
}

TEST(FreezeRules, CancellingAFreezeRefusesItAndLeavesThawsAlone) {
  const FreezeTag freeze{"f", false, 1};
  auto record = onCancel(onAccept(std::nullopt, freeze, "a"), freeze);
  EXPECT_EQ(decide(record, freeze, "a").kind, FreezeDecision::Kind::refuse);
  EXPECT_EQ(decide(record, {"f", false, 2}, "b").kind, FreezeDecision::Kind::refuse);
  EXPECT_EQ(decide(record, {"f", true, 1}, "t").kind, FreezeDecision::Kind::run);
}

}  // namespace
}  // namespace sp::agent
