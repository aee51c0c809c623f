// The agent of the server's own host: given its identity, started as a process of its own that outlives the server, and
// started again when it has died. It owns the power driver, so its death must never take the machines with it.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "fleet/authority.h"
#include "os/process.h"

namespace sp::fleet {

class HostAgent {
 public:
  struct Options {
    /// DIR/host-agent and DIR/machines lie below it.
    std::string data_dir;
    /// "HOST:PORT" of the agents' port.
    std::string endpoint;
    /// Fail points file for the agent; empty: none.
    std::string failpoints;
  };
  /// `authority` outlives it.
  HostAgent(Options options, const Authority& authority) : options_(std::move(options)), authority_(authority) {}
  ~HostAgent() { stop(); }
  HostAgent(const HostAgent&) = delete;
  HostAgent& operator=(const HostAgent&) = delete;

  /// Writes its state directory (its certificate only when there is none yet, or of another authority) and tells the
  /// machines' agents where the server is now.
  Result<void> prepare();
  /// Starts it unless one lives, and looks again every second.
  void start();
  /// Stops looking. The agent lives on.
  void stop();

 private:
  void watch();
  /// One whose program was replaced on disk since it began (an upgrade) gives way to the new one; what it does goes on.
  void endOutdated();
  /// Starts one if the lock on its state directory is free.
  void startIfDead();
  Result<void> writeIdentity(const std::string& directory);
  void tellMachines();

  Options options_;
  const Authority& authority_;
  std::optional<os::Process> child_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sp::fleet
