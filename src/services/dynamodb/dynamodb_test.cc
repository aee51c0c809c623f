// The operations over a real store, without the wire.
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "services/dynamodb/items.h"
#include "services/dynamodb/service.h"
#include "services/dynamodb/tables/tables.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::dynamodb {
namespace {

using Operation = aws::Outcome (*)(Service&, const aws::Call&);

class DynamoDbTest : public testing::Test {
 protected:
  DynamoDbTest() : directory_(std::filesystem::temp_directory_path() / ("sp-dynamodb-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    auto opened = store::openSqlite(directory_ / "store.db");
    EXPECT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }
  ~DynamoDbTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  // One job in one commit; its answer as text, or the refusal.
  std::string call(Operation operation, std::string_view input) {
    std::string answer;
    const auto outcome =
        store_->run({[&](store::Txn& txn) { return callIn(txn, operation, input, answer); }}, fromMicros(1700000000000000));
    EXPECT_TRUE(outcome) << outcome.error().text();
    return answer;
  }
  bool callIn(store::Txn& txn, Operation operation, std::string_view input, std::string& answer) {
    const auto parsed = json::parse(input);
    EXPECT_TRUE(parsed) << input;
    const aws::Call one{parsed->get_object(), &txn, principal_, realm_, "request", "", txn.now()};
    const auto out = operation(service_, one);
    answer = out ? json::toText(*out) : out.error().code + ": " + out.error().message;
    return out.has_value();
  }
  void makeTable(std::string_view name, bool with_range) {
    const std::string definitions = with_range ? R"({"AttributeName":"id","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"})"
                                               : R"({"AttributeName":"id","AttributeType":"S"})";
    const std::string schema = with_range ? R"({"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"})"
                                          : R"({"AttributeName":"id","KeyType":"HASH"})";
    const auto answer =
        call(createTable, R"({"TableName":")" + std::string(name) + R"(","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[)" +
                              definitions + R"(],"KeySchema":[)" + schema + "]}");
    EXPECT_NE(answer.find("CREATING"), std::string::npos) << answer;
  }

  std::filesystem::path directory_;
  std::unique_ptr<store::Store> store_;
  Realm realm_;
  SeededRandom random_{7};
  ManualClock clock_{fromMicros(0)};
  aws::Principal principal_;
  Service service_{realm_, random_, Extents(clock_)};
};

TEST_F(DynamoDbTest, WhatIsPutIsGot) {
  makeTable("things", false);
  EXPECT_EQ(call(putItem, R"({"TableName":"things","Item":{"id":{"S":"a"},"n":{"N":"1.50"}}})"), "{}");
  EXPECT_EQ(call(getItem, R"({"TableName":"things","Key":{"id":{"S":"a"}}})"), R"({"Item":{"id":{"S":"a"},"n":{"N":"1.5"}}})");
  EXPECT_EQ(call(getItem, R"({"TableName":"things","Key":{"id":{"S":"b"}}})"), "{}");
  EXPECT_EQ(call(deleteItem, R"({"TableName":"things","Key":{"id":{"S":"a"}},"ReturnValues":"ALL_OLD"})"),
            R"({"Attributes":{"id":{"S":"a"},"n":{"N":"1.5"}}})");
  EXPECT_EQ(call(getItem, R"({"TableName":"things","Key":{"id":{"S":"a"}}})"), "{}");
}

TEST_F(DynamoDbTest, ADeletedTableIsGoneFromTheCacheAtOnce) {
  makeTable("things", false);
  const auto put = R"({"TableName":"things","Item":{"id":{"S":"a"}}})";
  EXPECT_EQ(call(putItem, put), "{}");
  EXPECT_EQ(call(putItem, put), "{}");
  // In one batch: delete, put (refused), create with another key, put under the old key (refused).
  std::vector<std::string> answers(4);
  const std::string create =
      R"({"TableName":"things","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],)"
      R"("KeySchema":[{"AttributeName":"k","KeyType":"HASH"}]})";
  const auto outcome = store_->run({[&](store::Txn& t) { return callIn(t, deleteTable, R"({"TableName":"things"})", answers[0]); },
                                    [&](store::Txn& t) { return callIn(t, putItem, put, answers[1]); },
                                    [&](store::Txn& t) { return callIn(t, createTable, create, answers[2]); },
                                    [&](store::Txn& t) { return callIn(t, putItem, put, answers[3]); }},
                                   fromMicros(0));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(answers[1], "ResourceNotFoundException: Requested resource not found");
  EXPECT_EQ(answers[3], "ValidationException: One or more parameter values were invalid: Missing the key k in the item");
  EXPECT_EQ(call(putItem, put), answers[3]);
  EXPECT_EQ(call(scan, R"({"TableName":"things"})"), R"({"Count":0,"ScannedCount":0,"Items":[]})");
}

TEST_F(DynamoDbTest, ARolledBackChangeLeavesTheCacheTrue) {
  makeTable("things", false);
  const auto put = R"({"TableName":"things","Item":{"id":{"S":"a"}}})";
  const auto outcome = store_->run({[&](store::Txn& t) {
                                      std::string answer;
                                      callIn(t, deleteTable, R"({"TableName":"things"})", answer);
                                      return false;
                                    },
                                    [&](store::Txn& t) {
                                      std::string answer;
                                      EXPECT_TRUE(callIn(t, putItem, put, answer)) << answer;
                                      return true;
                                    }},
                                   fromMicros(0));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(call(getItem, R"({"TableName":"things","Key":{"id":{"S":"a"}}})"), R"({"Item":{"id":{"S":"a"}}})");
}

TEST_F(DynamoDbTest, ADeletedTablesItemsGoInSeveralCommits) {
  makeTable("things", false);
  const std::string filler(100'000, 'x');
  const auto put = [&](std::string_view id) {
    return call(putItem, R"({"TableName":"things","Item":{"id":{"S":")" + std::string(id) + R"("},"f":{"S":")" + filler + R"("}}})");
  };
  for (int i = 0; i < 35; ++i) EXPECT_EQ(put("k" + std::to_string(i)), "{}");
  makeTable("empty", false);
  const auto items = [&](std::string_view table) {
    std::string key;
    EXPECT_TRUE(store_->run({[&](store::Txn& txn) {
                              key = loadTable(txn, table)->items;
                              return true;
                            }},
                            fromMicros(0)));
    return key;
  };
  const auto old = items("things");
  call(deleteTable, R"({"TableName":"empty"})");
  call(deleteTable, R"({"TableName":"things"})");
  EXPECT_EQ(put("k0"), "ResourceNotFoundException: Requested resource not found");
  // A new table of the name is empty while the items of the old one are still there, and keeps its own.
  makeTable("things", false);
  EXPECT_EQ(call(scan, R"({"TableName":"things"})"), R"({"Count":0,"ScannedCount":0,"Items":[]})");
  EXPECT_EQ(put("k0"), "{}");

  std::vector<std::uint64_t> left;
  const auto step = [&] {
    bool more = false;
    const auto outcome = store_->run({[&](store::Txn& txn) {
                                       const auto due = txn.timers().due(fromMicros(2'000'000'000'000'000), 9);
                                       more = !due.empty();
                                       if (!more) return true;
                                       EXPECT_EQ(due.size(), 1U);
                                       EXPECT_EQ(due[0].kind, kDropTimer);
                                       txn.timers().drop(due[0].kind, due[0].id);
                                       dropItems(txn, clock_);
                                       left.push_back(txn.items().count(old));
                                       return true;
                                     }},
                                     fromMicros(1700000000000000));
    EXPECT_TRUE(outcome) << outcome.error().text();
    return more;
  };
  EXPECT_TRUE(step());
  // A restart in between.
  store_.reset();
  store_ = *store::openSqlite(directory_ / "store.db");
  while (step()) EXPECT_NE(call(getItem, R"({"TableName":"things","Key":{"id":{"S":"k0"}}})").find("xxx"), std::string::npos);
  // The table without items may come before it or after it.
  std::ranges::sort(left, std::greater());
  left.erase(std::unique(left.begin(), left.end()), left.end());
  if (left.front() == 35) left.erase(left.begin());
  EXPECT_EQ(left, (std::vector<std::uint64_t>{19, 3, 0}));
  EXPECT_EQ(call(scan, R"({"TableName":"things","Select":"COUNT"})"), R"({"Count":1,"ScannedCount":1})");
}

// As a version before items lay under an id left it.
TEST_F(DynamoDbTest, ATableOfAnOlderVersionKeepsItsItemsUnderItsName) {
  makeTable("things", false);
  const auto outcome = store_->run({[&](store::Txn& txn) {
                                     auto record = json::parse(*txn.records().get(kTableRecord, "things"))->get_object();
                                     record.erase("items");
                                     txn.records().put(kTableRecord, "things", json::toText(record));
                                     txn.items().put("things", {"a", "", R"({"id":{"S":"a"}})"});
                                     return true;
                                   }},
                                   fromMicros(0));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(call(getItem, R"({"TableName":"things","Key":{"id":{"S":"a"}}})"), R"({"Item":{"id":{"S":"a"}}})");
  EXPECT_EQ(call(updateTable, R"({"TableName":"things","DeletionProtectionEnabled":false})").substr(0, 20), R"({"TableDescription":)");
  EXPECT_EQ(call(scan, R"({"TableName":"things","Select":"COUNT"})"), R"({"Count":1,"ScannedCount":1})");
}

TEST_F(DynamoDbTest, NumbersSortAsNumbersBothWaysAndPagesJoin) {
  makeTable("numbers", true);
  for (const auto* n : {"10", "-5", "9.5", "0", "1e2", "-100", "0.001"})
    EXPECT_EQ(call(putItem, std::string(R"({"TableName":"numbers","Item":{"id":{"S":"p"},"sk":{"N":")") + n + R"("}}})"), "{}");
  const auto pages = [&](std::string_view more) {
    std::string order;
    std::string start;
    do {
      const auto answer = json::parse(
          call(query,
               std::string(
                   R"({"TableName":"numbers","Limit":2,"KeyConditionExpression":"id = :p","ExpressionAttributeValues":{":p":{"S":"p"}})") +
                   std::string(more) + start + "}"));
      const auto& page = answer->get_object();
      for (const auto& item : page.at("Items").get_array()) order += json::textOr(item.get_object().at("sk").get_object(), "N") + " ";
      const auto* last = json::find(page, "LastEvaluatedKey");
      start = last == nullptr ? "" : R"(,"ExclusiveStartKey":)" + json::toText(*last);
    } while (!start.empty());
    return order;
  };
  EXPECT_EQ(pages(""), "-100 -5 0 0.001 9.5 10 100 ");
  EXPECT_EQ(pages(R"(,"ScanIndexForward":false)"), "100 10 9.5 0.001 0 -5 -100 ");
}

TEST_F(DynamoDbTest, APageEndsAtOneMegabyteBeforeTheFilter) {
  makeTable("large", true);
  const std::string filler(300000, 'x');
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(call(putItem, R"({"TableName":"large","Item":{"id":{"S":"p"},"sk":{"N":")" + std::to_string(i) + R"("},"f":{"S":")" + filler +
                                R"("}}})"),
              "{}");
  const auto first = call(query, R"({"TableName":"large","KeyConditionExpression":"id = :p","FilterExpression":"f = :no",)"
                                 R"("ExpressionAttributeValues":{":p":{"S":"p"},":no":{"S":"n"}}})");
  EXPECT_EQ(first, R"({"Count":0,"ScannedCount":4,"Items":[],"LastEvaluatedKey":{"id":{"S":"p"},"sk":{"N":"3"}}})");
  const auto counted = call(
      scan,
      R"({"TableName":"large","Select":"COUNT","ReturnConsumedCapacity":"TOTAL","ExclusiveStartKey":{"id":{"S":"p"},"sk":{"N":"3"}}})");
  EXPECT_EQ(counted, R"({"Count":2,"ScannedCount":2,"ConsumedCapacity":{"TableName":"large","CapacityUnits":73.5}})");
}

TEST_F(DynamoDbTest, SegmentsShareTheTable) {
  makeTable("many", false);
  for (int i = 0; i < 100; ++i) call(putItem, R"({"TableName":"many","Item":{"id":{"S":"k)" + std::to_string(i) + R"("}}})");
  std::int64_t all = 0;
  for (int segment = 0; segment < 3; ++segment) {
    const auto answer =
        json::parse(call(scan, R"({"TableName":"many","Select":"COUNT","TotalSegments":3,"Segment":)" + std::to_string(segment) + "}"));
    const auto count = json::intOr(answer->get_object(), "Count", 0);
    EXPECT_GT(count, 15);
    all += count;
  }
  EXPECT_EQ(all, 100);
}

TEST_F(DynamoDbTest, TheServersOwnTableIsMadeOnceAndTakesRows) {
  const auto outcome =
      store_->run({[&](store::Txn& txn) {
                    ensureTable(txn, random_, "PrePostBackupLog", "SM_Execution_ID");
                    const auto item = json::parse(R"({"SM_Execution_ID":{"S":"arn"},"Workflow_Overall_Status":{"S":"[]"}})")->get_object();
                    EXPECT_TRUE(putItem(txn, "PrePostBackupLog", item));
                    ensureTable(txn, random_, "PrePostBackupLog", "SM_Execution_ID");
                    const auto got = getItem(txn, "PrePostBackupLog", json::parse(R"({"SM_Execution_ID":{"S":"arn"}})")->get_object());
                    EXPECT_TRUE(got && *got && **got == item);
                    EXPECT_EQ(putItem(txn, "PrePostBackupLog", {}).error().message,
                              "One or more parameter values were invalid: Missing the key SM_Execution_ID in the item");
                    return true;
                  }},
                  fromMicros(0));
  ASSERT_TRUE(outcome);
  const auto described = call(describeTable, R"({"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/PrePostBackupLog"})");
  EXPECT_NE(described.find(R"("KeySchema":[{"AttributeName":"SM_Execution_ID","KeyType":"HASH"}],"TableStatus":"ACTIVE")"),
            std::string::npos)
      << described;
  EXPECT_NE(described.find(R"("ItemCount":1)"), std::string::npos) << described;
}

}  // namespace
}  // namespace sp::dynamodb
