// The suite every store must pass.
#include "store/store.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "store/sqlite/sqlite_store.h"

namespace sp::store {
namespace {

class StoreTest : public testing::Test {
 protected:
  StoreTest() : directory_(std::filesystem::temp_directory_path() / ("sp-store-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    reopen();
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void reopen() {
    store_.reset();
    auto opened = openSqlite(directory_ / "store.db");
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }
  bool run(const Job& job) {
    auto outcome = store_->run({job}, fromMicros(1000));
    EXPECT_TRUE(outcome) << outcome.error().text();
    return outcome && outcome->at(0);
  }

  std::filesystem::path directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, RecordsSurviveReopening) {
  run([](Txn& t) {
    t.records().put("role", "a", "{}");
    return true;
  });
  reopen();
  run([](Txn& t) {
    EXPECT_EQ(t.records().get("role", "a"), "{}");
    EXPECT_EQ(t.records().get("role", "b"), std::nullopt);
    EXPECT_EQ(t.records().get("other", "a"), std::nullopt);
    return true;
  });
}

TEST_F(StoreTest, AFailedJobLeavesNothingAndTheOthersStay) {
  int told = 0;
  const auto good = [&](Txn& t) {
    t.records().put("k", "good", "1");
    t.afterCommit([&] { ++told; });
    return true;
  };
  const auto bad = [&](Txn& t) {
    t.records().put("k", "bad", "1");
    t.afterCommit([&] { told += 100; });
    return false;
  };
  const auto outcome = store_->run({good, bad, good}, fromMicros(0));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(*outcome, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(told, 2);
  run([](Txn& t) {
    EXPECT_EQ(t.records().scan("k", "", "", 10).size(), 1U);
    return true;
  });
}

TEST_F(StoreTest, ScansGoBothWaysInByteOrder) {
  run([](Txn& t) {
    for (const char* key : {"b", "a/2", "a/1", "a", "c", "a\xff"}) t.records().put("k", key, key);
    const auto keys = [](const std::vector<Record>& records) {
      std::string out;
      for (const auto& record : records) out += record.key + " ";
      return out;
    };
    EXPECT_EQ(keys(t.records().scan("k", "a", "", 10)), "a a/1 a/2 a\xff ");
    EXPECT_EQ(keys(t.records().scan("k", "a/", "a/1", 10)), "a/2 ");
    EXPECT_EQ(keys(t.records().scan("k", "", "a/2", 2)), "a\xff b ");
    EXPECT_EQ(keys(t.records().scanBack("k", "", "", 2)), "c b ");
    EXPECT_EQ(keys(t.records().scanBack("k", "a", "a/2", 9)), "a/1 a ");
    return true;
  });
}

TEST_F(StoreTest, AnIndexFollowsItsRecord) {
  run([](Txn& t) {
    t.records().put("job", "1", "one");
    t.records().index("job", "1", "state", "RUNNING");
    t.records().put("job", "2", "two");
    t.records().index("job", "2", "state", "RUNNING");
    EXPECT_EQ(t.records().findBy("job", "state", "RUNNING", "", 10).size(), 2U);
    EXPECT_EQ(t.records().findByBack("job", "state", "RUNNING", "", 1).at(0).key, "2");
    EXPECT_EQ(t.records().findByBack("job", "state", "RUNNING", "2", 10).at(0).key, "1");
    EXPECT_TRUE(t.records().findByBack("job", "state", "RUNNING", "1", 10).empty());
    t.records().index("job", "1", "state", "DONE");
    EXPECT_EQ(t.records().findBy("job", "state", "RUNNING", "", 10).at(0).body, "two");
    t.records().erase("job", "2");
    EXPECT_TRUE(t.records().findBy("job", "state", "RUNNING", "", 10).empty());
    return true;
  });
}

TEST_F(StoreTest, TimersComeInOrderOfDueThenOfSetting) {
  run([](Txn& t) {
    t.timers().set({"k", "late", fromMicros(900), ""});
    t.timers().set({"k", "b", fromMicros(500), "x"});
    t.timers().set({"k", "a", fromMicros(500), ""});
    t.timers().set({"k", "late", fromMicros(2000), ""});
    const auto due = t.timers().due(fromMicros(1000), 10);
    EXPECT_EQ(due.size(), 2U);
    EXPECT_EQ(due.at(0).id, "b");
    EXPECT_EQ(due.at(0).payload, "x");
    EXPECT_EQ(t.timers().find("k", "b")->payload, "x");
    EXPECT_EQ(t.timers().find("k", "late")->due, fromMicros(2000));
    EXPECT_FALSE(t.timers().find("other", "b"));
    t.timers().drop("k", "a");
    t.timers().drop("k", "b");
    EXPECT_FALSE(t.timers().find("k", "b"));
    EXPECT_EQ(t.timers().earliest(), fromMicros(2000));
    return true;
  });
}

TEST_F(StoreTest, HistoryIsReadFromAnyEventInBothDirections) {
  run([](Txn& t) {
    EXPECT_TRUE(t.executions().insert({"arn", "machine", "n", "RUNNING", fromMicros(1), {}, "{}", "state"}, {}));
    EXPECT_FALSE(t.executions().insert({"arn", "machine", "n", "RUNNING", fromMicros(1), {}, "{}", "state"}, {}));
    t.executions().appendHistory("arn", 1, {"e1", "e2", "e3"});
    t.executions().appendHistory("arn", 4, {"e4"});
    EXPECT_EQ(t.executions().history("arn", 2, false, 2), (std::vector<std::string>{"e2", "e3"}));
    EXPECT_EQ(t.executions().history("arn", 4, false, 9), (std::vector<std::string>{"e4"}));
    EXPECT_EQ(t.executions().history("arn", 9, true, 3), (std::vector<std::string>{"e4", "e3", "e2"}));
    EXPECT_EQ(t.executions().history("arn", 2, true, 9), (std::vector<std::string>{"e2", "e1"}));
    t.executions().updateState("arn", "next");
    EXPECT_EQ(t.executions().get("arn")->state, "next");
    auto row = *t.executions().get("arn");
    row.status = "FAILED";
    row.state.clear();
    t.executions().update(row);
    EXPECT_TRUE(t.executions().running().empty());
    return true;
  });
}

TEST_F(StoreTest, ExecutionsAreListedNewestFirst) {
  run([](Txn& t) {
    for (int i = 0; i < 5; ++i)
      t.executions().insert({"arn" + std::to_string(i), "m", "n", i % 2 == 0 ? "FAILED" : "RUNNING", fromMicros(i / 2), {}, "{}", ""}, {});
    const auto first = t.executions().list({.machine_arn = "m", .limit = 2, .looked_at = 9});
    EXPECT_EQ(first.rows.at(0).arn, "arn4");
    EXPECT_EQ(first.rows.at(1).arn, "arn3");
    const auto next = t.executions().list({.machine_arn = "m", .after = first.rest, .limit = 3, .looked_at = 9});
    EXPECT_EQ(next.rows.size(), 3U);
    EXPECT_EQ(next.rows.at(0).arn, "arn2");
    EXPECT_FALSE(next.rest);
    EXPECT_EQ(t.executions().list({.machine_arn = "m", .status = "FAILED", .limit = 9, .looked_at = 9}).rows.size(), 3U);
    return true;
  });
}

// What a page looks at is bounded, and all pages together show each one that is asked for once.
TEST_F(StoreTest, AListLooksAtNoMoreRowsThanItMay) {
  run([](Txn& t) {
    for (int i = 0; i < 200; ++i)
      for (const std::string machine : {"m", "other"})
        t.executions().insert({machine + std::to_string(1000 + i),
                               machine,
                               "n",
                               i % 50 == 0   ? "RUNNING"
                               : i % 40 == 0 ? "FAILED"
                                             : "SUCCEEDED",
                               fromMicros(i / 7),
                               {},
                               i % 30 == 0 ? "wanted" : "{}",
                               ""},
                              {});
    int looked_at = 0;
    const auto all = [&](std::string_view status, std::size_t limit, bool wanted) {
      std::string found;
      ExecutionTable::Listing asked{.machine_arn = "m", .status = status, .limit = limit, .looked_at = 5};
      int in_page = 0;
      asked.wanted = [&](const ExecutionRow& row) {
        ++in_page;
        ++looked_at;
        return !wanted || row.description == "wanted";
      };
      while (true) {
        in_page = 0;
        const auto page = t.executions().list(asked);
        EXPECT_LE(in_page, 6);
        EXPECT_LE(page.rows.size(), limit);
        for (const auto& row : page.rows) found += row.arn + " ";
        if (!page.rest) return found;
        asked.after = page.rest;
      }
    };
    for (const std::size_t limit : {1U, 2U, 10U}) {
      EXPECT_EQ(all("FAILED", limit, false), "m1160 m1120 m1080 m1040 ");
      EXPECT_EQ(all("", limit, true), "m1180 m1150 m1120 m1090 m1060 m1030 m1000 ");
      looked_at = 0;
      EXPECT_EQ(all("RUNNING", limit, false), "m1150 m1100 m1050 m1000 ");
      EXPECT_LE(looked_at, 8) << "those that have ended are not looked at";
    }
    return true;
  });
}

TEST_F(StoreTest, OldExecutionsGoInSmallSteps) {
  run([](Txn& t) {
    const std::vector<std::string> events(1, "{}");
    for (int i = 0; i < 6; ++i) {
      const auto arn = "arn" + std::to_string(i);
      // The second runs on, the last ended too late.
      std::optional<Instant> stopped = fromMicros(i == 5 ? 100 : i + 1);
      if (i == 1) stopped.reset();
      t.executions().insert({arn, "m", "n", stopped ? "FAILED" : "RUNNING", fromMicros(i), stopped, "{}", ""}, {});
      for (int e = 0; e < 3; ++e) t.executions().appendHistory(arn, e + 1, events);
    }
    return true;
  });
  std::string gone;
  std::int64_t position = 0;
  bool more = true;
  for (int calls = 0; more; ++calls) {
    ASSERT_LT(calls, 20);
    run([&](Txn& t) {
      const auto sweep = t.executions().expire(fromMicros(50), fromMicros(100), position, 4);
      EXPECT_LE(sweep.gone.size(), 2U);
      for (const auto& arn : sweep.gone) gone += arn + " ";
      position = sweep.position;
      more = sweep.more;
      return true;
    });
  }
  EXPECT_EQ(gone, "arn0 arn2 arn3 arn4 ");
  run([](Txn& t) {
    EXPECT_FALSE(t.executions().get("arn0"));
    EXPECT_EQ(t.executions().history("arn1", 1, false, 10).size(), 3U);
    EXPECT_EQ(t.executions().history("arn5", 1, false, 10).size(), 3U);
    EXPECT_TRUE(t.executions().insert({"arn0", "m", "n", "RUNNING", fromMicros(9), {}, "{}", ""}, {}));
    EXPECT_TRUE(t.executions().history("arn0", 1, false, 10).empty());
    EXPECT_GT(t.executions().extent().bytes, 0U);
    return true;
  });
}

// Began under a clock that was ahead, before it, and after it was put right.
TEST_F(StoreTest, OldExecutionsGoWhateverBeganUnderAnotherClock) {
  const auto swept = [this](Instant before, Instant now) {
    std::string gone;
    std::int64_t position = 0;
    for (bool more = true; more;)
      run([&](Txn& t) {
        const auto sweep = t.executions().expire(before, now, position, 4);
        for (const auto& arn : sweep.gone) gone += arn + " ";
        position = sweep.position;
        more = sweep.more;
        return true;
      });
    return gone;
  };
  run([](Txn& t) {
    for (const int begun : {1, 500, 501, 502, 503, 504, 505, 506, 507, 508, 2, 90})
      t.executions().insert({std::to_string(begun), "m", "n", "FAILED", fromMicros(begun), fromMicros(begun + 1), "{}", ""}, {});
    return true;
  });
  EXPECT_EQ(swept(fromMicros(50), fromMicros(100)), "1 2 ");
  EXPECT_EQ(swept(fromMicros(450), fromMicros(500)), "90 ");
  EXPECT_EQ(swept(fromMicros(505), fromMicros(555)), "500 501 502 503 ");
}

TEST_F(StoreTest, TimersOfOnePayloadAreMovedTogether) {
  run([](Txn& t) {
    t.timers().set({"k", "a", fromMicros(10), "moved"});
    t.timers().set({"k", "b", fromMicros(20), "moved"});
    t.timers().set({"k", "c", fromMicros(30), ""});
    t.timers().set({"other", "a", fromMicros(40), "moved"});
    t.timers().shift("k", "moved", Duration(-5));
    t.timers().shift("k", "moved", Duration(100));
    EXPECT_EQ(t.timers().find("k", "a")->due, fromMicros(105));
    EXPECT_EQ(t.timers().earliest(), fromMicros(30));
    EXPECT_EQ(t.timers().due(fromMicros(110), 9).size(), 3U);
    return true;
  });
}

TEST_F(StoreTest, AHistoryIsReadFromAnyEventBothWays) {
  constexpr std::int64_t kEvents = 1000;
  run([](Txn& t) {
    t.executions().insert({"arn", "m", "n", "RUNNING", fromMicros(1), {}, "{}", ""}, {});
    t.executions().insert({"other", "m", "n", "RUNNING", fromMicros(1), {}, "{}", ""}, {});
    // Appended in parts of different sizes, of events that fill several rows.
    std::int64_t next = 1;
    for (const std::int64_t part : {1, 600, 399}) {
      std::vector<std::string> events;
      for (std::int64_t i = 0; i < part; ++i) events.push_back(std::to_string(next + i) + ":" + std::string(200, 'x'));
      t.executions().appendHistory("arn", next, events);
      t.executions().appendHistory("other", next, {"no"});
      next += part;
    }
    EXPECT_EQ(next, kEvents + 1);
    return true;
  });
  run([](Txn& t) {
    const auto number = [](const std::string& event) { return std::stoll(event); };
    for (const std::int64_t from : {1, 2, 160, 161, 601, 602, 999, 1000}) {
      const auto up = t.executions().history("arn", from, false, 150);
      EXPECT_EQ(up.size(), static_cast<std::size_t>(std::min<std::int64_t>(150, kEvents - from + 1))) << from;
      for (std::size_t i = 0; i < up.size(); ++i) EXPECT_EQ(number(up[i]), from + static_cast<std::int64_t>(i));
      const auto down = t.executions().history("arn", from, true, 150);
      EXPECT_EQ(down.size(), static_cast<std::size_t>(std::min<std::int64_t>(150, from))) << from;
      for (std::size_t i = 0; i < down.size(); ++i) EXPECT_EQ(number(down[i]), from - static_cast<std::int64_t>(i));
    }
    EXPECT_TRUE(t.executions().history("arn", kEvents + 1, false, 10).empty());
    EXPECT_EQ(t.executions().history("arn", kEvents + 1, true, 10).size(), 10U);
    EXPECT_TRUE(t.executions().history("none", 1, false, 10).empty());
    return true;
  });
}

// The WAL would grow for ever, and the next start would have to read all of it.
TEST_F(StoreTest, TheWalIsBroughtOverWhileCommitsGoOn) {
  constexpr std::size_t kBody = 1U << 20U;
  const auto small = std::filesystem::file_size(directory_ / "store.db");
  int commits = 0;
  while (std::filesystem::file_size(directory_ / "store.db") < small + kBody && ++commits < 600) {
    run([&](Txn& t) {
      // Other bytes each time: pages that stay the same are not written again.
      t.records().put("k", "big", std::string(kBody, static_cast<char>('a' + commits % 26)));
      return true;
    });
  }
  EXPECT_LT(commits, 600);
}

TEST_F(StoreTest, ItemRangesAreBoundedAndPaged) {
  run([](Txn& t) {
    for (const char* sort : {"1", "2", "3", "4"}) t.items().put("tbl", {"p", sort, sort});
    t.items().put("tbl", {"q", "", "q"});
    ItemTable::Range range{"p", "2", "4", {}, false, 10};
    EXPECT_EQ(t.items().query("tbl", range).size(), 2U);
    range.after = "2";
    EXPECT_EQ(t.items().query("tbl", range).at(0).body, "3");
    range = {"p", "", "", "3", true, 1};
    EXPECT_EQ(t.items().query("tbl", range).at(0).body, "2");
    EXPECT_EQ(t.items().scan("tbl", std::pair<std::string, std::string>("p", "4"), 9).at(0).body, "q");
    EXPECT_EQ(t.items().count("tbl"), 5U);
    EXPECT_EQ(t.items().extent("tbl").items, 5U);
    EXPECT_EQ(t.items().extent("tbl").bytes, 4U * 3 + 2);
    EXPECT_EQ(t.items().extent("none").items, 0U);
    return true;
  });
}

// What a kill leaves behind is what the files hold: copies of them are opened.
TEST_F(StoreTest, ZerosAheadInTheWalAreNoCommits) {
  store_.reset();
  store_ = *openSqlite(directory_ / "store.db", WalRoom::ahead);
  const auto wal = directory_ / "store.db-wal";
  const auto space = std::filesystem::space(directory_).available;
  if (space > 1U << 30U) EXPECT_GE(std::filesystem::file_size(wal), 10U << 20U);
  for (const char* key : {"a", "b"}) {
    run([&](Txn& t) {
      t.records().put("role", key, "{}");
      return true;
    });
    const auto left = directory_ / (std::string("left-") + key);
    std::filesystem::create_directories(left);
    for (const char* name : {"store.db", "store.db-wal"}) std::filesystem::copy_file(directory_ / name, left / name);
    const auto again = *openSqlite(left / "store.db", WalRoom::ahead);
    std::vector<std::string> found;
    ASSERT_TRUE(again->run({[&](Txn& t) {
                             for (const auto& one : t.records().scan("role", "", "", 10)) found.push_back(one.key);
                             return true;
                           }},
                           fromMicros(1000)));
    EXPECT_EQ(found, key == std::string("a") ? std::vector<std::string>{"a"} : (std::vector<std::string>{"a", "b"}));
  }
}

}  // namespace
}  // namespace sp::store
