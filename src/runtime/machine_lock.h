// One holder a machine: a run or a backup job. Others wait in the order they came. Durable; core thread only.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

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

 private:
  void grantNext(store::Txn& txn, std::string_view instance);
  std::map<std::string, Granted, std::less<>> granted_;
};

}  // namespace sp::runtime
