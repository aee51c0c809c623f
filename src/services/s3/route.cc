// From method, address and query to the operation.
#include <algorithm>
#include <array>

#include "services/s3/operations.h"

namespace sp::services::s3 {
namespace {

enum class Scope { service, bucket, object };

struct Route {
  std::string_view method;
  Scope scope;
  std::string_view subresource;
  Operation operation;
};

constexpr Operation job(std::string_view name, Handler handle) { return {name, handle, nullptr, false}; }
constexpr Operation jobWithBody(std::string_view name, Handler handle) { return {name, handle, nullptr, true}; }
constexpr Operation stream(std::string_view name, Starter start) { return {name, nullptr, start, false}; }

constexpr std::array kRoutes = {
    Route{"GET", Scope::service, "", job("ListBuckets", listBuckets)},
    Route{"PUT", Scope::bucket, "", jobWithBody("CreateBucket", createBucket)},
    Route{"HEAD", Scope::bucket, "", job("HeadBucket", headBucket)},
    Route{"DELETE", Scope::bucket, "", job("DeleteBucket", deleteBucket)},
    Route{"GET", Scope::bucket, "", job("ListObjects", listObjects)},
    Route{"GET", Scope::bucket, "list-type", job("ListObjectsV2", listObjectsV2)},
    Route{"GET", Scope::bucket, "location", job("GetBucketLocation", getBucketLocation)},
    Route{"GET", Scope::bucket, "uploads", job("ListMultipartUploads", listMultipartUploads)},
    Route{"POST", Scope::bucket, "delete", jobWithBody("DeleteObjects", deleteObjects)},
    Route{"GET", Scope::bucket, "accelerate", job("GetBucketAccelerateConfiguration", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "acl", job("GetBucketAcl", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "cors", job("GetBucketCors", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "encryption", job("GetBucketEncryption", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "lifecycle", job("GetBucketLifecycleConfiguration", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "logging", job("GetBucketLogging", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "notification", job("GetBucketNotificationConfiguration", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "object-lock", job("GetObjectLockConfiguration", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "ownershipControls", job("GetBucketOwnershipControls", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "policy", job("GetBucketPolicy", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "policyStatus", job("GetBucketPolicyStatus", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "publicAccessBlock", job("GetPublicAccessBlock", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "replication", job("GetBucketReplication", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "requestPayment", job("GetBucketRequestPayment", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "tagging", job("GetBucketTagging", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "versioning", job("GetBucketVersioning", getUnsetConfiguration)},
    Route{"GET", Scope::bucket, "website", job("GetBucketWebsite", getUnsetConfiguration)},
    Route{"PUT", Scope::object, "", stream("PutObject", putObject)},
    Route{"GET", Scope::object, "", job("GetObject", getObject)},
    Route{"HEAD", Scope::object, "", job("HeadObject", headObject)},
    Route{"DELETE", Scope::object, "", job("DeleteObject", deleteObject)},
    Route{"GET", Scope::object, "tagging", job("GetObjectTagging", getObjectTagging)},
    Route{"GET", Scope::object, "acl", job("GetObjectAcl", getObjectAcl)},
    Route{"POST", Scope::object, "uploads", job("CreateMultipartUpload", createMultipartUpload)},
    Route{"PUT", Scope::object, "uploadId", stream("UploadPart", uploadPart)},
    Route{"POST", Scope::object, "uploadId", jobWithBody("CompleteMultipartUpload", completeMultipartUpload)},
    Route{"DELETE", Scope::object, "uploadId", job("AbortMultipartUpload", abortMultipartUpload)},
    Route{"GET", Scope::object, "uploadId", job("ListParts", listParts)},
};

constexpr Operation kCopyObject = stream("CopyObject", copyObject);
constexpr Operation kUploadPartCopy = stream("UploadPartCopy", uploadPartCopy);

// Query parameters that choose an operation. Those without a route are not served; leaving them unseen would answer
// another operation than was asked for.
constexpr std::array<std::string_view, 42> kSubresources = {"abac",
                                                            "accelerate",
                                                            "acl",
                                                            "analytics",
                                                            "append",
                                                            "attributes",
                                                            "cors",
                                                            "delete",
                                                            "encryption",
                                                            "intelligent-tiering",
                                                            "inventory",
                                                            "legal-hold",
                                                            "lifecycle",
                                                            "list-type",
                                                            "location",
                                                            "logging",
                                                            "metadataConfiguration",
                                                            "metadataTable",
                                                            "metrics",
                                                            "notification",
                                                            "object-lock",
                                                            "ownershipControls",
                                                            "policy",
                                                            "policyStatus",
                                                            "publicAccessBlock",
                                                            "renameObject",
                                                            "replication",
                                                            "requestPayment",
                                                            "restore",
                                                            "retention",
                                                            "select",
                                                            "session",
                                                            "tagging",
                                                            "torrent",
                                                            "uploadId",
                                                            "uploads",
                                                            "versioning",
                                                            "versions",
                                                            "website",
                                                            "metadataInventoryTable",
                                                            "metadataJournalTable",
                                                            "encryptionConfiguration"};

std::string_view nameOf(Scope scope) {
  switch (scope) {
    case Scope::service: return "SERVICE";
    case Scope::bucket: return "BUCKET";
    case Scope::object: return "OBJECT";
  }
  return "";
}

}  // namespace

std::expected<const Operation*, aws::ApiError> route(Call& call) {
  const auto scope = call.bucket.empty() ? Scope::service : call.key.empty() ? Scope::bucket : Scope::object;
  for (const auto name : kSubresources) {
    if (!call.query.has(name)) continue;
    // Two at once name no operation.
    if (!call.subresource.empty()) return std::unexpected(notImplemented(name));
    call.subresource = name;
  }
  // Values other than 2 were never defined; S3 reads them as version 1.
  if (call.subresource == "list-type" && call.query.get("list-type") != "2") call.subresource.clear();
  const auto& method = call.request.method;
  const auto found = std::ranges::find_if(
      kRoutes, [&](const Route& r) { return r.method == method && r.scope == scope && r.subresource == call.subresource; });
  if (found != kRoutes.end()) {
    const bool copies = call.header("x-amz-copy-source").has_value();
    if (copies && found->operation.start == &putObject) return &kCopyObject;
    if (copies && found->operation.start == &uploadPart) return &kUploadPartCopy;
    return &found->operation;
  }
  if (!call.subresource.empty() || (method == "POST" && scope != Scope::service)) return std::unexpected(notImplemented(call.subresource));
  aws::ApiError error{"MethodNotAllowed", "The specified method is not allowed against this resource.", 405, true, {}};
  error.extra["Method"] = method;
  error.extra["ResourceType"] = nameOf(scope);
  return std::unexpected(std::move(error));
}

}  // namespace sp::services::s3
