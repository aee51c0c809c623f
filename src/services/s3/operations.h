// Every operation that is served, one file each (bucket/, object/, multipart/).
#pragma once
#include <optional>
#include <string_view>

#include "services/s3/call.h"

namespace sp::services::s3 {

// bucket/
Answer listBuckets(Rows& rows, const Call& call);
Answer createBucket(Rows& rows, const Call& call);
Answer headBucket(Rows& rows, const Call& call);
Answer deleteBucket(Rows& rows, const Call& call);
Answer getBucketLocation(Rows& rows, const Call& call);
/// GetBucketVersioning, GetBucketPolicy, …: what a bucket answers that nothing was ever configured for.
Answer getUnsetConfiguration(Rows& rows, const Call& call);
Answer listObjects(Rows& rows, const Call& call);
Answer listObjectsV2(Rows& rows, const Call& call);
Answer deleteObjects(Rows& rows, const Call& call);

// object/
std::unique_ptr<Run> putObject(std::shared_ptr<Call> call);
std::unique_ptr<Run> copyObject(std::shared_ptr<Call> call);
Answer getObject(Rows& rows, const Call& call);
Answer headObject(Rows& rows, const Call& call);
Answer deleteObject(Rows& rows, const Call& call);
Answer getObjectTagging(Rows& rows, const Call& call);
Answer getObjectAcl(Rows& rows, const Call& call);

// multipart/
Answer createMultipartUpload(Rows& rows, const Call& call);
std::unique_ptr<Run> uploadPart(std::shared_ptr<Call> call);
std::unique_ptr<Run> uploadPartCopy(std::shared_ptr<Call> call);
Answer completeMultipartUpload(Rows& rows, const Call& call);
Answer abortMultipartUpload(Rows& rows, const Call& call);
Answer listParts(Rows& rows, const Call& call);
Answer listMultipartUploads(Rows& rows, const Call& call);

/// The operation for a request whose bucket, key and query are set; sets call.subresource. MethodNotAllowed or
/// NotImplemented if there is none.
std::expected<const Operation*, aws::ApiError> route(Call& call);

/// "my-bucket": 3 to 63 of a-z 0-9 . -, as CreateBucket demands.
bool isBucketName(std::string_view name);

/// Forgets a completed upload's answer (kept so that a repeated Complete succeeds); timer kind.
inline constexpr std::string_view kForgetUploadTimer = "s3.forget_upload";
void forgetCompletedUpload(store::Txn& txn, std::string_view upload_id);

}  // namespace sp::services::s3
