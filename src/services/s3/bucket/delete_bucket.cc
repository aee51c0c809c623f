// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
#include "services/s3/operations.h"

namespace sp::services::s3 {

Answer deleteBucket(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  if (!rows.txn().objects().empty(call.bucket)) {
    aws::ApiError error{"BucketNotEmpty", "The bucket you tried to delete is not empty", 409, true, {}};
    error.extra["BucketName"] = call.bucket;
    return std::unexpected(std::move(error));
  }
  // Uploads that were never completed are no objects: they go with the bucket.
  constexpr std::size_t kAtOnce = 100;
  while (true) {
    const auto uploads = rows.txn().records().scan(kUploadKind, call.bucket + "/", "", kAtOnce);
    for (const auto& record : uploads) rows.eraseUpload(decodeUpload(record.body));
    if (uploads.size() < kAtOnce) break;
  }
  rows.eraseBucket(call.bucket);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace sp::services::s3
