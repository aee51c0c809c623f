#include "services/backup/plans/selection.h"

#include <gtest/gtest.h>

#include "services/backup/plans/plan_document.h"

namespace sp::services::backup {
namespace {

const std::string kArn = "arn:aws:ec2:us-east-1:000000000000:instance/i-0123456789abcdef0";
using Tags = std::map<std::string, std::string>;

bool wants(const std::string& members, const Tags& tags, const std::string& arn = kArn) {
  const auto text =
      R"({"SelectionName":"s","IamRoleArn":"arn:aws:iam::000000000000:role/b")" + (members.empty() ? "" : "," + members) + "}";
  const auto selection = Selection::parse(json::parse(text)->get_object(), Realm());
  EXPECT_TRUE(selection.has_value()) << (selection ? "" : selection.error().message);
  return selection && selection->wants(arn, tags);
}

TEST(Selection, WithoutAnythingItIsForAll) { EXPECT_TRUE(wants("", {})); }

TEST(Selection, ResourcesOrTags) {
  EXPECT_TRUE(wants(R"("Resources":["*"])", {}));
  EXPECT_TRUE(wants(R"("Resources":["arn:aws:ec2:*:*:instance/*"])", {}));
  EXPECT_TRUE(wants(R"("Resources":["arn:x",")" + kArn + R"("])", {}));
  EXPECT_FALSE(wants(R"("Resources":["arn:aws:ec2:*:*:volume/*"])", {}));
  EXPECT_FALSE(wants(R"("Resources":["arn:aws:ec2:us-east-1:000000000000:instance/i-0123456789abcdef"])", {}));
  const std::string tag = R"("ListOfTags":[{"ConditionType":"STRINGEQUALS","ConditionKey":"a","ConditionValue":"1"},
                                           {"ConditionType":"STRINGEQUALS","ConditionKey":"b","ConditionValue":"2"}])";
  EXPECT_TRUE(wants(tag, {{"a", "1"}}));
  EXPECT_TRUE(wants(tag, {{"a", "2"}, {"b", "2"}}));
  EXPECT_FALSE(wants(tag, {{"a", "2"}}));
  EXPECT_FALSE(wants(tag, {}));
  EXPECT_TRUE(wants(R"("Resources":["*"],)" + tag, {})) << "either of them";
  EXPECT_TRUE(wants(R"("Resources":["arn:x"],)" + tag, {{"a", "1"}}));
  EXPECT_FALSE(wants(R"("Resources":["arn:x"],)" + tag, {}));
}

TEST(Selection, ConditionsMustAllHold) {
  const std::string both = R"("Conditions":{"StringEquals":[{"ConditionKey":"aws:ResourceTag/a","ConditionValue":"1"}],
                                            "StringLike":[{"ConditionKey":"aws:ResourceTag/b","ConditionValue":"x*"}]})";
  EXPECT_TRUE(wants(both, {{"a", "1"}, {"b", "xyz"}}));
  EXPECT_FALSE(wants(both, {{"a", "1"}, {"b", "yz"}}));
  EXPECT_FALSE(wants(both, {{"b", "xyz"}}));
  EXPECT_FALSE(wants(R"("Resources":["arn:x"],)" + both, {{"a", "1"}, {"b", "xyz"}})) << "and the resource";
  const std::string neither = R"("Conditions":{"StringNotEquals":[{"ConditionKey":"aws:ResourceTag/a","ConditionValue":"1"}],
                                               "StringNotLike":[{"ConditionKey":"aws:ResourceTag/b","ConditionValue":"x*"}]})";
  EXPECT_TRUE(wants(neither, {})) << "a tag that is not there equals nothing";
  EXPECT_TRUE(wants(neither, {{"a", "2"}, {"b", "y"}}));
  EXPECT_FALSE(wants(neither, {{"a", "1"}}));
  EXPECT_FALSE(wants(neither, {{"b", "xy"}}));
}

TEST(Selection, NotResourcesTakeAway) {
  EXPECT_FALSE(wants(R"("NotResources":[")" + kArn + R"("])", {}));
  EXPECT_FALSE(wants(R"("Resources":["*"],"NotResources":["arn:aws:ec2:*"])", {}));
  EXPECT_TRUE(wants(R"("NotResources":["arn:x"])", {}));
}

TEST(PlanDocument, WhatItShowsIsWhatItReads) {
  const auto text = R"json({"BackupPlanName":"p","Rules":[
    {"RuleName":"r","TargetBackupVaultName":"Default","ScheduleExpression":"cron(0 2 ? * * *)","RuleId":"1","StartWindowMinutes":60,
     "CompletionWindowMinutes":90,"Lifecycle":{"DeleteAfterDays":3},"RecoveryPointTags":{"a":"b"}},
    {"RuleName":"q","TargetBackupVaultName":"Default"}],
    "AdvancedBackupSettings":[{"ResourceType":"EC2","BackupOptions":{"StartStopEC2Required":"true","StallTimeoutInSeconds":"30",
      "PreBackupScript.SourceS3Path":"s3://b/k","PreBackupScript.CommandToRun":"k"}}]})json";
  const auto plan = parsePlan(json::parse(text)->get_object());
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(plan->rules[1].schedule, "cron(0 5 ? * * *)");
  const auto again = parsePlan(plan->shape());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->shape(), plan->shape());
  EXPECT_EQ(json::Value(runInput(*plan, plan->rules[0], "role", {"i-1", "i-2"})), *json::parse(R"({
    "TargetEC2Instances":["i-1","i-2"],"StartStopEC2Required":true,"StallTimeoutInSeconds":"30",
    "BackupDetails":{"BackupVaultName":"Default","IamRoleArn":"role","Lifecycle":{"DeleteAfterDays":3},"StartWindowMinutes":60,
                     "CompletionWindowMinutes":90,"RecoveryPointTags":{"a":"b"}},
    "RemoteRunCommandDetails":{"PreBackupScriptDetails":{"SourceS3Path":"s3://b/k","CommandToRun":"k"}}})"));
  EXPECT_EQ(json::Value(runInput(*plan, plan->rules[1], "role", {"i-1"}).at("BackupDetails")),
            *json::parse(R"({"BackupVaultName":"Default","IamRoleArn":"role"})"));
}

}  // namespace
}  // namespace sp::services::backup
