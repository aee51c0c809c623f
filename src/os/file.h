// Files that are still there after a power cut.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::os {

/// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset();

 private:
  int fd_ = -1;
};

/// Whole file, at most `limit` bytes ("os.too_large").
Result<std::string> readFile(const std::string& path, std::uint64_t limit = 64ULL << 20ULL);
/// Written aside with `mode`, fsynced, renamed into place, folder fsynced: old or new, never half.
Result<void> writeFileDurably(const std::string& path, std::string_view bytes, unsigned mode = 0600);
/// Created or cut, then written; not durable. Errors "os.open", "os.write", "os.full".
Result<void> writeFile(const std::string& path, std::string_view bytes, unsigned mode = 0600);
Result<void> makeDirectories(const std::string& path, unsigned mode = 0700);
Result<void> fsyncDirectory(const std::string& path);

/// An exclusive lock on FILE (flock) held until destruction or the process's end. Error "os.locked".
Result<Fd> lockFile(const std::string& path);

}  // namespace sp::os
