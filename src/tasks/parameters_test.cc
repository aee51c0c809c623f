#include "tasks/parameters.h"

#include <gtest/gtest.h>

#include <fmt/ranges.h>

#include "asl/template.h"

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
  // Members that are newer than the models which the table comes from.
  EXPECT_EQ(told("dynamodb:putItem", R"({"TableName":"t","Item":{},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"})"), "");
  EXPECT_EQ(told("aws-sdk:scheduler:createSchedule", R"({"Name":"s","ActionAfterCompletion":"DELETE","Target":{"Arn":"a"}})"), "");
  // Only of those that are written so; at run time a name is a name.
  EXPECT_EQ(unknownMembers("ec2", "DescribeInstances", {{"InstanceIds.$", 1}}), std::vector<std::string>{"InstanceIds.$"});
  // What the steps of a run take they say themselves.
  EXPECT_EQ(told("stillpoint:start", R"({"Foo":1})"), "");
}

/// What is told of the parameters that a task starts with, a line each; `written`: as its definition has them, empty text: not at all.
std::string toldAtStart(std::string_view action, std::string_view parameters, std::string_view written = "") {
  const auto resource = parseResource("arn:aws:states:::" + std::string(action));
  asl::Template::Problems problems;
  const auto made = written.empty() ? asl::Template() : asl::Template::compile(*json::parse(written), problems);
  EXPECT_TRUE(problems.empty());
  return fmt::format(
      "{}", fmt::join(unusableParameters(*resource, json::parse(parameters)->get_object(), written.empty() ? nullptr : &made), "\n"));
}

TEST(Parameters, MembersWithinThoseThatATaskStartsWith) {
  const auto no = [](std::string_view member) { return fmt::format("The field \"{}\" is not supported by Step Functions", member); };
  EXPECT_EQ(toldAtStart("aws-sdk:backup:createBackupSelection", R"({"BackupPlanId":"p","BackupSelection":{"notResources":["*"]}})"),
            no("notResources"));
  EXPECT_EQ(toldAtStart("aws-sdk:backup:createBackupPlan",
                        R"({"BackupPlan":{"Rules":[{"scheduleExpression":"x","Lifecycle":{"deleteAfterDays":3}}]}})"),
            no("scheduleExpression") + "\n" + no("deleteAfterDays"));
  EXPECT_EQ(toldAtStart("backup:startBackupJob.sync", R"({"Lifecycle":{"deleteAfterDays":3}})"), no("deleteAfterDays"));
  EXPECT_EQ(toldAtStart("aws-sdk:ec2:runInstances", R"({"TagSpecifications":[{"tags":[]}]})"), no("tags"));
  EXPECT_EQ(toldAtStart("aws-sdk:eventbridge:putTargets", R"({"Targets":[{"input":"{}"}]})"), no("input"));
  // What a definition from before says itself it may go on to say, other than at the top and in events; what it computes is looked at.
  constexpr std::string_view kTargets = R"({"Rule":"r","Targets":[{"input":"{}"}]})";
  EXPECT_EQ(toldAtStart("aws-sdk:eventbridge:putTargets", kTargets, kTargets), "");
  EXPECT_EQ(toldAtStart("aws-sdk:eventbridge:putTargets", kTargets, R"({"Rule.$":"$.r","Targets":[{"input.$":"$.i"}]})"), "");
  EXPECT_EQ(toldAtStart("aws-sdk:eventbridge:putTargets", kTargets, R"({"Rule":"r","Targets.$":"$.t"})"), no("input"));
  EXPECT_EQ(toldAtStart("aws-sdk:eventbridge:putTargets", R"({"rule":"r"})", R"({"rule":"r"})"), no("rule"));
  EXPECT_EQ(toldAtStart("events:putEvents", R"({"Entries":[{"source":"s"}]})", R"({"Entries":[{"source":"s"}]})"), no("source"));
}

TEST(Parameters, MembersThatAreRefusedOfStoredParametersToo) {
  const auto object = [](std::string_view text) { return json::parse(text)->get_object(); };
  EXPECT_EQ(unknownOfStored("ssm", "SendCommand", object(R"({"Foo":1,"Targets":[{"Key":"k","values":[]}]})")),
            std::vector<std::string>{"Foo"});
  EXPECT_EQ(unknownOfStored("events", "PutEvents", object(R"({"Entries":[{"source":"s"}]})")), std::vector<std::string>{"source"});
}

TEST(Parameters, FunctionsAreLookedAtWhenTheyAreInvoked) {
  constexpr std::string_view kGiven = R"({"FunctionName":"echo","payload":{"a":1}})";
  EXPECT_EQ(told("lambda:invoke", kGiven), "");
  EXPECT_EQ(toldAtStart("lambda:invoke", kGiven, kGiven), "The field \"payload\" is not supported by Step Functions");
  EXPECT_EQ(toldAtStart("lambda:invoke.waitForTaskToken",
                        R"({"FunctionName":"f","Payload":{"any":1},"InvocationType":"Event","ClientContext":"e30=",
    "Qualifier":"1","LogType":"None"})"),
            "");
}

TEST(Parameters, WhatIsMissingWhenATaskStarts) {
  const auto missing = [](std::string_view member) { return fmt::format("The field '{}' is required but was missing", member); };
  EXPECT_EQ(toldAtStart("states:startExecution", "{}"), missing("StateMachineArn"));
  EXPECT_EQ(toldAtStart("dynamodb:getItem", R"({"TableName":null})"), missing("TableName") + "\n" + missing("Key"));
  EXPECT_EQ(toldAtStart("events:putEvents", R"({"Entries":null})"), missing("Entries"));
  EXPECT_EQ(toldAtStart("events:putEvents", R"({"Entries":[]})"), "");
  EXPECT_EQ(toldAtStart("lambda:invoke", R"({"Payload":1,"FunctionName.$":"x"})"),
            "The field \"FunctionName.$\" is not supported by Step Functions\n" + missing("FunctionName"));
  EXPECT_EQ(toldAtStart("aws-sdk:sfn:startExecution", "{}"), "");
}

TEST(Parameters, WhyTheyCannotBeUsed) {
  EXPECT_EQ(unusableCause("A", 7, *json::parse(R"({"x":1})"), "why"),
            "An error occurred while executing the state 'A' (entered at the event id #7). The Parameters '{\"x\":1}' could not be used to "
            "start the Task: [why]");
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
