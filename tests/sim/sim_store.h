// A store in memory that loses things on command: what is committed lives in Data, everything else dies with a crash.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace sp::sim {

/// All that is durable.
struct Data {
  std::map<std::pair<std::string, std::string>, std::string> records;
  /// (kind, id) → timer and the order in which it was set.
  std::map<std::pair<std::string, std::string>, std::pair<store::Timer, std::uint64_t>> timers;
  std::uint64_t timer_sequence = 0;
  std::map<std::string, store::ExecutionRow> executions;
  std::map<std::string, std::vector<std::string>> history;
};

/// What happens to the next batch.
enum class Fault {
  none,
  /// Nothing of it becomes durable, the store says so (a full disk).
  lost,
  /// Nothing of it becomes durable, the process dies.
  crash_before,
  /// It is durable, but nobody is told: the process dies.
  crash_after,
};

class SimStore final : public store::Store {
 public:
  explicit SimStore(Data& data) : data_(data) {}
  /// Decides about each batch; asked before its commit.
  std::function<Fault()> fault = [] { return Fault::none; };
  /// The process is dead: nothing is done any more.
  bool crashed = false;

  Result<std::vector<bool>> run(const std::vector<store::Job>& jobs, Instant now) override;

 private:
  Data& data_;
};

}  // namespace sp::sim
