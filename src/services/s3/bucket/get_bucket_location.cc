// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {

Answer getBucketLocation(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  XmlWriter xml("LocationConstraint");
  // us-east-1 is told by an empty element.
  if (const auto& region = call.service.context().realm.region; region != "us-east-1") xml.raw(escapeXml(region));
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
