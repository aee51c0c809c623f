// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
#include "services/s3/operations.h"
#include "services/s3/wire/conditions.h"

namespace sp::services::s3 {

Answer deleteObject(Rows& rows, const Call& call) {
  SP_CHECK_OK(checkVersion(call));
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  if (const auto match = call.header("if-match")) {
    const auto object = rows.object(call.bucket, call.key);
    if (!object) return std::unexpected(noSuchKey(call.key));
    if (!matchesEtag(*match, object->etag)) return std::unexpected(preconditionFailed("If-Match"));
  }
  // Nothing to delete is as good as deleted.
  rows.eraseObject(call.bucket, call.key);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace sp::services::s3
