// What CopyObject and UploadPartCopy share: the source, its conditions, and reading it through for its digests.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/s3/call.h"

namespace sp::services::s3 {

struct CopySource {
  std::string bucket;
  std::string key;
};

/// x-amz-copy-source: "/bucket/key" or "bucket/key", percent-encoded, with "?versionId=null" at most.
std::expected<CopySource, aws::ApiError> copySource(const Call& call);
/// The source object if it is there and x-amz-copy-source-if-* allow it (412).
std::expected<Object, aws::ApiError> sourceObject(Rows& rows, const Call& call, const CopySource& source);

/// Digests of bytes read through.
struct Digests {
  std::string md5_hex;
  /// Base64 of the asked kind, if one was asked.
  std::string asked;
  std::string crc64nvme;
};
Result<Digests> readThrough(ObjectReader& reader, std::optional<ChecksumKind> asked);

/// x-amz-checksum-algorithm.
std::expected<std::optional<ChecksumKind>, aws::ApiError> askedAlgorithm(const Call& call);

/// OperationAborted 409: the source changed while it was read, again and again.
aws::ApiError sourceKeepsChanging();
inline constexpr int kCopyAttempts = 10;

}  // namespace sp::services::s3
