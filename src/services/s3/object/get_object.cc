// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
#include "services/s3/object/object_headers.h"
#include "services/s3/operations.h"

namespace sp::services::s3 {

Answer getObject(Rows& rows, const Call& call) {
  SP_TRY(auto found, findObject(rows, call));
  if (!found.bodiless && found.size > 0)
    found.response.source = rows.blobs().reader(rows.segmentsOf(found.object, found.offset, found.size));
  return std::move(found.response);
}

}  // namespace sp::services::s3
