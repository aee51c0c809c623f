// `aws-sdk:s3:…` of state machines. What is one job is done in the step's own transaction; what carries bytes (PutObject,
// GetObject, copies, parts) is a record from the commit that enters its task to the commit that ends it, so a call that was
// under way when the server died is made again.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "runtime/execution_runtime.h"
#include "services/context.h"
#include "services/s3/s3.h"

namespace sp::tasks {

class S3Calls {
 public:
  /// Both outlive it.
  S3Calls(services::Context& context, services::s3::S3& s3);
  S3Calls(const S3Calls&) = delete;
  S3Calls& operator=(const S3Calls&) = delete;
  ~S3Calls();

  void attach(runtime::ExecutionRuntime& executions);
  /// In the transaction that enters the task. `operation`: "PutObject", one that is served. `callback`: the task goes on waiting
  /// for its token. Core thread.
  void begin(store::Txn& txn, const runtime::TaskRequest& request, const std::string& operation, bool callback);
  /// The answer of this task is nobody's any more; what was begun is done all the same.
  static void cancel(store::Txn& txn, std::string_view token);
  /// Makes the calls again that were under way: the first job after every start.
  void recover(store::Txn& txn);
  /// Waits for what is under way; records make the rest again at the next start. Before the core stops.
  void stop();

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace sp::tasks
