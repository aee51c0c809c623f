// Bytes too large for the database: one file each below DIR/blobs, named by a random id, written aside, fsynced, renamed.
// A blob nobody's row names is removed at start. Safe from any thread; a Writer or Reader belongs to one thread at a time.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace sp::store {

class BlobStore {
 public:
  /// Creates the folder if needed.
  static Result<std::unique_ptr<BlobStore>> open(const std::string& directory, Random& random);
  virtual ~BlobStore() = default;

  class Writer {
   public:
    virtual ~Writer() = default;
    /// Page-cache speed. Error "blob.full" when the disk is full.
    virtual Result<void> write(std::string_view bytes) = 0;
    /// Makes the bytes durable (fsync of file and folder; blocks) and gives the blob's id. Without it the bytes vanish.
    virtual Result<std::string> commit() = 0;
  };
  virtual Result<std::unique_ptr<Writer>> create() = 0;

  class Reader {
   public:
    virtual ~Reader() = default;
    virtual std::uint64_t size() const = 0;
    /// Up to `limit` bytes from `offset`; shorter only at the end.
    virtual Result<std::string> read(std::uint64_t offset, std::size_t limit) = 0;
  };
  virtual Result<std::unique_ptr<Reader>> openBlob(std::string_view id) = 0;

  /// Readers that have it open go on.
  virtual void remove(std::string_view id) = 0;
  /// Removes what `used` does not know and what an earlier process left unfinished; once, at start. Blobs that this process
  /// began are kept, so writers may be at work meanwhile.
  virtual void sweep(const std::function<bool(std::string_view id)>& used) = 0;
};

}  // namespace sp::store
