// S3's additional checksums: five algorithms, asked by header or trailer, kept with the object.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "base/hash.h"
#include "services/s3/s3.h"

namespace sp::services::s3 {

enum class ChecksumKind { crc32, crc32c, crc64nvme, sha1, sha256 };
inline constexpr ChecksumKind kChecksumKinds[] = {ChecksumKind::crc32, ChecksumKind::crc32c, ChecksumKind::crc64nvme, ChecksumKind::sha1,
                                                  ChecksumKind::sha256};

/// "crc32": as in x-amz-checksum-crc32.
std::string_view wordOf(ChecksumKind kind);
/// "CRC32": as in x-amz-checksum-algorithm.
std::string algorithmOf(ChecksumKind kind);
/// "ChecksumCRC32": the XML element.
std::string elementOf(ChecksumKind kind);
std::optional<ChecksumKind> checksumKind(std::string_view word_or_algorithm);
/// Length of the raw digest.
std::size_t sizeOf(ChecksumKind kind);

struct Checksum {
  ChecksumKind kind = ChecksumKind::crc64nvme;
  /// Base64; a composite one ends in "-N".
  std::string value;
  /// Of the parts' checksums instead of the bytes.
  bool composite = false;
};

class RunningChecksum {
 public:
  explicit RunningChecksum(ChecksumKind kind);
  void update(std::string_view bytes);
  /// Raw digest.
  std::string finish();
  ChecksumKind kind() const { return kind_; }

 private:
  ChecksumKind kind_;
  std::uint64_t crc_ = 0;
  std::optional<Hasher> hasher_;
};

/// What a request says about the checksum of its body.
struct AskedChecksum {
  ChecksumKind kind = ChecksumKind::crc32;
  /// Raw digest; nullopt: it comes in the trailer.
  std::optional<std::string> expected;
};

/// From x-amz-checksum-*, x-amz-trailer and x-amz-sdk-checksum-algorithm. InvalidRequest if they are bad or contradict.
std::expected<std::optional<AskedChecksum>, aws::ApiError> askedChecksum(const Headers& headers);
/// A base64 value given for `kind`: raw digest, or InvalidRequest.
std::expected<std::string, aws::ApiError> readChecksum(ChecksumKind kind, std::string_view base64);
/// Raw digest from the head or, if it was announced there, from the trailing headers; MalformedTrailerError without it.
std::expected<std::string, aws::ApiError> expectedChecksum(const AskedChecksum& asked, const Headers& trailers);
/// BadDigest.
aws::ApiError checksumMismatch(ChecksumKind kind);

/// Digest of the concatenation of two byte strings from theirs (`second_size` bytes in the second). CRCs only.
std::string combineCrc(ChecksumKind kind, std::string_view first, std::string_view second, std::uint64_t second_size);

}  // namespace sp::services::s3
