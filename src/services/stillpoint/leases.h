// What machines undo by themselves when the server has been away for too long: their thaws, promised with the freezes, and their
// starts, kept by whoever holds the driver. Core thread only.
//
// While such a debt is open its lease is renewed at a third of its length and as soon as the agent is there, so the machine waits for the
// server and not for the clock; but for a thaw that the server has failed to pay, which the machine is to try as well. A lease is only
// told, never stored; what is stored is the debt, and a timer row for each lane.
#pragma once
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "quiesce/debt.h"
#include "runtime/core.h"
#include "services/stillpoint/ports.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {

class Leases {
 public:
  static constexpr std::chrono::milliseconds kDefault = std::chrono::seconds(300);

  /// Registers its timer: before the core starts. All given outlive it.
  Leases(runtime::Core& core, const Ports& ports);
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  /// For how long a machine waits for the server. Before the core starts.
  void setLength(std::chrono::milliseconds length) { length_ = length; }
  std::chrono::milliseconds length() const { return length_; }

  /// "lease" of a freeze. `stops`: the run stops the machine, whose next boot then waits for the server for a while.
  json::Object ofFreeze(bool stops) const;
  /// What the machine is promised with the freeze.
  Answer<std::string> promiseThaw(store::Txn& txn, const Lane& lane, const Script& post, const std::string& freeze_id) const;

  /// A debt of this lane was written whose machine may pay it by itself.
  void begin(store::Txn& txn, const std::string& execution, const std::string& instance, quiesce::DebtKind kind);
  /// It has ended, or a person has taken it over.
  void startOver(store::Txn& txn, const std::string& instance) const;
  /// The agent's session is up.
  void connected(store::Txn& txn, const std::string& agent);

 private:
  void renew(store::Txn& txn, const std::string& execution, const std::string& instance);
  void everything(store::Txn& txn) const;
  /// Agents that hold, or held, the driver of a machine whose start is owed.
  std::set<std::string, std::less<>>& holders(store::Txn& txn);

  Ports ports_;
  std::chrono::milliseconds length_ = kDefault;
  std::optional<std::set<std::string, std::less<>>> holders_;
};

}  // namespace sp::services::stillpoint
