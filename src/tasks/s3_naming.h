// S3 as Step Functions' `aws-sdk:s3:…` speaks it: parameters into requests, answers into results and errors. Pure.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "json/json.h"
#include "services/s3/s3.h"
#include "tasks/naming.h"

namespace sp::tasks {

/// Whether S3 has that operation ("PutObject").
bool s3Serves(std::string_view operation);
/// Its body is a stream, one way or the other: it cannot be done within a transaction.
bool s3Streams(std::string_view operation);

/// Whether the input of an operation that is served has that member.
bool s3Takes(std::string_view operation, std::string_view member);

struct S3Call {
  services::s3::Request request;
  std::string body;
};
/// The request of an operation that is served, or what is wrong with its parameters ("The field 'Bucket' is required but was missing").
std::expected<S3Call, std::string> s3Request(std::string_view operation, const json::Object& parameters);

/// An answer below 300 as the task's result. `body`: the object's bytes or the document; what is not UTF-8 in it is replaced.
json::Object s3Result(std::string_view operation, const services::s3::Response& response, std::string_view body);
/// Any other: "S3.NoSuchKeyException", or "S3.S3Exception" for what the SDK has no exception of its own.
TaskError s3Error(std::string_view operation, const services::s3::Response& response);

}  // namespace sp::tasks
