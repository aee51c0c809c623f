// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
#include "services/s3/object/object_headers.h"
#include "services/s3/operations.h"

namespace sp::services::s3 {

Answer headObject(Rows& rows, const Call& call) {
  SP_TRY(auto found, findObject(rows, call));
  if (!found.bodiless) found.response.head_length = found.size;
  return std::move(found.response);
}

}  // namespace sp::services::s3
