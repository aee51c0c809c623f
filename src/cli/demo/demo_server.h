// The demo's own server on a temporary data directory: started, found ready, and removed with everything it started.
#pragma once
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace sp::cli {

class DemoServer {
 public:
  /// Removes what an interrupted demo left (directories of this user below the temporary directory whose server is gone),
  /// then starts `serve` in a new one and waits for its ready line, at most 30 s.
  static Result<DemoServer> start();
  DemoServer(DemoServer&& other) noexcept;
  DemoServer& operator=(DemoServer&&) = delete;
  /// Unless kept: ends server, agents and machines and removes the directory.
  ~DemoServer();

  const std::string& directory() const { return directory_; }
  std::string dataDir() const { return directory_ + "/state"; }
  /// Everything lives on; returns the command line that ends it.
  std::string keep();
  /// Moves the server's log to a file beside the directory, which outlives it; returns where it is. The directory itself is removed all the
  /// same.
  std::string keepLog() const;
  /// Ends and removes now.
  void remove();

 private:
  DemoServer() = default;
  std::string directory_;
  pid_t pid_ = -1;
};

/// Ends every process that belongs to a demo directory and removes it: `stillpoint demo --stop DIR`.
Result<void> removeDemo(const std::string& directory);

}  // namespace sp::cli
