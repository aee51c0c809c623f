// Ends executions that have been open for as long as any may be, a year on AWS. No timer for each: all that were started
// before now are due no earlier than the oldest of them.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
#pragma once
#include <string>

#include "runtime/core.h"
#include "runtime/execution_runtime.h"

namespace sp::runtime {

class LongestRun {
 public:
  /// Registers its timer: before the core starts. Both given outlive it. `longest` counts from an execution's start, or from
  /// its last redrive; setting the clock forward makes none older.
  LongestRun(Core& core, ExecutionRuntime& executions, Duration longest);
  LongestRun(const LongestRun&) = delete;
  LongestRun& operator=(const LongestRun&) = delete;

  /// Looks soon, and from then on when the next one is due: at every start of the server.
  void begin(store::Txn& txn);

 private:
  void look(store::Txn& txn);
  void clockSet(store::Txn& txn, Duration by);

  ExecutionRuntime& executions_;
  Duration longest_;
};

}  // namespace sp::runtime
