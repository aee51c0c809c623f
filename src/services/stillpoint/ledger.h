// The undo ledger: what Stillpoint owes to machines, durably, and its payer. Core thread only.
//
// A debt is written in the commit of the intent that makes it and ends by confirmation alone. While a lane lives, its
// own steps pay; once it is over (however its execution ended) the payer starts the machine, then sends the post-script
// as a numbered thaw of its freeze, and tries again for ever with growing pauses, across restarts: its clock is a timer
// row. quiesce/debt.h decides each move.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/debt.h"
#include "runtime/core.h"
#include "runtime/machine_lock.h"
#include "services/stillpoint/leases.h"
#include "services/stillpoint/ports.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {

class Ledger {
 public:
  /// Registers its timer: before the core starts. All given outlive it.
  Ledger(runtime::Core& core, runtime::MachineLock& locks, const Ports& ports);
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Writes an open debt of this lane; in the commit of the intent. An open one of that kind stays as it is.
  void owe(store::Txn& txn, const Lane& lane, quiesce::DebtKind kind, const std::string& freeze_id = "");
  /// Nothing was sent after all (the order was refused in this same job).
  void withdraw(store::Txn& txn, const Lane& lane, quiesce::DebtKind kind);
  /// What machines pay by themselves when the server is away.
  Leases& leases() { return leases_; }
  /// Sends the script that pays this open debt, as its next attempt; the lane's and the payer's way alike.
  Answer<std::string> sendPayment(store::Txn& txn, quiesce::Debt debt);

  /// The lane is over: pays what is open, then gives the machine up.
  void laneOver(store::Txn& txn, const std::string& execution, const std::string& instance);
  /// Looks at the lane's debts again: after any event of its machine, command, job or lock.
  void work(store::Txn& txn, const std::string& execution, const std::string& instance);

  /// Whether a payment to the machine is under way, or due and about to be made: who only waits there goes on waiting.
  bool paying(store::Txn& txn, const std::string& instance) const;

  /// A power change of the machine has ended; `error` says why it failed, if it did.
  void powerSettled(store::Txn& txn, const std::string& instance, const std::string& error);
  /// A paying command has ended.
  void commandEnded(store::Txn& txn, const std::string& execution, const ScriptEnd& end);
  /// A thaw that the machine ran by itself has ended; whether it has paid what was owed.
  bool guardEnded(store::Txn& txn, const std::string& execution, const ScriptEnd& end);
  /// A person stopped (suspends), started (resumes) or terminated (voids) the machine; `who` is the caller's ARN.
  void personActed(store::Txn& txn, const std::string& instance, const std::string& action, const std::string& who);
  /// A person asks for payment now: suspended debts are open again, pauses end. The debts that are open then.
  std::vector<quiesce::Debt> payNow(store::Txn& txn, const std::string& instance, const std::string& who);

  /// In the transaction in which a debt ends or a payment fails: the row must tell it.
  using Changed = std::function<void(store::Txn&, const std::string& execution)>;
  void onChanged(Changed listener) { changed_ = std::move(listener); }
  /// Every write of a debt. `failed`: a payment has just failed, and will be tried again. `before`: nullptr when there was none.
  using Written = std::function<void(store::Txn&, const quiesce::Debt* before, const quiesce::Debt& now, bool failed)>;
  void onWritten(Written listener) { written_ = std::move(listener); }

 private:
  void save(store::Txn& txn, const quiesce::Debt& debt, bool failed = false) const;
  bool act(store::Txn& txn, const Lane& lane, quiesce::Debt debt, bool start_owed);
  void clockSet(store::Txn& txn, Duration by);
  quiesce::Scene sceneOf(store::Txn& txn, const Lane& lane, bool start_owed) const;
  void settle(store::Txn& txn, quiesce::Debt debt, quiesce::DebtState state, const std::string& by);
  void tryLater(store::Txn& txn, quiesce::Debt debt, const std::string& error);
  void startMachine(store::Txn& txn, quiesce::Debt debt);
  void arrange(store::Txn& txn, const std::string& execution, const std::string& instance);
  bool holds(store::Txn& txn, const std::string& execution, const std::string& instance) const;
  void tellChanged(store::Txn& txn, const std::string& execution) const;

  runtime::MachineLock& locks_;
  Ports ports_;
  Leases leases_;
  Changed changed_;
  Written written_;
};

/// Where the lane of a command, a job or a task token is found: "cmd/ID", "job/ID", "tok/TOKEN".
struct LaneRef {
  std::string execution;
  std::string instance;
  /// "pre", "thaw", "post", "guard", "job", "step".
  std::string role;
};
void putLaneRef(store::Txn& txn, const std::string& subject, const LaneRef& ref);
std::optional<LaneRef> findLaneRef(store::Txn& txn, std::string_view subject);
void dropLaneRef(store::Txn& txn, std::string_view subject);

}  // namespace sp::services::stillpoint
