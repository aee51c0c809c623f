// states:startExecution in its four patterns: an execution as a task of another.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/execution_runtime.h"
#include "store/store.h"
#include "tasks/naming.h"

namespace sp::tasks {

/// The parameters as StartExecution's input: an Input of null is none, and one that is no text is written as JSON.
json::Object nestedInput(const json::Object& parameters);
/// StartExecution's answer as the optimised integration gives it: times in milliseconds.
json::Object nestedStarted(const json::Object& output);
/// What an ended execution is told as: DescribeExecution's answer in Step Functions' names, input and output as JSON texts,
/// or as JSON when `parsed`.
json::Object nestedEnded(store::Txn& txn, const store::ExecutionRow& row, bool parsed);

/// Which tasks wait for which execution: several where they gave it one name and one input. Core thread only.
class NestedExecutions {
 public:
  /// The task waits for the end of the execution `child`, which is remembered until it has succeeded: a redriven task goes
  /// on with it.
  static void await(store::Txn& txn, const runtime::TaskRequest& request, std::string_view child, bool parsed);
  struct Parent {
    std::string token;
    bool parsed = false;
  };
  /// The execution that the last try of this visit of the state waited for, if it did not succeed while somebody waited.
  static std::optional<std::string> lastChild(store::Txn& txn, const runtime::TaskRequest& request);
  /// An old execution is removed: forgets the children it would be redriven with.
  static void gone(store::Txn& txn, std::string_view execution);
  /// All that wait for it; forgotten with this call, and the child too once it has succeeded.
  static std::vector<Parent> take(store::Txn& txn, const store::ExecutionRow& child);
  /// The task is over: forgets its wait and tells for which execution it was, unless others wait for that one still.
  static std::optional<std::string> withdraw(store::Txn& txn, std::string_view token);
};

}  // namespace sp::tasks
