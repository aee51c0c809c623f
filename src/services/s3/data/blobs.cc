#include "services/s3/data/blobs.h"

#include <algorithm>

#include "base/assert.h"
#include "base/failpoint.h"
#include "base/strings.h"

namespace sp::services::s3 {
namespace {
constexpr std::string_view kKind = "s3.blob";
}

// Shared with the readers, which may outlive Blobs.
struct Blobs::Pins {
  struct Pin {
    std::size_t readers = 0;
    bool doomed = false;
  };
  std::mutex mutex;
  std::map<std::string, Pin, std::less<>> pins;
  store::BlobStore* files = nullptr;
  // Null once Blobs is gone: what is still doomed then is swept at the next start.
  Pool* pool = nullptr;

  void pin(const std::string& blob) {
    const std::lock_guard lock(mutex);
    ++pins[blob].readers;
  }
  void unpin(const std::string& blob) {
    const std::lock_guard lock(mutex);
    const auto found = pins.find(blob);
    if (--found->second.readers > 0) return;
    const bool doomed = found->second.doomed;
    pins.erase(found);
    if (doomed) remove(blob);
  }
  void doom(const std::string& blob) {
    const std::lock_guard lock(mutex);
    const auto found = pins.find(blob);
    if (found != pins.end()) found->second.doomed = true;
    else remove(blob);
  }

 private:
  void remove(const std::string& blob) {
    if (pool != nullptr)
      pool->post([store = files, blob] {
        if (!failpoint::hit("s3.replaced")) store->remove(blob);
      });
  }
};

class Blobs::SegmentReader final : public ObjectReader {
 public:
  SegmentReader(store::BlobStore& files, std::shared_ptr<Pins> pins, std::vector<Segment> segments)
      : files_(files), pins_(std::move(pins)), segments_(std::move(segments)) {
    for (const auto& segment : segments_) {
      pins_->pin(segment.blob);
      size_ += segment.size;
    }
  }
  SegmentReader(const SegmentReader&) = delete;
  SegmentReader& operator=(const SegmentReader&) = delete;
  ~SegmentReader() override {
    open_.reset();
    for (const auto& segment : segments_) pins_->unpin(segment.blob);
  }

  std::uint64_t size() const override { return size_; }

  Result<std::string> read(std::size_t limit) override {
    while (at_ < segments_.size() && done_ == segments_[at_].size) {
      open_.reset();
      done_ = 0;
      ++at_;
    }
    if (at_ == segments_.size() || limit == 0) return std::string();
    const auto& segment = segments_[at_];
    if (!open_) { SP_TRY(open_, files_.openBlob(segment.blob)); }
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(limit, segment.size - done_));
    SP_TRY(auto bytes, open_->read(segment.offset + done_, wanted));
    if (bytes.size() != wanted) return fail("blob.io", "blob " + segment.blob + " is shorter than its row says");
    done_ += bytes.size();
    return bytes;
  }

 private:
  store::BlobStore& files_;
  std::shared_ptr<Pins> pins_;
  std::vector<Segment> segments_;
  std::uint64_t size_ = 0;
  std::size_t at_ = 0;
  std::uint64_t done_ = 0;
  std::unique_ptr<store::BlobStore::Reader> open_;
};

Blobs::Blobs(store::BlobStore& files, Pool& pool) : files_(files), pins_(std::make_shared<Pins>()) {
  pins_->files = &files;
  pins_->pool = &pool;
}

Blobs::~Blobs() {
  const std::lock_guard lock(pins_->mutex);
  pins_->pool = nullptr;
}

void Blobs::addReference(store::Txn& txn, const std::string& blob) {
  const auto count = txn.records().get(kKind, blob);
  txn.records().put(kKind, blob, std::to_string((count ? parseInt(*count).value_or(0) : 0) + 1));
}

void Blobs::dropReference(store::Txn& txn, const std::string& blob) {
  const auto count = txn.records().get(kKind, blob);
  SP_INVARIANT(count.has_value());
  const auto left = (count ? parseInt(*count).value_or(0) : 0) - 1;
  if (left > 0) {
    txn.records().put(kKind, blob, std::to_string(left));
    return;
  }
  txn.records().erase(kKind, blob);
  txn.afterCommit([pins = pins_, blob] { pins->doom(blob); });
}

bool Blobs::isReferenced(store::Txn& txn, std::string_view blob) { return txn.records().get(kKind, blob).has_value(); }

std::shared_ptr<ObjectReader> Blobs::reader(std::vector<Segment> segments) {
  return std::make_shared<SegmentReader>(files_, pins_, std::move(segments));
}

void Blobs::removeLater(const std::string& blob) { pins_->doom(blob); }

}  // namespace sp::services::s3
