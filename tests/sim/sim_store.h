// A store in memory that loses things on command: what is committed lives in Data, everything else dies with a crash.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"

namespace sp::sim {

/// All that is durable.
struct Data {
  struct Record {
    std::string body;
    /// Index → value.
    std::map<std::string, std::string, std::less<>> indexed;
  };
  using Name = std::pair<std::string, std::string>;
  std::map<Name, Record> records;
  /// (kind, id) → timer and the order in which it was set.
  std::map<Name, std::pair<store::Timer, std::uint64_t>> timers;
  std::uint64_t timer_sequence = 0;
  std::map<std::string, store::ExecutionRow, std::less<>> executions;
  std::map<std::string, std::vector<std::string>, std::less<>> history;
};

/// What becomes of a batch that writes.
struct Fault {
  enum class Kind {
    none,
    /// Nothing of it becomes durable, the store says so (a full disk).
    lost,
    /// Its write number `at` (from 0) fails: the store gives up the whole batch in the middle of a job. With fewer writes: none.
    torn,
    /// It is durable, but the store says that it is not, and nothing follows it.
    unsure,
    /// Nothing of it becomes durable, the process dies.
    crash_before,
    /// It is durable, nothing that follows it is done: the process dies.
    crash_after,
    /// It is durable and what follows it is done, then the process dies.
    crash_acted,
  };
  Kind kind = Kind::none;
  std::uint64_t at = 0;
};

/// Thrown out of a batch: the process is dead.
struct Died {};

class SimStore final : public store::Store {
 public:
  /// Decides about each batch before it begins; what it says counts only if the batch writes.
  using Decide = std::function<Fault()>;
  /// Told of each batch that wrote: what became of it, how much it wrote.
  using Told = std::function<void(Fault::Kind, std::uint64_t writes)>;
  SimStore(Data& data, Decide decide, Told told) : data_(data), decide_(std::move(decide)), told_(std::move(told)) {}

  Result<std::vector<bool>> run(const std::vector<store::Job>& jobs, Instant now) override;

 private:
  Data& data_;
  Decide decide_;
  Told told_;
};

}  // namespace sp::sim
