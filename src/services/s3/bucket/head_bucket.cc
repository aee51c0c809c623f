// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
#include "services/s3/operations.h"
#include "services/s3/service.h"

namespace sp::services::s3 {

Answer headBucket(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  Response response;
  response.headers = {{"x-amz-bucket-region", call.service.context().realm.region},
                      {"x-amz-access-point-alias", "false"},
                      {"Content-Type", "application/xml"}};
  return response;
}

}  // namespace sp::services::s3
