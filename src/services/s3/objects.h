// Objects for the other services: scripts that Run Command fetches, outputs it stores. The same objects that the S3 API
// serves, with the same promises.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace sp::services::s3 {

/// The bytes of one object, or of a range of it, as they were when it was looked up: they stay readable though the object
/// is replaced or deleted meanwhile. Any thread, one at a time.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual std::uint64_t size() const = 0;
  /// The next at most `limit` bytes; empty at the end.
  virtual Result<std::string> read(std::size_t limit) = 0;
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  /// Without quotes.
  std::string etag;
  Instant modified;
  std::string content_type;
};

/// Bytes on their way to become an object; destroyed before store(), they vanish. Any thread, one at a time.
class Incoming {
 public:
  virtual ~Incoming() = default;
  /// At the speed of the page cache. Error "blob.full" when the disk is full.
  virtual Result<void> write(std::string_view bytes) = 0;
};

/// Errors of the callbacks: "s3.NoSuchBucket", "s3.InvalidArgument", "blob.full", "store.full" …, with a message for
/// people.
using Stored = std::function<void(Result<ObjectInfo>)>;

class Objects {
 public:
  virtual ~Objects() = default;

  /// Creates or replaces an object. Any thread. `done` runs once the object is durable (on the core thread, outside a
  /// transaction) or has failed (any thread).
  virtual void putBytes(std::string bucket, std::string key, std::string bytes, std::string content_type, Stored done) = 0;
  /// The same for bytes that come piece by piece.
  virtual Result<std::unique_ptr<Incoming>> begin() = 0;
  virtual void store(std::string bucket, std::string key, std::string content_type, std::unique_ptr<Incoming> incoming, Stored done) = 0;

  // Core thread, inside a job:

  /// Makes the bucket if it is missing.
  virtual void ensureBucket(store::Txn& txn, std::string_view bucket) = 0;
  virtual bool bucketExists(store::Txn& txn, std::string_view bucket) = 0;
  /// Errors "s3.NoSuchBucket", "s3.NoSuchKey".
  virtual Result<ObjectInfo> get(store::Txn& txn, std::string_view bucket, std::string_view key) = 0;
  /// All bytes of the object; the reader may be kept and read elsewhere. Errors as get, or "blob.…".
  virtual Result<std::shared_ptr<ObjectReader>> open(store::Txn& txn, std::string_view bucket, std::string_view key) = 0;
  /// Keys starting with `prefix` and greater than `after`, in byte order, at most `limit`. Error "s3.NoSuchBucket".
  virtual Result<std::vector<ObjectInfo>> list(store::Txn& txn, std::string_view bucket, std::string_view prefix, std::string_view after,
                                               std::size_t limit) = 0;
  /// False if there was none.
  virtual bool erase(store::Txn& txn, std::string_view bucket, std::string_view key) = 0;
};

}  // namespace sp::services::s3
