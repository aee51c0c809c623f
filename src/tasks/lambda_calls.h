// Invocations of Lambda functions at the endpoint that the configuration names (lambda.endpoint), over Lambda's own Invoke API.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
//
// A call is a record from the commit that enters its task to the commit that ends it, so a call that was under way when the
// server died is made again: at least once, always with the same id.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/web_client.h"
#include "runtime/execution_runtime.h"
#include "services/context.h"
#include "tasks/naming.h"

namespace sp::tasks {

/// What is asked of a function, and how its answer becomes the task's.
struct LambdaCall {
  /// Name or ARN.
  std::string function;
  std::string qualifier;
  /// "RequestResponse", "Event", "DryRun".
  std::string invocation_type;
  std::string client_context;
  /// JSON text; empty: none.
  std::string payload;
  /// The Resource is the function itself: its bare payload is the result.
  bool bare = false;
  /// The task goes on waiting for its token.
  bool callback = false;

  json::Object encode() const;
  static LambdaCall decode(const json::Object& record);
};

/// An InvocationType that Lambda does not know, in Lambda's words; nullopt: it does.
std::optional<TaskError> badInvocation(const LambdaCall& call, std::string_view request_id);

/// The call a Task makes; nullopt if the parameters name no function.
std::optional<LambdaCall> lambdaCall(std::string_view resource, const json::Value& parameters);

/// A function's answer as a task's outcome: an error, or its result as JSON text.
struct LambdaOutcome {
  std::optional<TaskError> error;
  std::string result;
  /// It was not read: it is larger than any execution takes.
  bool too_large = false;
};
LambdaOutcome lambdaOutcome(const LambdaCall& call, const net::Response& response, std::string_view request_id);

/// Core thread only.
class LambdaCalls {
 public:
  /// `endpoint`: "http://HOST:PORT" or with https, or empty: every call fails saying so. `context` outlives the calls, `web` too until it
  /// is stopped: before the core is.
  LambdaCalls(services::Context& context, net::WebClient& web, std::string endpoint);
  LambdaCalls(const LambdaCalls&) = delete;
  LambdaCalls& operator=(const LambdaCalls&) = delete;

  void attach(runtime::ExecutionRuntime& executions) { executions_ = &executions; }
  /// In the transaction that enters the task.
  void begin(store::Txn& txn, const std::string& token, const LambdaCall& call);
  /// The answer of this task is nobody's any more.
  void cancel(store::Txn& txn, std::string_view token);
  /// Makes the calls again that were under way: the first job after every start.
  void recover(store::Txn& txn);

  /// What a configuration may say: "", "http://HOST[:PORT]" or the same with https. The error names what is wanted.
  static Result<void> checkEndpoint(std::string_view endpoint);

 private:
  struct Work {
    std::string token;
    LambdaCall call;
  };
  void push(std::shared_ptr<const Work> work);
  /// Sends what waits, as long as not too many are under way.
  void next();
  /// Until its commit stands.
  void settle(std::shared_ptr<const Work> work, std::shared_ptr<const LambdaOutcome> outcome);

  services::Context& context_;
  net::WebClient& web_;
  /// Without a slash at its end.
  std::string endpoint_;
  runtime::ExecutionRuntime* executions_ = nullptr;
  std::deque<std::shared_ptr<const Work>> queue_;
  std::size_t under_way_ = 0;
};

}  // namespace sp::tasks
