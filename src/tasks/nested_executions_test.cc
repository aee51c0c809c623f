#include "tasks/nested_executions.h"

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "base/random.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::tasks {
namespace {

const std::string kParent = "arn:aws:states:us-east-1:000000000000:execution:parent:p";
const std::string kChild = "arn:aws:states:us-east-1:000000000000:execution:child:c";

class NestedTest : public testing::Test {
 protected:
  NestedTest() : directory_(std::filesystem::temp_directory_path() / ("sp-nested-" + SystemRandom().hex(12))) {
    std::filesystem::create_directories(directory_);
    store_ = *store::openSqlite((directory_ / "store.db").string());
  }
  ~NestedTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  NestedTest(const NestedTest&) = delete;
  NestedTest& operator=(const NestedTest&) = delete;

  void in(const std::function<void(store::Txn&)>& job) {
    const std::vector<store::Job> jobs{[&](store::Txn& txn) {
      job(txn);
      return true;
    }};
    ASSERT_TRUE(store_->run(jobs, fromMicros(1'700'000'000'000'000)).has_value());
  }
  static runtime::TaskRequest task(int number) {
    runtime::TaskRequest request;
    request.execution_arn = kParent;
    request.token = kParent + "#" + std::to_string(number);
    request.entered = number;
    return request;
  }
  static std::vector<std::string> waiting(store::Txn& txn, const std::string& status, const std::string& child = kChild) {
    store::ExecutionRow row;
    row.arn = child;
    row.status = status;
    std::vector<std::string> tokens;
    for (const auto& parent : NestedExecutions::take(txn, row)) tokens.push_back(parent.token + (parent.parsed ? ":2" : ""));
    return tokens;
  }

  std::filesystem::path directory_;
  std::shared_ptr<store::Store> store_;
};

TEST_F(NestedTest, AllThatWaitForAnExecutionHearOfItsEnd) {
  in([](store::Txn& txn) {
    for (int number = 1; number <= 250; ++number) NestedExecutions::await(txn, task(number), kChild, number == 7);
    NestedExecutions::await(txn, task(300), kChild + "2", false);
    // Of a longer name.
    EXPECT_EQ(waiting(txn, "RUNNING", kChild.substr(0, kChild.size() - 1)).size(), 0U);
    EXPECT_EQ(NestedExecutions::lastChild(txn, task(7)), kChild);
    const auto told = waiting(txn, "SUCCEEDED");
    const std::set<std::string> once(told.begin(), told.end());
    EXPECT_EQ(once.size(), 250U);
    EXPECT_TRUE(once.contains(kParent + "#7:2"));
    EXPECT_EQ(NestedExecutions::lastChild(txn, task(7)), std::nullopt) << "nothing to go on with";
    EXPECT_TRUE(waiting(txn, "SUCCEEDED").empty()) << "told once";
    EXPECT_EQ(waiting(txn, "FAILED", kChild + "2"), std::vector{kParent + "#300"});
    EXPECT_EQ(NestedExecutions::lastChild(txn, task(300)), kChild + "2") << "a redrive goes on with it";
  });
}

TEST_F(NestedTest, AnExecutionIsStoppedWithTheLastThatWaitsForIt) {
  in([](store::Txn& txn) {
    for (const int number : {1, 2, 3}) NestedExecutions::await(txn, task(number), kChild, false);
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(2).token), std::nullopt);
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(2).token), std::nullopt);
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(1).token), std::nullopt);
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(3).token), kChild);
    EXPECT_TRUE(waiting(txn, "ABORTED").empty());
  });
}

TEST_F(NestedTest, WhatAnEarlierVersionWaitsForIsKnown) {
  const auto old = [](store::Txn& txn) {
    txn.records().put("nested_execution", kChild, json::toText(json::Object{{"token", task(1).token}, {"parsed", true}, {"visit", "v"}}));
    txn.records().index("nested_execution", kChild, "token", task(1).token);
  };
  in([&](store::Txn& txn) {
    old(txn);
    NestedExecutions::await(txn, task(2), kChild, false);
    EXPECT_EQ(waiting(txn, "SUCCEEDED"), (std::vector{task(1).token + ":2", task(2).token}));
    old(txn);
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(1).token), kChild);
    old(txn);
    NestedExecutions::await(txn, task(2), kChild, false);
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(2).token), std::nullopt) << "the old one waits";
    EXPECT_EQ(NestedExecutions::withdraw(txn, task(1).token), kChild);
  });
}

}  // namespace
}  // namespace sp::tasks
