#include "services/news/shapes.h"

#include <gtest/gtest.h>

namespace sp::services::news {
namespace {

using std::chrono::seconds;

const Realm kRealm{"123456789012", "us-east-1"};
const Instant kThen = fromMicros(1'800'000'000'123'456);  // 2027-01-15T08:00:00.123Z

std::string text(const json::Object& object) { return json::toText(object); }

ExecutionView ended() {
  ExecutionView view;
  view.arn = "arn:aws:states:us-east-1:123456789012:execution:m:e";
  view.machine_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
  view.name = "e";
  view.status = "SUCCEEDED";
  view.started = kThen;
  view.stopped = kThen + seconds(2);
  view.input = R"({"a":1})";
  view.output = "[]";
  view.redrive_reason = "Execution is SUCCEEDED and cannot be redriven";
  return view;
}

TEST(NewsShapes, AnExecutionHasEveryMemberOfAws) {
  const auto told = executionChange(ended());
  EXPECT_EQ(told.source, "aws.states");
  EXPECT_EQ(told.type, "Step Functions Execution Status Change");
  EXPECT_EQ(told.resources, std::vector<std::string>{"arn:aws:states:us-east-1:123456789012:execution:m:e"});
  EXPECT_EQ(text(told.detail),
            R"({"executionArn":"arn:aws:states:us-east-1:123456789012:execution:m:e",)"
            R"("stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:m","name":"e","status":"SUCCEEDED",)"
            R"("startDate":1800000000123,"stopDate":1800000002123,"input":"{\"a\":1}","output":"[]",)"
            R"("inputDetails":{"included":true},"outputDetails":{"included":true},"error":null,"cause":null,)"
            R"("stateMachineVersionArn":null,"stateMachineAliasArn":null,"redriveCount":0,"redriveDate":null,)"
            R"("redriveStatus":"NOT_REDRIVABLE","redriveStatusReason":"Execution is SUCCEEDED and cannot be redriven"})");
}

TEST(NewsShapes, WhatAnExecutionHasNotIsNull) {
  auto view = ended();
  view.status = "FAILED";
  view.output.reset();
  view.error = "E";
  view.cause = "why";
  view.redrives = 2;
  view.redriven = kThen;
  view.redrivable = true;
  const auto detail = executionChange(view).detail;
  EXPECT_TRUE(detail.at("output").is_null());
  EXPECT_TRUE(detail.at("outputDetails").is_null());
  EXPECT_EQ(json::textOr(detail, "error"), "E");
  EXPECT_EQ(json::textOr(detail, "cause"), "why");
  EXPECT_EQ(json::intOr(detail, "redriveCount", 0), 2);
  EXPECT_EQ(json::intOr(detail, "redriveDate", 0), 1800000000123);
  EXPECT_EQ(json::textOr(detail, "redriveStatus"), "REDRIVABLE");
  EXPECT_TRUE(detail.at("redriveStatusReason").is_null());
}

bool included(const json::Object& detail, std::string_view name) { return json::boolOr(detail.at(name).get_object(), "included", false); }

// 248 KiB of text in JSON: the quotes of the text itself count twice.
TEST(NewsShapes, DocumentsThatAreTooLongAreLeftOut) {
  auto view = ended();
  view.output = std::string(kMostEscaped - 2, 'x');
  view.input = "";
  auto detail = executionChange(view).detail;
  EXPECT_TRUE(included(detail, "outputDetails"));
  EXPECT_FALSE(included(detail, "inputDetails")) << "two quotes more than there is room for";
  EXPECT_TRUE(detail.at("input").is_null());

  *view.output += 'x';
  view.input = std::string(kMostEscaped - 2, 'y');
  detail = executionChange(view).detail;
  EXPECT_FALSE(included(detail, "outputDetails"));
  EXPECT_TRUE(detail.at("output").is_null());
  EXPECT_TRUE(included(detail, "inputDetails")) << "an output that is left out takes no room";

  view.output.reset();
  view.input = std::string(kMostEscaped / 2, '"');
  EXPECT_FALSE(included(executionChange(view).detail, "inputDetails")) << "escaped it is longer";
}

TEST(NewsShapes, AnInstance) {
  Instance instance;
  instance.id = "i-1";
  instance.state = InstanceState::shuttingDown;
  const auto told = instanceChange(instance, kRealm);
  EXPECT_EQ(told.source, "aws.ec2");
  EXPECT_EQ(told.type, "EC2 Instance State-change Notification");
  EXPECT_EQ(told.resources, std::vector<std::string>{"arn:aws:ec2:us-east-1:123456789012:instance/i-1"});
  EXPECT_EQ(text(told.detail), R"({"instance-id":"i-1","state":"shutting-down"})");
}

TEST(NewsShapes, ACommandNamesItsFirstMachines) {
  ssm::Command command;
  command.id = "c";
  command.document_name = "AWS-RunShellScript";
  command.parameters = {{"commands", json::Array{"date"}}};
  command.requested = kThen;
  command.expires = kThen + seconds(60);
  command.status = "Success";
  const auto told = commandChange(command, std::vector<std::string>(101, "i-1"), kRealm);
  EXPECT_EQ(told.source, "aws.ssm");
  EXPECT_EQ(told.type, "EC2 Command Status-change Notification");
  EXPECT_EQ(told.resources.size(), 100U);
  EXPECT_EQ(text(told.detail),
            R"({"command-id":"c","document-name":"AWS-RunShellScript","expire-after":"2027-01-15T08:01:00.123Z",)"
            R"("parameters":{"commands":["date"]},"requested-date-time":"2027-01-15T08:00:00.123Z","status":"Success"})");
}

TEST(NewsShapes, AnInvocation) {
  ssm::Invocation invocation;
  invocation.command_id = "c";
  invocation.instance_id = "i-1";
  invocation.document_name = "d";
  invocation.requested = kThen;
  invocation.status = "TimedOut";
  const auto told = invocationChange(invocation, kRealm);
  EXPECT_EQ(told.type, "EC2 Command Invocation Status-change Notification");
  EXPECT_EQ(told.resources, std::vector<std::string>{"arn:aws:ec2:us-east-1:123456789012:instance/i-1"});
  EXPECT_EQ(text(told.detail), R"({"command-id":"c","document-name":"d","instance-id":"i-1",)"
                               R"("requested-date-time":"2027-01-15T08:00:00.123Z","status":"TimedOut"})");
}

// Bytes are texts, the percentage is a number, a message has quotes of its own: as AWS tells them.
TEST(NewsShapes, ABackupJob) {
  backup::Job job;
  job.id = "j";
  job.vault = "Default";
  job.resource_arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-1";
  job.role_arn = "arn:aws:iam::123456789012:role/backup";
  job.recovery_point = "p";
  job.created = kThen;
  job.start_by = kThen + seconds(1);
  job.complete_by = kThen + seconds(2);
  job.state = backup::JobState::failed;
  job.message = "It failed.";
  job.ended = kThen;
  job.percent = 12.9;
  auto told = jobChange(job, kRealm);
  EXPECT_EQ(told.source, "aws.backup");
  EXPECT_EQ(told.type, "Backup Job State Change");
  EXPECT_TRUE(told.resources.empty()) << "there is no recovery point";
  EXPECT_EQ(text(told.detail), R"({"backupJobId":"j","backupVaultArn":"arn:aws:backup:us-east-1:123456789012:backup-vault:Default",)"
                               R"("backupVaultName":"Default","bytesTransferred":"0","creationDate":"2027-01-15T08:00:00.123Z",)"
                               R"("iamRoleArn":"arn:aws:iam::123456789012:role/backup",)"
                               R"("resourceArn":"arn:aws:ec2:us-east-1:123456789012:instance/i-1","resourceType":"EC2","state":"FAILED",)"
                               R"("startBy":"2027-01-15T08:00:01.123Z","percentDone":12,"completionDate":"2027-01-15T08:00:00.123Z",)"
                               R"("statusMessage":"\"It failed.\""})");
  job.created_by = {{"BackupPlanId", "pl"}, {"BackupPlanArn", "arn"}, {"BackupPlanVersion", "v"}, {"BackupRuleId", "r"}};
  EXPECT_EQ(text(jobChange(job, kRealm).detail.at("createdBy").get_object()),
            R"({"backupPlanId":"pl","backupPlanArn":"arn","backupPlanVersion":"v","backupPlanRuleId":"r"})");
  job.state = backup::JobState::completed;
  job.bytes_done = 36048;
  told = jobChange(job, kRealm);
  EXPECT_EQ(told.resources, std::vector<std::string>{"arn:aws:backup:us-east-1:123456789012:recovery-point:p"});
  EXPECT_EQ(json::textOr(told.detail, "backupSizeInBytes"), "36048");
  job.state = backup::JobState::running;
  EXPECT_EQ(json::textOr(jobChange(job, kRealm).detail, "expectedCompletionDate"), "2027-01-15T08:00:02.123Z");
}

TEST(NewsShapes, ARestoreJobTellsItsStatus) {
  backup::RestoreJob job;
  job.id = "r";
  job.recovery_point = "p";
  job.vault = "Default";
  job.role_arn = "role";
  job.created = kThen;
  job.status = backup::RestoreStatus::running;
  backup::RecoveryPoint point;
  point.size = 7;
  point.resource_arn = "source";
  const auto told = restoreChange(job, point, kRealm);
  EXPECT_EQ(told.type, "Restore Job State Change");
  EXPECT_EQ(told.resources, std::vector<std::string>{"arn:aws:backup:us-east-1:123456789012:recovery-point:p"});
  EXPECT_EQ(json::textOr(told.detail, "status"), "RUNNING");
  EXPECT_FALSE(told.detail.contains("state"));
  EXPECT_EQ(json::textOr(told.detail, "backupSizeInBytes"), "7");
  EXPECT_EQ(json::textOr(told.detail, "sourceResourceArn"), "source");
  EXPECT_EQ(json::textOr(restoreChange(job, std::nullopt, kRealm).detail, "backupSizeInBytes"), "0");
}

TEST(NewsShapes, ARecoveryPoint) {
  backup::RecoveryPoint point;
  point.id = "p";
  point.vault = "Default";
  point.created = point.completed = kThen;
  point.delete_after_days = 1;
  const auto told = pointChange(point, kRealm);
  EXPECT_EQ(told.type, "Recovery Point State Change");
  EXPECT_EQ(told.resources, std::vector<std::string>{"arn:aws:backup:us-east-1:123456789012:recovery-point:p"});
  EXPECT_EQ(json::textOr(told.detail, "status"), "COMPLETED");
  EXPECT_EQ(text(told.detail.at("lifecycle").get_object()), R"({"deleteAfterDays":1})");
  EXPECT_EQ(text(told.detail.at("calculatedLifeCycle").get_object()), R"({"deleteAt":"2027-01-16T08:00:00.123Z"})");
  EXPECT_FALSE(told.detail.contains("createdBy"));
  point.created_by = {{"BackupPlanId", "pl"}, {"BackupRuleId", "r"}};
  EXPECT_EQ(text(pointChange(point, kRealm).detail.at("createdBy").get_object()), R"({"backupPlanId":"pl","backupPlanRuleId":"r"})");
  point.delete_after_days = 0;
  EXPECT_FALSE(pointChange(point, kRealm).detail.contains("lifecycle"));
}

TEST(NewsShapes, AVault) {
  const auto told = vaultChange("v", "DELETED", kRealm);
  EXPECT_EQ(told.type, "Backup Vault State Change");
  EXPECT_EQ(text(told.detail), R"({"backupVaultName":"v","state":"DELETED"})");
}

TEST(NewsShapes, APlan) {
  const auto at = fromMicros(1'800'000'000'123'000);
  const auto told = planChange("p", "v", "CREATED", at, std::nullopt, kRealm);
  EXPECT_EQ(told.source, "aws.backup");
  EXPECT_EQ(told.type, "Backup Plan State Change");
  EXPECT_EQ(told.resources, (std::vector<std::string>{kRealm.arn("backup", "backup-plan:p")}));
  EXPECT_EQ(text(told.detail), R"({"backupPlanId":"p","versionId":"v","creationDate":"2027-01-15T08:00:00.123Z","state":"CREATED"})");
  EXPECT_EQ(text(planChange("p", "v", "DELETED", at, std::nullopt, kRealm).detail),
            R"({"backupPlanId":"p","versionId":"v","deletionDate":"2027-01-15T08:00:00.123Z","state":"DELETED"})");
  EXPECT_EQ(text(planChange("p", "v", "MODIFIED", at, true, kRealm).detail),
            R"({"backupPlanId":"p","versionId":"v","modifiedAt":"2027-01-15T08:00:00.123Z","state":"MODIFIED","paused":true})");
}

TEST(NewsShapes, AMachineThatWasSkipped) {
  const auto told = machineSkipped({"run", "i-1", 60, "job:j", "why", "expired"}, kRealm);
  EXPECT_EQ(told.source, "stillpoint.runs");
  EXPECT_EQ(told.type, "Machine Skipped");
  EXPECT_EQ(told.resources, (std::vector<std::string>{kRealm.arn("ec2", "instance/i-1"), "run"}));
  EXPECT_EQ(
      text(told.detail),
      R"({"execution-arn":"run","instance-id":"i-1","start-window-minutes":60,"message":"why","held-by":"job:j","backup-job-id":"expired"})");
  const auto alone = machineSkipped({"run", "i-1", 60, "", "why", ""}, kRealm);
  EXPECT_FALSE(alone.detail.contains("held-by"));
  EXPECT_FALSE(alone.detail.contains("backup-job-id"));
}

TEST(NewsShapes, WhatOfADebtIsNews) {
  using quiesce::DebtState;
  quiesce::Debt open;
  auto suspended = open, paid = open, voided = open, tried = open;
  suspended.state = DebtState::suspended;
  paid.state = DebtState::paid;
  voided.state = DebtState::voided;
  tried.attempts = 1;
  EXPECT_EQ(debtNews(nullptr, open, false), "Debt Opened");
  EXPECT_EQ(debtNews(&paid, open, false), "Debt Opened") << "another one of the same kind";
  EXPECT_EQ(debtNews(&open, suspended, false), "Debt Suspended");
  EXPECT_EQ(debtNews(&suspended, open, false), "Debt Resumed");
  EXPECT_EQ(debtNews(&open, paid, false), "Debt Paid");
  EXPECT_EQ(debtNews(&suspended, voided, false), "Debt Voided");
  EXPECT_EQ(debtNews(&open, tried, false), "");
  EXPECT_EQ(debtNews(&open, tried, true), "Debt Payment Failed");
}

TEST(NewsShapes, ADebt) {
  quiesce::Debt debt;
  debt.kind = quiesce::DebtKind::thaw;
  debt.instance = "i-1";
  debt.execution = "arn:e";
  debt.freeze_id = "f";
  debt.attempts = 3;
  debt.since = kThen;
  debt.last_error = "exit 1";
  const auto told = debtChange("Debt Payment Failed", debt, kRealm);
  EXPECT_EQ(told.source, "stillpoint.debts");
  EXPECT_EQ(told.resources, (std::vector<std::string>{"arn:aws:ec2:us-east-1:123456789012:instance/i-1", "arn:e"}));
  EXPECT_EQ(text(told.detail), R"({"kind":"thaw","state":"open","instance-id":"i-1","execution-arn":"arn:e","attempts":3,)"
                               R"("since":"2027-01-15T08:00:00.123Z","freeze-id":"f","last-error":"exit 1"})");
}

}  // namespace
}  // namespace sp::services::news
