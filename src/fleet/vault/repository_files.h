// One restic repository as files: names, listing, ranges, and storing without ever overwriting. Many threads at once.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "os/file.h"

namespace sp::fleet {

enum class FileKind { config, keys, locks, snapshots, index, data };
std::optional<FileKind> parseFileKind(std::string_view text);

struct StoredFile {
  std::string name;
  std::uint64_t size = 0;
};

/// DATA/vaults/VAULT/NAME. Beside it lies VAULT/.stillpoint/ with what is being written and who made which lock.
class RepositoryFiles {
 public:
  RepositoryFiles(const std::string& directory, std::string_view vault, std::string_view name);

  std::string pathOf(FileKind kind, std::string_view id) const;
  Result<std::vector<StoredFile>> list(FileKind kind) const;

  /// A file being received.
  class Upload {
   public:
    Upload(Upload&&) = default;
    Upload& operator=(Upload&&) = delete;
    ~Upload();
    Result<void> write(std::string_view bytes);
    std::uint64_t size() const { return size_; }
    /// Hash of what came, in hex; once.
    std::string hash() { return toHex(hasher_.finish()); }

   private:
    friend class RepositoryFiles;
    Upload(std::string path, os::Fd file) : path_(std::move(path)), file_(std::move(file)) {}
    std::string path_;
    os::Fd file_;
    Hasher hasher_{HashKind::sha256};
    std::uint64_t size_ = 0;
  };
  /// Errors "os.full" and others.
  Result<Upload> begin() const;
  /// Durable under its name, or error "vault.exists" when a file of that name is there.
  Result<void> commit(Upload& upload, FileKind kind, const std::string& id) const;

  /// Who made a lock: written before the lock itself is there, so that its maker can remove it after a restart too.
  Result<void> recordLockMaker(const std::string& lock, std::string_view job) const;
  bool madeLock(const std::string& lock, std::string_view job) const;
  Result<void> removeLock(const std::string& lock) const;

 private:
  std::string root_;
  std::string aside_;
  std::string name_;
};

}  // namespace sp::fleet
