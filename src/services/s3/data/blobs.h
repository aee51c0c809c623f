// Who needs which blob: rows count their references, readers pin. A blob without references is removed once the commit
// that dropped the last one is durable and the last reader has gone.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "services/s3/data/pool.h"
#include "services/s3/objects.h"
#include "store/blob_store.h"
#include "store/store.h"

namespace sp::services::s3 {

/// A piece of a blob.
struct Segment {
  std::string blob;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

class Blobs {
 public:
  Blobs(store::BlobStore& files, Pool& pool);
  Blobs(const Blobs&) = delete;
  Blobs& operator=(const Blobs&) = delete;
  ~Blobs();

  // Core thread, inside a job:
  void addReference(store::Txn& txn, const std::string& blob);
  void dropReference(store::Txn& txn, const std::string& blob);
  static bool isReferenced(store::Txn& txn, std::string_view blob);
  /// Reads the segments one after the other. What it needs is pinned at once, so call it in the job that read the row.
  std::shared_ptr<ObjectReader> reader(std::vector<Segment> segments);

  /// Any thread: removes a blob that no row names, when nobody reads it any more.
  void removeLater(const std::string& blob);
  store::BlobStore& files() { return files_; }

 private:
  struct Pins;
  class SegmentReader;

  store::BlobStore& files_;
  std::shared_ptr<Pins> pins_;
};

}  // namespace sp::services::s3
