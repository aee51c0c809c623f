// The agent's part of the dead-man's thaw: keeps each freeze's lease, answers the server's questions about it, and thaws by itself when
// the lease has ended or the machine has booted. That it happens although this process is dead or hangs is guard_process.h's.
//
// A freeze is armed before its pre-script begins: its post-script's files are fetched, the guard's process lives, and the journal
// knows the order (Freeze::guard), which stays there until a thaw has succeeded.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/guard/lease_files.h"
#include "agent/guard/order.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/request_handler.h"
#include "base/clock.h"
#include "os/process.h"

namespace sp::agent {

/// What it asks of the requests' keeper. Any thread.
class GuardedRequests {
 public:
  virtual ~GuardedRequests() = default;
  /// Writes down what `change` makes of the freeze's record. Errors as Journal::setFreeze.
  virtual Result<void> changeFreeze(const std::string& freeze_id, const std::function<void(Freeze&)>& change) = 0;
  /// Accepts a thaw of the agent's own and starts it.
  virtual Result<void> beginThaw(const json::Object& request) = 0;
  /// Whether a thaw of that freeze runs or waits for its turn.
  virtual bool thawUnderWay(const std::string& freeze_id) const = 0;
};

class Guards {
 public:
  /// All given live as long as the process.
  Guards(Journal& journal, const Identity& identity, Outbox& outbox, GuardedRequests& requests);
  Guards(const Guards&) = delete;
  Guards& operator=(const Guards&) = delete;

  /// Before a pre-script: nothing if it comes without a post-script, or is armed already. An error: it must not run. The
  /// request's own thread; may wait for the server.
  Result<void> arm(RequestContext& context, const std::string& freeze_id);
  /// Takes up what an earlier process, or an earlier boot, had armed; nothing is thawed before begin(). `thawing`: freezes whose thaw is
  /// about to be taken up too. Once.
  void adopt(const std::set<std::string>& thawing);
  /// All requests of before are taken up. False: no thread could be had to wait for the leases.
  bool begin();
  /// "lease" of the server. Session's thread.
  void onLease(const json::Object& message);
  /// A thaw of that freeze has ended, its record is written.
  void thawEnded(const std::string& freeze_id);
  /// Whether there is nothing to do before the next lease's end.
  bool idle() const;

 private:
  struct Lease {
    Duration until{0};
    /// A thaw by itself was begun and has not ended.
    bool thawing = false;
    /// What broke it, also where that could not be written down.
    std::string broken{};
  };
  Result<void> notYetOver(const std::string& freeze_id) const;
  Result<void> armWith(RequestContext& context, const std::string& freeze_id, GuardOrder asked);
  Result<GuardOrder> keepFiles(RequestContext& context, const std::string& freeze_id, GuardOrder order) const;
  Result<void> startProcess();
  void noteReboot(const std::string& freeze_id);
  void writeUntil(const std::string& freeze_id, Lease& lease, Duration until);
  std::vector<std::string> takeDue(Duration now);
  /// With the mutex held. False: see begin().
  bool wake();
  void loop();
  void thaw(const std::string& freeze_id);

  Journal& journal_;
  const Identity& identity_;
  Outbox& outbox_;
  GuardedRequests& requests_;
  const SystemClock clock_;
  const LeaseFiles files_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Lease> leases_;
  bool begun_ = false;
  bool looping_ = false;
  std::mutex process_mutex_;
  std::optional<os::Process> process_;
};

}  // namespace sp::agent
