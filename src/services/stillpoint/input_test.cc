#include "services/stillpoint/input.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

// A good input with one member replaced (or added, or removed with "-").
json::Object withMember(std::vector<std::string> path, const std::string& value) {
  auto input = json::parse(inputFor(1))->as_object();
  json::Object* at = &input;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) at = &(*at)[path[i]].get_object();
  if (value == "-") at->erase(path.back());
  else (*at)[path.back()] = *json::parse(value);
  return input;
}

struct Case {
  std::vector<std::string> path;
  std::string value;
  /// Parts of the message; none: accepted.
  std::vector<std::string> says;
};

const std::string kPre = "PreBackupScriptDetails";
const std::string kScripts = "RemoteRunCommandDetails";

TEST(Input, EveryPropertyIsCheckedAndNamed) {
  const std::vector<Case> cases = {
      {{"Unknown"}, "1", {"Unknown is 1", "no such property; known here: TargetEC2Instances, TargetEC2TagKey, TargetEC2TagValue, Start"}},
      {{"BackupDetails"}, "-", {"BackupDetails is missing"}},
      {{"BackupDetails"}, "[]", {"BackupDetails is []", "object"}},
      {{"BackupDetails", "BackupVaultName"}, "-", {"BackupDetails.BackupVaultName is missing"}},
      {{"BackupDetails", "BackupVaultName"}, "7", {"BackupDetails.BackupVaultName is 7", "string"}},
      {{"BackupDetails", "BackupVaultName"}, "\"\"", {"BackupVaultName is \"\"", "empty"}},
      {{"BackupDetails", "IamRoleArn"}, "\"x\"", {"BackupDetails.IamRoleArn is \"x\"", "ARN"}},
      {{"BackupDetails", "Vault"}, "\"v\"", {"BackupDetails.Vault is \"v\"", "no such property"}},
      {{"StartStopEC2Required"}, "\"true\"", {"StartStopEC2Required is \"true\"", "true or false"}},
      {{"StartStopEC2Required"}, "-", {}},
      {{"TargetEC2Instances"}, "\"i-a\"", {"TargetEC2Instances is \"i-a\"", "list"}},
      {{"TargetEC2Instances"}, "[1]", {"TargetEC2Instances[0] is 1"}},
      {{"TargetEC2Instances"}, "[\"i-a\",\"i-a\"]", {"TargetEC2Instances[1] is \"i-a\"", "twice"}},
      {{"TargetEC2Instances"}, "-", {"TargetEC2Instances is missing", "TargetEC2TagKey"}},
      {{"TargetEC2TagKey"}, "\"k\"", {"TargetEC2Instances is [\"i-a\"]", "not both"}},
      {{kScripts}, "-", {}},
      {{kScripts}, "\"x\"", {"RemoteRunCommandDetails is \"x\"", "object"}},
      {{kScripts, "PreBackup"}, "{}", {"RemoteRunCommandDetails.PreBackup is {}", "no such property"}},
      {{kScripts, kPre}, "{}", {"RemoteRunCommandDetails.PreBackupScriptDetails.SourceS3Path is missing"}},
      {{kScripts, kPre, "CommandToRun"}, "-", {"PreBackupScriptDetails.CommandToRun is missing"}},
      {{kScripts, kPre, "Comand"}, "\"x\"", {"PreBackupScriptDetails.Comand is \"x\"", "no such property"}},
      {{kScripts, kPre, "WorkingDirectory"}, "null", {"WorkingDirectory is null", "string"}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "29", {"PreBackupScriptDetails.TimeoutInSeconds is 29", "30 to 2592000"}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "30", {}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "\"2592000\"", {}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "2592001", {"TimeoutInSeconds is 2592001"}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "\"99999999999999999999\"", {"TimeoutInSeconds", "30 to"}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "\"60s\"", {"TimeoutInSeconds is \"60s\"", "whole number"}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "60.5", {"TimeoutInSeconds is 60.5", "whole number"}},
      {{kScripts, kPre, "TimeoutInSeconds"}, "-60", {"TimeoutInSeconds is -60"}},
      {{kScripts, kPre, "ExecutionTimeoutInSeconds"}, "\"5\"", {}},
      {{kScripts, kPre, "ExecutionTimeoutInSeconds"}, "4", {"ExecutionTimeoutInSeconds is 4"}},
      {{kScripts, kPre, "SourceS3Path"}, "\"https://bucket-with-a-very-long-name.s3.amazonaws.com/scripts/pre-script.sh\"", {}},
      {{kScripts, kPre, "SourceS3Path"}, "\"foo\"", {"PreBackupScriptDetails.SourceS3Path is \"foo\"", "it must begin with s3://"}},
      {{kScripts, kPre, "SourceS3Path"}, "\"s3://bucket\"", {"SourceS3Path is \"s3://bucket\"", "a bucket and a key"}},
      {{"OnBadTarget"}, "\"abort\"", {}},
      {{"OnBadTarget"}, "\"stop\"", {"OnBadTarget is \"stop\"", "continue"}},
      {{"ThawAt"}, "\"completed\"", {}},
      {{"ThawAt"}, "\"cut\"", {"ThawAt is \"cut\"", "completed"}},
      {{"StallTimeoutInSeconds"}, "\"900\"", {}},
      {{"StallTimeoutInSeconds"}, "true", {"StallTimeoutInSeconds is true"}},
      {{"BackupDetails", "Lifecycle"}, R"({"DeleteAfterDays":"36500"})", {}},
      {{"BackupDetails", "Lifecycle"}, "{}", {}},
      {{"BackupDetails", "StartWindowMinutes"}, "1", {}},
      {{"BackupDetails", "StartWindowMinutes"}, "0", {"BackupDetails.StartWindowMinutes is 0", "from 1 to 52560000 minutes"}},
      {{"BackupDetails", "CompletionWindowMinutes"}, "\"120\"", {}},
      {{"BackupDetails", "RecoveryPointTags"}, R"({"a":"b"})", {}},
      {{"BackupDetails", "RecoveryPointTags"}, R"({"a":1})", {"BackupDetails.RecoveryPointTags.a is 1", "must be a string"}},
      {{"BackupDetails", "RecoveryPointTags"}, R"({"aws:a":"b"})", {"BackupDetails.RecoveryPointTags: the key 'aws:a'", "reserved"}},
      {{"BackupDetails", "Lifecycle"},
       R"({"DeleteAfterDays":0})",
       {"BackupDetails.Lifecycle.DeleteAfterDays is 0", "from 1 to 36500 days"}},
      {{"BackupDetails", "Lifecycle"}, R"({"DeleteAfterDays":1.5})", {"whole number of days"}},
      {{"BackupDetails", "Lifecycle"}, R"({"MoveToColdStorageAfterDays":9})", {"MoveToColdStorageAfterDays is 9", "no such property"}},
      {{"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"}, "\"arn:…\"", {}},
  };
  for (const auto& row : cases) {
    const auto parsed = parseInput(withMember(row.path, row.value));
    const auto what = row.path.back() + " = " + row.value;
    EXPECT_EQ(parsed.has_value(), row.says.empty()) << what << (parsed ? "" : ": " + parsed.error().message);
    if (parsed) continue;
    EXPECT_EQ(parsed.error().code, "Stillpoint.InvalidInput") << what;
    for (const auto& part : row.says)
      EXPECT_NE(parsed.error().message.find(part), std::string::npos) << what << ": " << parsed.error().message;
  }
}

TEST(Input, ATagNeedsKeyAndValue) {
  EXPECT_TRUE(parseInput(*json::parse(inputFor(8, R"("TargetEC2TagKey": "k", "TargetEC2TagValue": "")"))));
  EXPECT_EQ(parseInput(*json::parse(inputFor(8, R"("TargetEC2TagKey": "k")"))).error().message, "TargetEC2TagValue is missing");
  EXPECT_EQ(parseInput(*json::parse(inputFor(8, R"("TargetEC2TagValue": "v")"))).error().message, "TargetEC2TagKey is missing");
  EXPECT_FALSE(parseInput(*json::parse(inputFor(8, R"("TargetEC2TagKey": "", "TargetEC2TagValue": "v")"))));
}

TEST(Input, WhatIsNoObjectIsRefused) {
  for (const char* text : {"[]", "null", "\"x\"", "1"})
    EXPECT_EQ(parseInput(*json::parse(text)).error().code, "Stillpoint.InvalidInput") << text;
}

TEST(Input, AShownValueIsCutBetweenCharacters) {
  for (const auto* before : {"", "x"}) {
    std::string text = before;
    for (int i = 0; i < 300; ++i) text += "ä";
    json::Object input{{"BackupDetails", text}};
    const auto parsed = parseInput(json::Value(input));
    ASSERT_FALSE(parsed.has_value());
    EXPECT_TRUE(isUtf8(parsed.error().message)) << parsed.error().message;
    EXPECT_LT(parsed.error().message.size(), 400U);
  }
}

TEST(Input, TheEightPathsAreNumberedAsTheTableDoes) {
  for (int path = 1; path <= 8; ++path) EXPECT_EQ(parseInput(*json::parse(inputFor(path)))->path(), path);
}

TEST(Input, ARecordGivesTheInputBack) {
  for (int path = 1; path <= 8; ++path) {
    const auto input = *parseInput(*json::parse(inputFor(path)));
    EXPECT_EQ(json::toText(encode(decodeRunInput(encode(input)))), json::toText(encode(input)));
  }
}

}  // namespace
}  // namespace sp::services::stillpoint
