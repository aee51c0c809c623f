// Objects have no tags here (writing them answers NotImplemented), so the set is empty.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
#include "services/s3/operations.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {

Answer getObjectTagging(Rows& rows, const Call& call) {
  SP_CHECK_OK(checkVersion(call));
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  if (!rows.object(call.bucket, call.key)) return std::unexpected(noSuchKey(call.key));
  return xmlResponse(XmlWriter("Tagging").open("TagSet").finish());
}

}  // namespace sp::services::s3
