#include "tasks/lambda_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sp::tasks {
namespace {

using testing::HasSubstr;

TEST(LambdaCall, AnInvocationTypeIsOneThatLambdaKnows) {
  const auto bad = [](std::string_view type) {
    const auto call = lambdaCall("arn:aws:states:::lambda:invoke", json::Object{{"FunctionName", "f"}, {"InvocationType", type}});
    return badInvocation(*call, "id");
  };
  for (const auto* type : {"Event", "RequestResponse", "DryRun"}) EXPECT_FALSE(bad(type)) << type;
  for (const auto* type : {"", "event", "Event\r\nX-Evil: 1"}) {
    const auto error = bad(type);
    ASSERT_TRUE(error) << type;
    EXPECT_EQ(error->error, "Lambda.ValidationException");
    EXPECT_THAT(error->cause, HasSubstr("[Event, RequestResponse, DryRun]"));
  }
  EXPECT_FALSE(badInvocation(*lambdaCall("arn:aws:lambda:us-east-1:000000000000:function:f", json::Object()), "id"));
}

}  // namespace
}  // namespace sp::tasks
