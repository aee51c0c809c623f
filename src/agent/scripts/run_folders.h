// Folders of scripts, kept ready. To make one with its nine entries is most of what stands between a request and its script: a file
// system looks for room for each of them, ext4 without a journal past everything that was removed in the last minutes. So two are made
// ahead while the agent is quiet, and the folder of a short script is emptied and kept for the next.
#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"

namespace sp::agent {

/// All members may be called by any thread.
class RunFolders {
 public:
  /// `runs`: the folder they stand in ("DIR/runs"); those kept ready have names there that begin with "spare-".
  explicit RunFolders(std::string runs) : runs_(std::move(runs)) {}
  RunFolders(const RunFolders&) = delete;
  RunFolders& operator=(const RunFolders&) = delete;

  struct Taken {
    /// Another script's files stood in it: after a power cut they may be there again.
    bool reused = false;
  };
  /// Makes RUNS/NAME/step-0, or gives one that was kept that name. Its files are empty or not there. Errors "os.…".
  Result<Taken> take(const std::string& name);
  /// Keeps RUNS/NAME, emptied, if it is as its script found it, nobody has a file of it open and few are kept. False: the caller's to
  /// remove.
  bool giveBack(const std::string& name);
  /// Puts new folders in the place of used ones. Takes a while.
  void refresh();
  /// A name that take() gives to nobody and refresh() makes.
  static bool isSpare(std::string_view name) { return name.starts_with("spare-"); }

 private:
  struct Spare {
    std::string path;
    bool reused = false;
  };
  std::string nextPath();

  const std::string runs_;
  std::mutex mutex_;
  std::vector<Spare> spares_;
  std::uint64_t made_ = 0;
};

}  // namespace sp::agent
