#include "tasks/naming.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace sp::tasks {
namespace {

json::Object object(std::string_view text) { return json::parse(text)->as_object(); }

TEST(Naming, ResourcesAreTakenApart) {
  const auto sdk = parseResource("arn:aws:states:::aws-sdk:sfn:startExecution");
  ASSERT_TRUE(sdk);
  EXPECT_TRUE(sdk->sdk);
  EXPECT_EQ(signingName(sdk->service), "states");
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"eventbridge", "events"}, {"backup", "backup"}, {"glue", "glue"}, {"events", ""}, {"states", ""}};
  for (const auto& [written, signing] : kNames) EXPECT_EQ(signingName(written), signing) << written;
  EXPECT_EQ(sdk->operation(), "StartExecution");
  const auto sync = parseResource("arn:aws:states:::ssm:sendCommand.sync");
  ASSERT_TRUE(sync);
  EXPECT_TRUE(sync->sync() && !sync->sdk);
  EXPECT_EQ(sync->action, "sendCommand");
  EXPECT_EQ(parseResource("arn:aws:states:::states:startExecution.sync:2")->pattern, Resource::Pattern::sync2);
  const auto callback = parseResource("arn:aws:states:::lambda:invoke.waitForTaskToken");
  EXPECT_TRUE(callback && callback->pattern == Resource::Pattern::callback && callback->action == "invoke");
  for (const char* bad :
       {"", "arn:aws:lambda:us-east-1:0:function:f", "arn:aws:states:::dynamodb", "arn:aws:states:::a:b:c", "arn:aws:states:::aws-sdk::x"})
    EXPECT_FALSE(parseResource(bad)) << bad;
}

TEST(Naming, Ec2SpeaksItsQueryNames) {
  EXPECT_EQ(
      json::toText(toInput("ec2", "DescribeInstances",
                           object(R"({"InstanceIds":["i-1"],"Filters":[{"Name":"tag:a","Values":["b"]}],"MaxResults":5,"DryRun":true})"))),
      R"({"InstanceId":["i-1"],"Filter":[{"Name":"tag:a","Value":["b"]}],"MaxResults":"5","DryRun":"true"})");
  const auto out = toResult(
      "ec2", "DescribeInstances",
      object(
          R"({"reservationSet":[{"groupSet":[],"instancesSet":[{"instanceId":"i-1","groupSet":[],"instanceState":{"code":16,"name":"running"},"tagSet":[{"key":"a"}]}]}]})"));
  EXPECT_EQ(
      json::toText(out),
      R"({"Reservations":[{"Groups":[],"Instances":[{"InstanceId":"i-1","SecurityGroups":[],"State":{"Code":16,"Name":"running"},"Tags":[{"Key":"a"}]}]}]})");
  EXPECT_EQ(json::toText(toResult("ec2", "StopInstances", object(R"({"instancesSet":[{"currentState":{"name":"stopping"}}]})"))),
            R"({"StoppingInstances":[{"CurrentState":{"Name":"stopping"}}]})");
  EXPECT_EQ(
      json::toText(toResult("ec2", "DescribeInstanceStatus", object(R"({"instanceStatusSet":[{"instanceState":{"name":"running"}}]})"))),
      R"({"InstanceStatuses":[{"InstanceState":{"Name":"running"}}]})");
  EXPECT_EQ(json::toText(toInput("ec2", "DescribeVolumes", object(R"({"VolumeIds":["vol-1"]})"))), R"({"VolumeId":["vol-1"]})");
  EXPECT_EQ(json::toText(toResult("ec2", "DescribeVolumes",
                                  object(R"({"volumeSet":[{"status":"in-use","attachmentSet":[{"status":"attached"}]}]})"))),
            R"({"Volumes":[{"State":"in-use","Attachments":[{"State":"attached"}]}]})");
  EXPECT_EQ(json::toText(toInput("ec2", "DescribeSnapshots", object(R"({"OwnerIds":["self"],"RestorableByUserIds":["self"]})"))),
            R"({"Owner":["self"],"RestorableBy":["self"]})");
  EXPECT_EQ(json::toText(toInput("ec2", "ModifyInstanceAttribute", object(R"({"DisableApiStop":{"Value":true}})"))),
            R"({"DisableApiStop":{"Value":"true"}})");
  EXPECT_EQ(json::toText(toResult("ec2", "DescribeInstanceAttribute", object(R"({"instanceId":"i-1","kernel":{},"groupSet":[]})"))),
            R"({"InstanceId":"i-1","KernelId":{},"Groups":[]})");
}

TEST(Naming, StepFunctionsTakesItsOwnNamesInLowerCaseAndDocumentsAsTexts) {
  EXPECT_EQ(json::toText(toInput("states", "StartExecution", object(R"({"StateMachineArn":"a","Input":{"X":1}})"))),
            R"({"stateMachineArn":"a","input":"{\"X\":1}"})");
  EXPECT_EQ(json::toText(toResult("states", "StartExecution", object(R"({"executionArn":"a","startDate":1700000000.5})"))),
            R"({"ExecutionArn":"a","StartDate":"2023-11-14T22:13:20.500Z"})");
}

TEST(Naming, FiltersThatSsmSpellsInLowerCase) {
  constexpr std::pair<std::string_view, std::string_view> kLowered[] = {{"ListCommands", "Filters"},
                                                                        {"ListCommandInvocations", "Filters"},
                                                                        {"ListDocuments", "DocumentFilterList"},
                                                                        {"DescribeInstanceInformation", "InstanceInformationFilterList"}};
  for (const auto& [operation, list] : kLowered)
    EXPECT_EQ(json::toText(toInput(
                  "ssm", operation,
                  {{list, *json::parse(R"([{"Key":"Status","Value":"Success"},{"Key":"k","ValueSet":["V"]},{"key":"k","value":"v"},5])")},
                   {"MaxResults", 5}})),
              fmt::format(R"({{"{}":[{{"key":"Status","value":"Success"}},{{"key":"k","valueSet":["V"]}},{{"key":"k","value":"v"}},5],)"
                          R"("MaxResults":5}})",
                          list))
        << operation;
  constexpr std::string_view kOthers = R"({"Filters":[{"Key":"PingStatus","Values":["Online"]}]})";
  for (const auto* operation : {"DescribeInstanceInformation", "ListDocuments", "DescribeActivations"})
    EXPECT_EQ(json::toText(toInput("ssm", operation, object(kOthers))), kOthers) << operation;
}

TEST(Naming, NamesThatCallersChoseStay) {
  EXPECT_EQ(json::toText(toResult("ssm", "SendCommand", object(R"({"Command":{"Parameters":{"commands":["ls"]},"RequestedDateTime":0}})"))),
            R"({"Command":{"Parameters":{"commands":["ls"]},"RequestedDateTime":"1970-01-01T00:00:00.000Z"}})");
  EXPECT_EQ(json::toText(toResult("events", "ListTargetsByRule",
                                  object(R"({"Targets":[{"Id":"1","InputTransformer":{"InputPathsMap":{"machine":"$.detail.m"}}}]})"))),
            R"({"Targets":[{"Id":"1","InputTransformer":{"InputPathsMap":{"machine":"$.detail.m"}}}]})");
  EXPECT_EQ(json::toText(toResult("backup", "ListTags", object(R"({"Tags":{"team":"a"}})"))), R"({"Tags":{"team":"a"}})");
  EXPECT_EQ(json::toText(toResult("states", "ListTagsForResource", object(R"({"tags":[{"key":"team","value":"a"}]})"))),
            R"({"Tags":[{"Key":"team","Value":"a"}]})");
  EXPECT_EQ(json::toText(toResult("dynamodb", "GetItem", object(R"({"Item":{"id":{"S":"x"}}})"))), R"({"Item":{"id":{"S":"x"}}})");
}

TEST(Naming, ErrorsAreNamedAsTheSdkDoes) {
  EXPECT_EQ(sdkError("dynamodb", {"ResourceNotFoundException", "no", 400, true, {}}, "r").error, "DynamoDb.ResourceNotFoundException");
  EXPECT_EQ(sdkError("dynamodb", {"ValidationException", "no", 400, true, {}}, "r").error, "DynamoDb.DynamoDbException");
  EXPECT_EQ(sdkError("events", {"ResourceNotFoundException", "no", 400, true, {}}, "r").error, "EventBridge.ResourceNotFoundException");
  EXPECT_EQ(sdkError("events", {"ValidationException", "no", 400, true, {}}, "r").error, "EventBridge.EventBridgeException");
  EXPECT_EQ(sdkError("ssm", {"ValidationException", "no", 400, true, {}}, "r").error, "Ssm.SsmException");
  EXPECT_EQ(sdkError("iam", {"ValidationError", "no", 400, true, {}}, "r").error, "Iam.IamException");
  EXPECT_EQ(sdkError("states", {"ValidationException", "no", 400, true, {}}, "r").error, "Sfn.ValidationException");
  EXPECT_EQ(sdkError("states", {"ExecutionDoesNotExist", "no", 400, true, {}}, "r").error, "Sfn.ExecutionDoesNotExistException");
  EXPECT_EQ(sdkError("ec2", {"InvalidInstanceID.NotFound", "no", 400, true, {}}, "r").error, "Ec2.Ec2Exception");
  EXPECT_EQ(sdkError("ssm", {"InvalidInstanceId", "no", 400, true, {}}, "r").cause, "no (Service: Ssm, Status Code: 400, Request ID: r)");
  EXPECT_EQ(dynamoError({"ConditionalCheckFailedException", "no", 400, true, {}}, "r").error, "DynamoDB.ConditionalCheckFailedException");
  for (const auto* code : {"ValidationException", "SerializationException"})
    EXPECT_EQ(dynamoError({code, "no", 400, true, {}}, "r").error, "DynamoDB.AmazonDynamoDBException");
}

TEST(Naming, BareStringsAreTypeS) {
  EXPECT_EQ(json::toText(dynamoInput(object(R"({"TableName":"t","Item":{"a":"x","b":{"N":"1"}},"Key":{"a":"y"}})"))),
            R"({"TableName":"t","Item":{"a":{"S":"x"},"b":{"N":"1"}},"Key":{"a":{"S":"y"}}})");
  EXPECT_EQ(json::toText(dynamoInput(object(R"({"ExpressionAttributeValues":{":v":{"M":{"a":"x","l":{"L":["y",{"N":"1"}]}}}}})"))),
            R"({"ExpressionAttributeValues":{":v":{"M":{"a":{"S":"x"},"l":{"L":[{"S":"y"},{"N":"1"}]}}}}})");
  const auto result = withMetadata({}, "r", fromMicros(0), 2);
  EXPECT_EQ(result.at("SdkHttpMetadata").at("HttpStatusCode"), 200);
  EXPECT_EQ(result.at("SdkResponseMetadata").at("RequestId"), "r");
}

}  // namespace
}  // namespace sp::tasks
