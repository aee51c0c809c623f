// restic as a child of this process, on a repository's folder. Blocks; on the keeper's threads only.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/process.h"

namespace sp::fleet {

constexpr std::size_t kResticIdLength = 64;
/// Whether a file in a repository's folder has the name of a whole one: not what a restic is just writing ("ID-tmp-…").
inline bool isResticId(std::string_view name) {
  return name.size() == kResticIdLength && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// One run of restic.
struct ResticRun {
  /// The repository's folder.
  std::string path;
  /// Its password: reaches restic as a descriptor, so that it stands in no argument, no variable and on no disk.
  std::string key;
  /// The verb and what follows it.
  std::vector<std::string> arguments;
  /// It is ended when it takes longer.
  std::chrono::milliseconds limit{};
  /// Where it writes what it prepares; there must be room for a few packs (16 MiB each).
  std::string temporary = "/tmp";
  /// Others go first, on the processor and on the disk.
  bool behind_others = false;
  /// A descriptor that it holds as long as it lives; -1: none.
  int holds = -1;
  /// Told its process before anything is waited for.
  std::function<void(pid_t)> started{};
};

class Restic {
 public:
  /// A run that is under way is ended once `stopping` is true.
  explicit Restic(const std::atomic<bool>& stopping) : stopping_(stopping) {}

  /// What it printed, at most 16 MiB. Error "vault.restic" has restic's own last words; "vault.ended": its time was over, or the
  /// server stops.
  Result<std::string> run(const ResticRun& run) const;

 private:
  Result<std::optional<os::ExitStatus>> follow(const os::Process& process, std::chrono::milliseconds limit) const;
  const std::atomic<bool>& stopping_;
};

}  // namespace sp::fleet
