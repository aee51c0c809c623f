// Executions as the rest of the program sees them: start, stop, task outcomes. Everything here runs on the core thread
// inside the caller's transaction, so "the command ended" and "the execution went on" are one commit.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "store/store.h"

namespace sp::asl {
class Template;
}

namespace sp::runtime {

/// A Task state that waits for its integration.
struct TaskRequest {
  /// Names this attempt of this task for ever ("EXECUTION_ARN#7"): the idempotency key of all that is done for it.
  std::string token;
  std::string execution_arn;
  std::string machine_arn;
  std::string role_arn;
  /// The role that the state's Credentials name; empty: none.
  std::string task_role;
  std::string state_name;
  /// The Resource as written: "arn:aws:states:::ssm:sendCommand.sync".
  std::string resource;
  /// Effective parameters (Parameters applied, or the state's input).
  json::Value parameters;
  /// Parameters as the definition writes them; null: it writes none. Only while the task is started.
  const asl::Template* written = nullptr;
  /// 1 for the first try; grows with Retry; 1 again after a redrive.
  int attempt = 1;
  /// The event that entered the state: with the execution it names all tries of this visit, redriven ones too.
  std::int64_t entered = 0;
};

/// How an execution that did not succeed may go on, as far as what its tasks have begun decides it.
struct RedrivePlan {
  /// Why not now, as a sentence; empty: it may.
  std::string refused;
  /// Not where it failed: it enters the top-level Task with this Resource again, with the input that had. Empty: where it failed.
  std::string restart_at;
};

/// Does the work of tasks. Implemented by tasks/ (rank 6).
class TaskPort {
 public:
  virtual ~TaskPort() = default;
  /// Whether such a resource exists; asked when a definition is created.
  virtual bool knows(std::string_view resource) const = 0;
  /// What is wrong with the Parameters that a definition writes for that resource, a sentence each; null: it writes none. Asked when a
  /// definition is created; parameters that are computed are looked at when the task starts.
  virtual std::vector<std::string> refusedParameters(std::string_view resource, const json::Object* parameters) const {
    static_cast<void>(resource), static_cast<void>(parameters);
    return {};
  }
  /// Whether the activity with this ARN is there; asked when an execution comes to its task.
  virtual bool activityExists(store::Txn& txn, std::string_view arn) const {
    static_cast<void>(txn), static_cast<void>(arn);
    return true;
  }
  /// Called in the transaction of the step that entered the task, after its writes. The outcome comes through
  /// Executions::taskSucceeded or taskFailed: at once from within start(), or later by event.
  virtual void start(store::Txn& txn, const TaskRequest& request) = 0;
  /// The execution no longer waits for it (timeout, abort, a failed sibling).
  virtual void cancel(store::Txn& txn, std::string_view token) = 0;
  /// Asked of an ended execution before it is redriven, and when it is described.
  virtual RedrivePlan redrivePlan(store::Txn& txn, std::string_view execution) {
    static_cast<void>(txn), static_cast<void>(execution);
    return {};
  }
  /// It goes on: called in the transaction of its redrive, before its first step.
  virtual void redriven(store::Txn& txn, std::string_view execution) { static_cast<void>(txn), static_cast<void>(execution); }
};

class Executions {
 public:
  virtual ~Executions() = default;
  /// The outcome of a task. Unknown or settled tokens are ignored: duplicates are harmless.
  virtual void taskSucceeded(store::Txn& txn, std::string_view token, json::Value output) = 0;
  virtual void taskFailed(store::Txn& txn, std::string_view token, std::string error, std::string cause) = 0;
  /// What the integration answered when it took a task that ends later (".sync": the describe-style first answer);
  /// shown in history as TaskSubmitted. Optional.
  virtual void taskSubmitted(store::Txn& txn, std::string_view token, json::Value output) {
    static_cast<void>(txn), static_cast<void>(token), static_cast<void>(output);
  }
  /// Called in the transaction in which an execution ends, however it ends.
  using EndHandler = std::function<void(store::Txn&, const store::ExecutionRow&)>;
  virtual void onEnd(EndHandler handler) = 0;
};

}  // namespace sp::runtime
