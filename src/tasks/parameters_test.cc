#include "tasks/parameters.h"

#include <gtest/gtest.h>

#include <fmt/ranges.h>

namespace sp::tasks {
namespace {

/// What is told of a definition's Parameters, a line each; empty text: it has none.
std::string told(std::string_view action, std::string_view parameters) {
  const auto arn = "arn:aws:states:::" + std::string(action);
  const auto resource = parseResource(arn);
  EXPECT_TRUE(resource) << arn;
  const auto given = parameters.empty() ? json::Value() : *json::parse(parameters);
  return fmt::format("{}", fmt::join(refusedParameters(arn, *resource, given.if_object()), "\n"));
}

TEST(Parameters, MembersThatAnOperationDoesNotHave) {
  const std::string no_foo = "The field \"Foo\" is not supported by Step Functions";
  for (const auto* action : {"aws-sdk:ec2:describeInstances", "aws-sdk:sfn:listActivities.waitForTaskToken", "aws-sdk:s3:putObject",
                             "aws-sdk:stillpoint:listOwed", "ec2:stopInstances.sync", "ssm:sendCommand.sync"}) {
    EXPECT_EQ(told(action, R"({"Foo":1})"), no_foo) << action;
    EXPECT_EQ(told(action, R"({"Foo.$":"$.foo"})"), no_foo) << action;
    EXPECT_EQ(told(action, "{}"), "") << action;
    EXPECT_EQ(told(action, ""), "") << action;
  }
  EXPECT_EQ(told("aws-sdk:ec2:describeInstances", R"({"filters":[],"InstanceIds.$":"$.ids","MaxResults":5,"x.$":"$"})"),
            "The field \"filters\" is not supported by Step Functions\nThe field \"x\" is not supported by Step Functions");
  EXPECT_EQ(told("aws-sdk:s3:getObject", R"({"Bucket":"b","Key.$":"$.k","MaxKeys":5})"),
            "The field \"MaxKeys\" is not supported by Step Functions");
  EXPECT_EQ(told("events:putEvents", R"({"Entries":[{"Source":"s","Detail.$":"$"},{"Fuss":1,"Source":"s","Fizz.$":"$"}]})"),
            "The field \"Fuss\" is not supported by Step Functions\nThe field \"Fizz\" is not supported by Step Functions");
  EXPECT_EQ(told("aws-sdk:eventbridge:putEvents", R"({"Entries":[{"Fuss":1}]})"), "The field \"Fuss\" is not supported by Step Functions");
  EXPECT_EQ(told("events:putEvents", R"({"Entries.$":"$.entries"})"), "");
  // Within, whatever lists and structures lie between; keys of maps are whoever writes them's.
  EXPECT_EQ(told("aws-sdk:ec2:describeInstances", R"({"Filters":[{"Name":"n","Values.$":"$.v"},{"name":"n"},"x",5]})"),
            "The field \"name\" is not supported by Step Functions");
  EXPECT_EQ(told("aws-sdk:backup:createBackupPlan",
                 R"({"BackupPlan":{"Rules":[{"Lifecycle":{"DeleteAfterDays":1,"deleteAfterDays":1},"RecoveryPointTags":{"any":"x"},
    "ScheduleExpressionTimezone":"UTC"}]}})"),
            "The field \"deleteAfterDays\" is not supported by Step Functions");
  EXPECT_EQ(told("ssm:sendCommand.sync", R"({"Parameters":{"commands":["x"]},"Targets":[{"Key":"k","values":[]}]})"),
            "The field \"values\" is not supported by Step Functions");
  EXPECT_EQ(told("aws-sdk:sfn:startExecution", R"({"StateMachineArn":"m","Input":{"any":[{"thing":1}]}})"), "");
  EXPECT_EQ(told("aws-sdk:sfn:createActivity", R"({"Name":"a","Tags":[{"key":"k","Value":"v"}]})"),
            "The field \"key\" is not supported by Step Functions");
  EXPECT_EQ(told("dynamodb:putItem", R"({"TableName":"t","Item":{"id":"x","m":{"M":{"any":{"S":"y"}}}}})"), "");
  EXPECT_EQ(unknownMembers("ec2", "DescribeInstances", {{"Filters", json::Array{json::Object{{"name", 1}}}}}), std::vector<std::string>());
  // Members that are newer than the models which the table comes from.
  EXPECT_EQ(told("dynamodb:putItem", R"({"TableName":"t","Item":{},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"})"), "");
  EXPECT_EQ(told("aws-sdk:scheduler:createSchedule", R"({"Name":"s","ActionAfterCompletion":"DELETE","Target":{"Arn":"a"}})"), "");
  // Only of those that are written so; at run time a name is a name.
  EXPECT_EQ(unknownMembers("ec2", "DescribeInstances", {{"InstanceIds.$", 1}}), std::vector<std::string>{"InstanceIds.$"});
  // What the steps of a run take they say themselves.
  EXPECT_EQ(told("stillpoint:start", R"({"Foo":1})"), "");
}

TEST(Parameters, WhatOptimisedIntegrationsAskFor) {
  const auto missing = [](std::string_view member) { return fmt::format("The field '{}' is required but was missing", member); };
  EXPECT_EQ(told("lambda:invoke", "{}"), missing("FunctionName"));
  EXPECT_EQ(told("lambda:invoke.waitForTaskToken", R"({"FunctionName.$":"$.f"})"), "");
  EXPECT_EQ(told("states:startExecution.sync:2", R"({"Input":{},"Fizz":1})"),
            "The field \"Fizz\" is not supported by Step Functions\n" + missing("StateMachineArn"));
  EXPECT_EQ(told("dynamodb:putItem", R"({"TableName":"t"})"), missing("Item"));
  EXPECT_EQ(told("dynamodb:getItem", "{}"), missing("TableName") + "\n" + missing("Key"));
  EXPECT_EQ(told("dynamodb:updateItem", R"({"Key":{},"TableName":"t"})"), "");
  EXPECT_EQ(told("events:putEvents", ""), "Parameters field is required for resource ARN: arn:aws:states:::events:putEvents");
  EXPECT_EQ(told("aws-sdk:dynamodb:putItem", "{}"), "");
}

}  // namespace
}  // namespace sp::tasks
