// The one ACL there is: the account owns all and may all (setting another answers NotImplemented).
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
#include <fmt/format.h>

#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {

Answer getObjectAcl(Rows& rows, const Call& call) {
  SP_CHECK_OK(checkVersion(call));
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  if (!call.key.empty() && !rows.object(call.bucket, call.key)) return std::unexpected(noSuchKey(call.key));
  const auto& account = call.service.context().realm.account;
  XmlWriter xml("AccessControlPolicy");
  xml.open("Owner").text("ID", ownerId(call)).text("DisplayName", account).close();
  xml.open("AccessControlList").open("Grant");
  xml.raw("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
  xml.text("ID", ownerId(call)).text("DisplayName", account).raw("</Grantee>");
  xml.text("Permission", "FULL_CONTROL");
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
