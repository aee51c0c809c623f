// What the operations on parts share.
#pragma once
#include "services/s3/call.h"

namespace sp::services::s3 {

inline constexpr std::size_t kPartNumberMax = 10'000;

/// partNumber of the query, 1 to 10,000.
std::expected<int, aws::ApiError> partNumber(const Call& call);
/// The upload the query names, or NoSuchUpload (NoSuchBucket).
std::expected<Upload, aws::ApiError> requireUpload(Rows& rows, const Call& call);
/// The checksum of the whole from its parts', in order: composed of theirs, or combined to that of all bytes.
Checksum checksumOfParts(const Upload& upload, const std::vector<Part>& parts);

}  // namespace sp::services::s3
