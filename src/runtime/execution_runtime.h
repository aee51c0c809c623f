// Drives executions: load the state, step, write {state, history, timers} in the caller's transaction, hand the effects
// on within it. Whatever moves an execution (a task's outcome, a timer, a stop) is one commit with its reason, so there
// is nothing to repair after a crash: timers are rows, running tasks are remembered by who runs them.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "asl/definition.h"
#include "engine/step.h"
#include "runtime/core.h"
#include "runtime/executions.h"
#include "runtime/open_count.h"

namespace sp::runtime {

/// What an execution is started from. Names and limits were checked by the caller (services/states).
struct StartSpec {
  std::string arn;
  std::string name;
  std::string machine_arn;
  std::string machine_name;
  std::string role_arn;
  /// JSON, as given.
  std::string input;
  /// From definitions::add().
  std::string definition;
  /// Built-in machines: no limits of history, payload and concurrency.
  bool unlimited = false;
};

class ExecutionRuntime final : public Executions {
 public:
  /// `core` outlives it. Registers the timers of kind "execution": make it before core.start().
  explicit ExecutionRuntime(Core& core);
  ~ExecutionRuntime() override;

  /// Who does the tasks; before the first execution. Without one every Task fails.
  void setTasks(TaskPort& tasks) { tasks_ = &tasks; }
  void setLimits(const engine::Limits& limits) { limits_ = limits; }

  /// Whether executions can be started from a kept definition; an error says why not (an earlier version took it).
  Result<void> usable(store::Txn& txn, const std::string& definition);
  /// Starts an execution and runs it to its first wait. False if its ARN exists already.
  bool start(store::Txn& txn, const StartSpec& spec);
  /// Whether an ended execution can go on where it failed, and if not, why; as DescribeExecution tells it.
  struct Redrivable {
    bool possible = false;
    std::string reason;
  };
  Redrivable redrivable(store::Txn& txn, const store::ExecutionRow& row);
  /// Goes on where it failed; `token` (of the caller, may be empty) is kept in its description. False if it is not redrivable.
  bool redrive(store::Txn& txn, std::string_view arn, const std::string& token = "");
  /// An old execution is removed: forgets what it would be redriven from.
  static void gone(store::Txn& txn, std::string_view arn);
  /// Whether `limit` executions are open.
  bool openReached(store::Txn& txn, std::int64_t limit) { return open_.reached(txn, limit); }
  /// Ends a running execution as TIMED_OUT: it has been open for as long as any may be.
  void overdue(store::Txn& txn, std::string_view arn);
  /// Ends a running execution as ABORTED. False if it does not run.
  bool stop(store::Txn& txn, std::string_view arn, std::string error, std::string cause);

  void taskSucceeded(store::Txn& txn, std::string_view token, json::Value output) override;
  /// Keeps the output's very text.
  void taskSucceeded(store::Txn& txn, std::string_view token, engine::Payload output);
  void taskFailed(store::Txn& txn, std::string_view token, std::string error, std::string cause) override;
  /// The role it was to be done under may not be taken: States.TaskFailed, and caught as States.Permissions too.
  void taskForbidden(store::Txn& txn, std::string_view token, std::string cause);
  void taskSubmitted(store::Txn& txn, std::string_view token, json::Value output) override;
  /// A worker has taken the task of an activity; its timeout and heartbeat count from now.
  void taskStarted(store::Txn& txn, std::string_view token, std::string worker);
  /// Its time for a heartbeat begins anew.
  void taskHeartbeat(store::Txn& txn, std::string_view token);
  /// What is known of a token: the Resource of the Task state that waits for it, or why there is none.
  struct Waiting {
    enum class Kind { open, settled, unknown };
    Kind kind = Kind::unknown;
    std::string resource;
  };
  Waiting waitingFor(store::Txn& txn, std::string_view token);
  void onEnd(EndHandler handler) override { end_handlers_.push_back(std::move(handler)); }
  /// Called in the transaction in which an execution begins or is redriven, before its first step does anything. The row of one that ends
  /// within that step tells its end already.
  using BeginHandler = std::function<void(store::Txn&, const store::ExecutionRow&)>;
  void onBegin(BeginHandler handler) { begin_handlers_.push_back(std::move(handler)); }

 private:
  struct Cached;
  struct Work {
    std::string arn;
    std::variant<engine::Event, engine::Effect> what;
    std::shared_ptr<const engine::Identity> identity;
    std::shared_ptr<const asl::Definition> definition;
  };
  Result<std::shared_ptr<const asl::Definition>> definitionFor(store::Txn& txn, const std::string& name);
  /// nullptr: it has ended, or cannot go on and has ended with that.
  std::shared_ptr<Cached> load(store::Txn& txn, const std::string& arn);
  void keep(const std::string& arn, std::shared_ptr<Cached> cached);
  void forget(const std::string& arn);
  void forgetUndone();
  void post(store::Txn& txn, std::string arn, engine::Event event);
  void drive(store::Txn& txn);
  void handle(store::Txn& txn, const std::string& arn, const engine::Event& event);
  /// `ended_row`: the row as inserted, if it ended within its first step.
  void write(store::Txn& txn, const std::string& arn, Cached& cached, engine::Transition transition,
             const store::ExecutionRow* ended_row = nullptr);
  void finish(store::Txn& txn, const std::string& arn, const engine::Finish& end, const store::ExecutionRow* ended_row);
  void perform(store::Txn& txn, const Work& work, const engine::Effect& effect);
  engine::Inputs inputs(store::Txn& txn);
  engine::Limits limitsOf(const engine::Identity& identity) const;
  RedrivePlan planOf(store::Txn& txn, const store::ExecutionRow& row, const asl::Definition* definition);

  Core& core_;
  TaskPort* tasks_ = nullptr;
  engine::Limits limits_;
  OpenCount open_;
  std::vector<EndHandler> end_handlers_;
  std::vector<BeginHandler> begin_handlers_;
  std::unordered_map<std::string, std::shared_ptr<const asl::Definition>> definitions_;
  std::unordered_map<std::string, std::shared_ptr<Cached>> cache_;
  std::size_t cache_bytes_ = 0;
  std::deque<Work> work_;
  bool driving_ = false;
  std::uint64_t seed_ = 0;
};

}  // namespace sp::runtime
