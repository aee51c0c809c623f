// How Step Functions spells what services spell their own way: parameters, results and errors of `aws-sdk:` tasks and of
// the optimised integrations. Pure. https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "aws/api_error.h"
#include "base/clock.h"
#include "json/json.h"

namespace sp::tasks {

/// A resource taken apart: "arn:aws:states:::aws-sdk:dynamodb:putItem" or "arn:aws:states:::ssm:sendCommand.sync".
struct Resource {
  /// Behind "aws-sdk:".
  bool sdk = false;
  /// As written: "dynamodb", "sfn", "stillpoint".
  std::string service;
  /// As written, without the suffix: "putItem".
  std::string action;
  /// What the task waits for: the answer, the end of what was begun (".sync"; ".sync:2" gives outputs as JSON), or whoever
  /// has its token (".waitForTaskToken").
  enum class Pattern { response, sync, sync2, callback };
  Pattern pattern = Pattern::response;
  bool sync() const { return pattern == Pattern::sync; }
  /// The operation's name: "PutItem".
  std::string operation() const;
};
/// nullopt: not of that form.
std::optional<Resource> parseResource(std::string_view arn);

/// "PutItem" for "putItem".
std::string operationName(std::string_view action);

/// Signing name of a service as Step Functions writes it ("sfn" → "states"); the same if it has no other; "" for one that is
/// written otherwise there ("states", "events").
std::string_view signingName(std::string_view service);

/// Parameters (PascalCase) as the input of the service's operation ("ListCommands").
json::Object toInput(std::string_view signing_name, std::string_view operation, const json::Object& parameters);
/// The service's output as a result: PascalCase, times as ISO 8601 texts.
json::Object toResult(std::string_view signing_name, std::string_view operation, const json::Object& output);

struct TaskError {
  std::string error;
  std::string cause;
};
/// "DynamoDb.ResourceNotFoundException", "Ec2.Ec2Exception"; the cause ends as the SDK writes it.
TaskError sdkError(std::string_view signing_name, const aws::ApiError& error, std::string_view request_id);
/// "DynamoDB.ConditionalCheckFailedException", "DynamoDB.AmazonDynamoDBException".
TaskError dynamoError(const aws::ApiError& error, std::string_view request_id);
/// Bare strings of Item, Key and ExpressionAttributeValues as type S, as the optimised integration reads them.
json::Object dynamoInput(const json::Object& parameters);
/// "StepFunctions.StateMachineDoesNotExistException": of the optimised states:startExecution.
TaskError nestedError(const aws::ApiError& error, std::string_view request_id);
/// The result of an optimised integration: with SdkHttpMetadata and SdkResponseMetadata of an answer of that many bytes.
json::Object withMetadata(json::Object output, std::string_view request_id, Instant now, std::size_t bytes);

}  // namespace sp::tasks
