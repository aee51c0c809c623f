// states:startExecution in its four patterns: an execution as a task of another.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
#pragma once
#include <optional>
#include <string>
#include <string_view>

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
json::Object nestedEnded(const store::ExecutionRow& row, bool parsed);

/// Which task waits for which execution. Core thread only.
class NestedExecutions {
 public:
  /// The task `token` waits for the end of the execution `child`.
  static void await(store::Txn& txn, std::string_view token, std::string_view child, bool parsed);
  struct Parent {
    std::string token;
    bool parsed = false;
  };
  /// Who waits for it; forgotten with this call.
  static std::optional<Parent> take(store::Txn& txn, std::string_view child);
  /// The task is over: forgets its wait and tells for which execution it was.
  static std::optional<std::string> withdraw(store::Txn& txn, std::string_view token);
};

}  // namespace sp::tasks
