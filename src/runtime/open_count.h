// How many executions are open, without counting them at every start. Core thread only.
#pragma once
#include <cstdint>

#include "store/store.h"

namespace sp::runtime {

/// What it holds is never less than the truth: a start counts at once, an end once it is committed, and what is rolled back
/// is found out by counting anew when the limit seems reached.
class OpenCount {
 public:
  /// Whether at least `limit` run.
  bool reached(store::Txn& txn, std::int64_t limit);
  /// One was started or redriven and goes on running.
  void opened() {
    if (open_ >= 0) ++open_;
  }
  /// One that ran has ended.
  void ended(store::Txn& txn);

 private:
  void count(store::Txn& txn);

  /// -1: not counted yet.
  std::int64_t open_ = -1;
  Instant counted_;
  /// Ends told before the last count are in it.
  std::uint64_t generation_ = 0;
};

}  // namespace sp::runtime
