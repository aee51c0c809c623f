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

json::Object planWith(const std::string& rule_members, const std::string& plan_members = "") {
  return json::parse(R"({"BackupPlanName":"p","Rules":[{"RuleName":"r","TargetBackupVaultName":"Default")" +
                     (rule_members.empty() ? "" : "," + rule_members) + "}]" + (plan_members.empty() ? "" : "," + plan_members) + "}")
      ->get_object();
}

std::string refusal(const std::string& rule_members, const std::string& plan_members = "") {
  const auto plan = parsePlan(planWith(rule_members, plan_members));
  if (!plan) return plan.error().message;
  const auto refused = checkRule(plan->rules[0]);
  return refused ? refused->message : "";
}

TEST(PlanDocument, ACompletionWindowIsAnHourLongerThanTheStartWindow) {
  EXPECT_EQ(refusal(R"("CompletionWindowMinutes":540)"), "");
  EXPECT_EQ(refusal(R"("StartWindowMinutes":60,"CompletionWindowMinutes":120)"), "");
  EXPECT_EQ(refusal(R"("StartWindowMinutes":60)"), "");
  EXPECT_EQ(refusal(R"("CompletionWindowMinutes":480)"),
            "CompletionWindowMinutes (480) must be at least 60 minutes more than StartWindowMinutes (480, its default): give at least 540, "
            "or a smaller StartWindowMinutes");
  EXPECT_EQ(refusal(R"("StartWindowMinutes":60,"CompletionWindowMinutes":119)"),
            "CompletionWindowMinutes (119) must be at least 60 minutes more than StartWindowMinutes (60): give at least 120");
  // What an earlier version took is read.
  EXPECT_TRUE(parsePlan(planWith(R"("CompletionWindowMinutes":60)")).has_value());
}

TEST(PlanDocument, WhatIsNotDoneIsRefusedAndWhatAwsDoesNotKnowIsLeftOut) {
  for (const std::string member : {"CopyActions", "IndexActions", "ScanActions"}) {
    EXPECT_TRUE(refusal('"' + member + R"(":[{"x":1}])").starts_with(member + ": recovery points are not ")) << member;
    EXPECT_EQ(refusal('"' + member + R"(":[])"), "") << member;
    EXPECT_EQ(refusal('"' + member + R"(":null)"), "") << member;
  }
  EXPECT_NE(refusal(R"("EnableContinuousBackup":true)").find("EnableContinuousBackup"), std::string::npos);
  EXPECT_NE(refusal(R"("EnableContinuousBackup":"yes")").find("EnableContinuousBackup"), std::string::npos);
  EXPECT_NE(refusal(R"("TargetLogicallyAirGappedBackupVaultArn":"arn:x")").find("TargetLogicallyAirGappedBackupVaultArn"),
            std::string::npos);
  EXPECT_NE(refusal(R"("ScheduleExpression":5)").find("ScheduleExpression must be a string"), std::string::npos);
  EXPECT_NE(refusal(R"("Lifecycle":{"DeleteAfterEvent":"DELETE_AFTER_COPY"})").find("DeleteAfterEvent"), std::string::npos);
  EXPECT_NE(refusal("", R"("ScanSettings":[{"MalwareScanner":"GUARDDUTY"}])").find("ScanSettings"), std::string::npos);
  EXPECT_NE(refusal("", R"("AdvancedBackupSettings":[{"BackupOptions":{}},{"ResourceType":"EC2"}])").find("EC2 stands there twice"),
            std::string::npos);
  const auto plan = parsePlan(planWith(R"("Whatever":1,"EnableContinuousBackup":false,"Lifecycle":{"DeleteAfterDays":-1,"Other":2})",
                                       R"("Else":{},"AdvancedBackupSettings":[{"ResourceType":"EC2","Other":1}])"));
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(json::Value(plan->shape()),
            *json::parse(R"json({"BackupPlanName":"p","Rules":[{"RuleName":"r","TargetBackupVaultName":"Default",
    "ScheduleExpression":"cron(0 5 ? * * *)","ScheduleExpressionTimezone":"Etc/UTC","EnableContinuousBackup":false,
    "Lifecycle":{"DeleteAfterDays":-1}}],"AdvancedBackupSettings":[{"ResourceType":"EC2"}]})json"));
}

TEST(PlanDocument, TagsAreChecked) {
  EXPECT_NE(refusal(R"("RecoveryPointTags":{"aws:x":"y"})").find("'aws:x' begins with 'aws:'"), std::string::npos);
  EXPECT_EQ(refusal(R"("RecoveryPointTags":{"by":"plan"})"), "");
}

}  // namespace
}  // namespace sp::services::backup
