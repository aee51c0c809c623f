// What the store keeps of buckets, objects, uploads and parts.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "json/json.h"
#include "services/s3/data/blobs.h"
#include "services/s3/wire/checksum.h"
#include "store/store.h"

namespace sp::services::s3 {

struct Bucket {
  std::string name;
  Instant created;
};

/// What a client says about an object beside its bytes.
struct Description {
  /// Stored system headers by lower-case name: content-type, cache-control, content-disposition, content-encoding,
  /// content-language, expires.
  std::map<std::string, std::string> headers;
  /// x-amz-meta-NAME without the prefix, lower case.
  std::map<std::string, std::string> metadata;
};

struct Object {
  std::uint64_t size = 0;
  /// Without quotes; "HEX-N" for a multipart one.
  std::string etag;
  Instant modified;
  Description description;
  Checksum checksum;
  /// The blob that is the whole object; empty if the object is, or if there is a manifest.
  std::string blob;
  /// Key of the manifest: an object of several segments.
  std::string manifest;
  /// Parts it was uploaded in; 0: one PUT.
  std::size_t parts = 0;
};

/// One part of an object that was uploaded in parts.
struct Part {
  int number = 0;
  std::uint64_t size = 0;
  /// Without quotes.
  std::string etag;
  Instant modified;
  Checksum checksum;
  /// Where it also has a checksum of S3's own choice (CRC64NVME): base64.
  std::string crc64nvme;
  std::vector<Segment> segments;
};

struct Upload {
  std::string bucket;
  std::string key;
  std::string id;
  Instant initiated;
  Description description;
  /// The algorithm the client asked for; nullopt: S3's own choice.
  std::optional<ChecksumKind> asked;
  bool composite = false;
};

/// Typed access to the rows of one transaction.
class Rows {
 public:
  Rows(store::Txn& txn, Blobs& blobs) : txn_(txn), blobs_(blobs) {}

  std::optional<Bucket> bucket(std::string_view name);
  void putBucket(const Bucket& bucket);
  void eraseBucket(std::string_view name);
  /// Name greater than `after`, in byte order.
  std::vector<Bucket> buckets(std::string_view prefix, std::string_view after, std::size_t limit);

  std::optional<Object> object(std::string_view bucket, std::string_view key);
  /// Replaces what was there; counts references. `parts` are the manifest of an object of several segments.
  void putObject(std::string_view bucket, std::string_view key, Object object, const std::vector<Part>& parts = {});
  bool eraseObject(std::string_view bucket, std::string_view key);
  /// The parts of the manifest; one part that is the whole for an object without.
  std::vector<Part> partsOf(const Object& object);
  /// The bytes [offset, offset + size) of an object.
  std::vector<Segment> segmentsOf(const Object& object, std::uint64_t offset, std::uint64_t size);

  /// The upload if `id` is one of this bucket and key.
  std::optional<Upload> upload(std::string_view bucket, std::string_view key, std::string_view id);
  void putUpload(const Upload& upload);
  /// With its parts; their blobs lose a reference.
  void eraseUpload(const Upload& upload);
  std::vector<Part> parts(std::string_view upload_id, int after, std::size_t limit);
  /// Replaces a part of the same number.
  void putPart(std::string_view upload_id, const Part& part);

  store::Txn& txn() { return txn_; }
  Blobs& blobs() { return blobs_; }

 private:
  void drop(const Object& object);

  store::Txn& txn_;
  Blobs& blobs_;
};

/// Key of an upload's record: ordered by bucket, key, then the time it began.
std::string uploadKey(std::string_view bucket, std::string_view key, std::string_view id);
inline constexpr std::string_view kUploadKind = "s3.upload";
Upload decodeUpload(std::string_view body);
Object decodeObject(std::string_view body);
std::string encodeObject(const Object& object);

}  // namespace sp::services::s3
