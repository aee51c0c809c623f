// How full the disk is, and what folders take of it. A folder may hold millions of files: they are counted in the background, and what is
// told is the last count with its time.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sp::store {

struct Disk {
  /// Of the file system, and of them what a program without privileges may still take.
  std::uint64_t bytes = 0;
  std::uint64_t free_bytes = 0;
  /// Tells one file system from another.
  std::uint64_t device = 0;
};

/// The file system that holds `path`. Asks the kernel alone, no disk; a network's file system that hangs makes it wait. Error "os.read".
Result<Disk> diskOf(const std::string& path);

/// Bytes of a file; 0: there is none.
std::uint64_t fileBytes(const std::string& path);

/// All members may be called by any thread, and wait for nothing.
class FolderSizes {
 public:
  struct Size {
    /// Blocks taken, as `du` counts them.
    std::uint64_t bytes = 0;
    /// All that is no folder.
    std::uint64_t files = 0;
    Disk disk;
    Instant counted;
  };
  /// `clock` outlives it. A folder that is not there is empty, as long as the one above it is.
  FolderSizes(const Clock& clock, std::vector<std::string> folders);
  FolderSizes(const FolderSizes&) = delete;
  FolderSizes& operator=(const FolderSizes&) = delete;
  /// Breaks off a count that is under way.
  ~FolderSizes();

  /// What the last count of this folder found; nullopt: it has not been counted, or cannot be (the log says why).
  std::optional<Size> of(const std::string& folder) const;
  /// Has all folders counted anew, unless that was done a moment ago: at most once a minute, and for a hundredth of the time.
  void refresh();
  /// Waits until no count is wanted or under way; false: the limit came first.
  bool settled(std::chrono::milliseconds limit) const;

 private:
  void loop();
  Result<Size> count(const std::string& folder) const;

  const Clock& clock_;
  const std::vector<std::string> folders_;
  std::atomic<bool> ending_ = false;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  mutable std::condition_variable done_;
  std::map<std::string, Size> sizes_;
  bool wanted_ = false;
  bool counting_ = false;
  /// On the boot clock: no count begins before.
  Duration not_before_{0};
  std::thread thread_;
};

}  // namespace sp::store
