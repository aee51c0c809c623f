// Bytes coming in: written to a blob while MD5 and the asked checksum run along, judged at the end.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "services/s3/call.h"
#include "services/s3/wire/checksum.h"
#include "store/blob_store.h"

namespace sp::services::s3 {

/// Bytes that are all there and as promised, not yet durable.
struct Received {
  /// Null for no bytes at all.
  std::unique_ptr<store::BlobStore::Writer> writer;
  std::uint64_t size = 0;
  /// MD5 in hex.
  std::string etag;
  /// The one the client asked for, else CRC64NVME.
  Checksum checksum;
  bool asked = false;
  /// Base64; computed unless the receiver was told not to and the client asked for another.
  std::string crc64nvme;
};

class Receiver {
 public:
  /// `always_crc64`: even when the client asks for another checksum (parts, whose upload decides).
  Receiver(store::BlobStore& blobs, bool always_crc64);

  /// Reads what the head says about the body: Content-MD5, checksums, length. InvalidDigest, InvalidRequest, EntityTooLarge.
  std::expected<void, aws::ApiError> promise(const Request& request);
  std::expected<void, aws::ApiError> write(std::string_view bytes);
  /// BadDigest, XAmzContentSHA256Mismatch, IncompleteBody, MalformedTrailerError.
  std::expected<Received, aws::ApiError> complete(const Headers& trailers);

  /// Largest body of one PUT.
  static constexpr std::uint64_t kLargest = 5ULL << 30U;

 private:
  std::expected<void, aws::ApiError> checkDigests(const std::string& md5_raw, const std::string& checksum_raw, const Headers& trailers);

  store::BlobStore& blobs_;
  bool always_crc64_;
  std::unique_ptr<store::BlobStore::Writer> writer_;
  std::uint64_t size_ = 0;
  Hasher md5_{HashKind::md5};
  std::optional<Hasher> sha256_;
  std::string promised_sha256_;
  std::optional<std::string> promised_md5_;
  std::optional<std::uint64_t> promised_size_;
  std::optional<AskedChecksum> asked_;
  std::optional<RunningChecksum> checksum_;
  std::optional<RunningChecksum> crc64_;
};

/// Content-MD5 as raw bytes: nullopt if absent, InvalidDigest if it is none.
std::expected<std::optional<std::string>, aws::ApiError> promisedMd5(const Headers& headers);
aws::ApiError badMd5(std::string_view promised_raw, std::string_view computed_raw);
aws::ApiError badPayloadHash(std::string_view promised_hex, std::string_view computed_hex);

/// A run that receives a body and then writes rows: the blob is made durable on the pool, `rows` runs in a core job with
/// the blob's id (empty for no bytes); if it refuses, the blob is removed.
using RowWriter = Answer (*)(Rows&, const Call&, const Received&, const std::string& blob);
std::unique_ptr<Run> receive(std::shared_ptr<Call> call, bool always_crc64, RowWriter rows);

/// A run that answers before reading anything.
std::unique_ptr<Run> refusedRun(const std::shared_ptr<Call>& call, aws::ApiError error);

}  // namespace sp::services::s3
