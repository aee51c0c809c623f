// Until when each freeze of this machine is held, for the guard's process: DIR/guards/FREEZE.lease, a time on CLOCK_BOOTTIME. Not durable:
// it means something in this boot only, as the guard's process does. Written in place, so that a full disk stops no renewal.
//
// DIR/guards/FREEZE/N          what its post-script needs, fetched before the pre-script began
// DIR/guards/lock              locked by the guard's process for as long as it lives
#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "os/file.h"

namespace sp::agent {

class LeaseFiles {
 public:
  explicit LeaseFiles(const std::string& state_dir) : directory_(state_dir + "/guards") {}
  const std::string& directory() const { return directory_; }
  /// Folder of one freeze's fetched files.
  std::string folder(const std::string& freeze_id) const;
  /// Makes it, or sets another time. Errors "os.…".
  Result<void> set(const std::string& freeze_id, Duration until) const;
  /// Nothing if there is none, or while it is being written.
  std::optional<Duration> get(const std::string& freeze_id) const;
  /// All, by freeze; one that cannot be read is due at once.
  std::map<std::string, Duration> all() const;
  /// With the freeze's folder.
  void remove(const std::string& freeze_id) const;
  /// Whether a guard's process lives. Does not lock, so that it keeps no new one out.
  bool isGuarded() const;
  /// Locks for the caller until the descriptor is closed. Errors "os.locked" (another one lives), "os.…".
  Result<os::Fd> lock() const;
  /// Freezes that have a file or a folder here.
  std::map<std::string, bool> known() const;

 private:
  std::string pathOf(const std::string& freeze_id) const;
  std::string directory_;
};

}  // namespace sp::agent
