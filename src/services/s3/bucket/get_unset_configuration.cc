// GetBucketVersioning, GetBucketPolicy and their like: a bucket here has no such configuration and cannot get one (the PUTs
// answer NotImplemented), so each answers what S3 answers for a bucket on which nothing was ever set.
#include <algorithm>
#include <array>

#include "services/s3/operations.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

struct Unset {
  std::string_view subresource;
  /// Error code and message; or, if the code is empty, the root of an empty document.
  std::string_view code;
  std::string_view message_or_root;
};

constexpr std::array kUnset = {
    Unset{"accelerate", "", "AccelerateConfiguration"},
    Unset{"cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
    Unset{"encryption", "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"},
    Unset{"lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
    Unset{"logging", "", "BucketLoggingStatus"},
    Unset{"notification", "", "NotificationConfiguration"},
    Unset{"object-lock", "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
    Unset{"ownershipControls", "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
    Unset{"policy", "NoSuchBucketPolicy", "The bucket policy does not exist"},
    Unset{"policyStatus", "NoSuchBucketPolicy", "The bucket policy does not exist"},
    Unset{"publicAccessBlock", "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
    Unset{"replication", "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
    Unset{"tagging", "NoSuchTagSet", "The TagSet does not exist"},
    Unset{"versioning", "", "VersioningConfiguration"},
    Unset{"website", "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
};

}  // namespace

Answer getUnsetConfiguration(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  if (call.subresource == "requestPayment") {
    XmlWriter xml("RequestPaymentConfiguration");
    return xmlResponse(xml.text("Payer", "BucketOwner").finish());
  }
  if (call.subresource == "acl") return getObjectAcl(rows, call);
  const auto unset = std::ranges::find(kUnset, std::string_view(call.subresource), &Unset::subresource);
  if (unset == kUnset.end()) return std::unexpected(notImplemented(call.subresource));
  if (unset->code.empty()) return xmlResponse(XmlWriter(unset->message_or_root).finish());
  aws::ApiError error{std::string(unset->code), std::string(unset->message_or_root), 404, true, {}};
  error.extra["BucketName"] = call.bucket;
  return std::unexpected(std::move(error));
}

}  // namespace sp::services::s3
