// One holder a machine: a run or a backup job. Others wait in the order they came. Durable; core thread only.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/store.h"

namespace sp::runtime {

class MachineLock {
 public:
  /// Called in the transaction in which `holder` becomes the holder of `instance`. `holder_kind` is what stands before
  /// the first ':' of the holder ("run", "job"). Registered before the core starts.
  using Granted = std::function<void(store::Txn&, const std::string& instance, const std::string& holder)>;
  void onGranted(std::string holder_kind, Granted handler) { granted_[std::move(holder_kind)] = std::move(handler); }

  /// Takes a place in the queue; if the machine is free the grant happens within this call. Asking again is harmless.
  void acquire(store::Txn& txn, std::string_view instance, std::string_view holder);
  /// Gives up the machine or the place in the queue; the next in line is granted. Harmless when not held.
  void release(store::Txn& txn, std::string_view instance, std::string_view holder);
  std::optional<std::string> holder(store::Txn& txn, std::string_view instance) const;
  /// All who hold a machine or wait for it: machine and holder, those of a machine in their order.
  std::vector<std::pair<std::string, std::string>> queued(store::Txn& txn) const;

  /// Whether a holder of that kind has only its turn: it waits for something else before it touches the machine, and looks at it anew
  /// before it does. Registered before the core starts; holders of other kinds are at work.
  using Idle = std::function<bool(store::Txn&, const std::string& instance, const std::string& holder)>;
  void onIdle(std::string holder_kind, Idle asked) { idle_[std::move(holder_kind)] = std::move(asked); }
  /// Whether the machine is held by such a one, so that another may act on it meanwhile. False when nobody holds it.
  bool idle(store::Txn& txn, std::string_view instance) const;

  /// Whether a holder of that kind has ended and only pays what it owes to the machine: who removes the machine for good takes nothing
  /// from it. Registered before the core starts; holders of other kinds never do.
  void onPaying(std::string holder_kind, Idle asked) { paying_[std::move(holder_kind)] = std::move(asked); }
  /// False when nobody holds the machine.
  bool paying(store::Txn& txn, std::string_view instance) const;

 private:
  using Questions = std::map<std::string, Idle, std::less<>>;
  bool ask(store::Txn& txn, std::string_view instance, const Questions& questions) const;
  void grantNext(store::Txn& txn, std::string_view instance);
  std::map<std::string, Granted, std::less<>> granted_;
  Questions idle_;
  Questions paying_;
};

}  // namespace sp::runtime
