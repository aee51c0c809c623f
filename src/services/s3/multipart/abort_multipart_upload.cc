// https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
#include "services/s3/multipart/parts.h"
#include "services/s3/operations.h"

namespace sp::services::s3 {

Answer abortMultipartUpload(Rows& rows, const Call& call) {
  SP_TRY(const auto upload, requireUpload(rows, call));
  rows.eraseUpload(upload);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace sp::services::s3
