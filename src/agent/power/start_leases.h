// Machines that were stopped for their backups and are owed their start: who holds their power driver starts them by itself when the
// server has not renewed the lease. STATE/starts/i-…: {leaseMs, boot}, durable before the machine is asked to stop. Any thread.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace sp::agent {

class StartLeases {
 public:
  /// Starts the machine if it is due() when its turn has come, and then says paid() or retry(). On a thread of its own.
  using Start = std::function<void(const std::string& instance)>;
  /// It lives as long as the process.
  StartLeases(const std::string& state_dir, Start start) : directory_(state_dir + "/starts"), start_(std::move(start)) {}

  /// Takes up what is owed since an earlier process. After a boot of this host the server comes first for two minutes, or a lease. Once.
  void adopt();
  /// Errors "os.…": it is not written down, and the machine must not be stopped.
  Result<void> owe(const std::string& instance, std::int64_t lease_ms);
  /// Held for so long from now, if anything is owed; below 0: it is owed no longer.
  void renew(const std::string& instance, std::int64_t ms);
  void paid(const std::string& instance) { renew(instance, -1); }
  /// A start that was due did not help: due again after a pause, unless it was renewed meanwhile.
  void retry(const std::string& instance);
  bool owed(const std::string& instance) const;
  /// Whether its lease has ended.
  bool due(const std::string& instance) const;

 private:
  struct Lease {
    Duration until{0};
    unsigned tries = 0;
    bool starting = false;
  };
  /// With the mutex held.
  void setUntil(const std::string& instance, Duration until);
  void wake();
  void loop();
  bool startOn(const std::string& instance);

  const std::string directory_;
  const Start start_;
  const SystemClock clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Lease> leases_;
  bool looping_ = false;
};

}  // namespace sp::agent
