#include "runtime/open_count.h"

namespace sp::runtime {
namespace {

// Counting a million takes tens of milliseconds: no more often than this while the limit is reached.
constexpr Duration kBetweenCounts = std::chrono::seconds(1);

}  // namespace

bool OpenCount::reached(store::Txn& txn, std::int64_t limit) {
  if (open_ < 0) count(txn);
  else if (open_ >= limit && (txn.now() - counted_ >= kBetweenCounts || txn.now() < counted_)) count(txn);
  return open_ >= limit;
}

void OpenCount::ended(store::Txn& txn) {
  if (open_ < 0) return;
  txn.afterCommit([this, generation = generation_] {
    if (generation == generation_) --open_;
  });
}

void OpenCount::count(store::Txn& txn) {
  open_ = static_cast<std::int64_t>(txn.executions().countRunning());
  counted_ = txn.now();
  ++generation_;
}

}  // namespace sp::runtime
