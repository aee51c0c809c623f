#include "tasks/s3_naming.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sp::tasks {
namespace {

namespace s3 = services::s3;

json::Object object(std::string_view text) { return json::parse(text)->get_object(); }

TEST(S3Naming, RequestsAreWhatTheWireCarries) {
  const auto call =
      s3Request("PutObject", object(R"({"Key":"a b/c","Bucket":"bkt","Body":{"x":1},"Metadata":{"m":"1"},"BucketKeyEnabled":false,
    "Expires":"2030-01-02T03:04:05Z"})"));
  ASSERT_TRUE(call);
  EXPECT_EQ(call->request.method, "PUT");
  EXPECT_EQ(call->request.path, "/bkt/a%20b/c");
  EXPECT_EQ(call->request.query, "");
  EXPECT_EQ(call->body, R"({"x":1})");
  EXPECT_EQ(call->request.content_length, 7U);
  EXPECT_EQ(s3::findHeader(call->request.headers, "x-amz-meta-m"), "1");
  EXPECT_EQ(s3::findHeader(call->request.headers, "expires"), "Wed, 02 Jan 2030 03:04:05 GMT");
  EXPECT_EQ(s3::findHeader(call->request.headers, "x-amz-server-side-encryption-bucket-key-enabled"), "false");
  // Nothing in a key or a member reaches the query or another bucket.
  const auto sly = s3Request("ListObjectsV2", object(R"({"Bucket":"../o?acl","Prefix":"a&uploads=1"})"));
  EXPECT_EQ(sly->request.path, "/..%2Fo%3Facl");
  EXPECT_EQ(sly->request.query, "list-type=2&prefix=a%26uploads%3D1");
}

TEST(S3Naming, BodiesOfLists) {
  const auto gone = s3Request("DeleteObjects", object(R"({"Bucket":"bkt","Delete":{"Quiet":true,"Objects":[{"Key":"<a>"}]}})"));
  ASSERT_TRUE(gone);
  EXPECT_THAT(gone->body, testing::HasSubstr("<Quiet>true</Quiet><Object><Key>&lt;a&gt;</Key></Object>"));
  EXPECT_TRUE(s3::findHeader(gone->request.headers, "Content-MD5"));
}

TEST(S3Naming, ErrorsAreTheSdks) {
  s3::Response response;
  response.status = 404;
  response.headers = {{"x-amz-request-id", "R"}, {"x-amz-id-2", "H"}};
  response.body = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>";
  EXPECT_EQ(s3Error("GetObject", response).error, "S3.NoSuchKeyException");
  EXPECT_EQ(s3Error("GetObject", response).cause, "gone (Service: S3, Status Code: 404, Request ID: R, Extended Request ID: H)");
  response.body = "";
  response.status = 412;
  EXPECT_EQ(s3Error("HeadObject", response).error, "S3.S3Exception");
}

}  // namespace
}  // namespace sp::tasks
