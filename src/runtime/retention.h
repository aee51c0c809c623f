// Removes executions that ended long ago, with all that is kept for them, and definitions that nothing needs any more: in the background, a
// little at a time, so that no request waits for it. How much disk there is in use is told in the log after every sweep that removed
// something.
#pragma once
#include <functional>
#include <string>

#include "runtime/core.h"

namespace sp::runtime {

class Retention {
 public:
  /// Registers its timer: before the core starts. `core` outlives it. Executions are kept for `kept` after their end.
  Retention(Core& core, Duration kept);
  Retention(const Retention&) = delete;
  Retention& operator=(const Retention&) = delete;

  /// Begins the next sweep soon: at every start of the server. When the clock is set, one begins within an hour.
  void begin(store::Txn& txn);
  /// Called in the transaction in which an execution goes.
  void onGone(std::function<void(store::Txn&, const std::string& arn)> handler) { gone_.push_back(std::move(handler)); }

 private:
  static void arm(store::Txn& txn, Duration in);
  void sweep(store::Txn& txn, const store::Timer& timer);

  Core& core_;
  Duration kept_;
  std::uint64_t removed_ = 0;
  std::vector<std::function<void(store::Txn&, const std::string&)>> gone_;
};

}  // namespace sp::runtime
