// One process of the simulated installation: the core, the runtime, activities and the operations that drive executions,
// without the wire, over a store that outlives it. Its tasks are done by the world outside.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "runtime/execution_runtime.h"
#include "services/states/operations.h"
#include "sim_store.h"

namespace sp::sim {

/// The resources of simulated state machines: answered within the step, by an integration later, by whoever holds the token.
inline constexpr const char* kNow = "arn:aws:states:::sim:now";
inline constexpr const char* kLater = "arn:aws:states:::sim:later";
inline constexpr const char* kCallback = "arn:aws:states:::sim:send.waitForTaskToken";
/// And of activities, of which there is one.
inline constexpr const char* kActivity = "arn:aws:states:us-east-1:000000000000:activity:work";

/// A task as it is begun.
struct Asked {
  enum class Kind { now, later, callback, activity };
  Kind kind = Kind::now;
  /// The runtime's name of it.
  std::string token = {};
  std::string execution = {};
  /// Without the token that callbacks are given.
  json::Value parameters = {};
  std::int64_t attempt = 1;
  /// How often its execution had been redriven.
  std::int64_t redrives = 0;
  Instant begun = {};

  /// Which task of which try it is, in words that do not depend on the order of things.
  std::string key() const;
};

/// What whoever does a task does with it.
struct Plan {
  enum class End { succeeds, fails, silent };
  End end = End::succeeds;
  json::Value output = {};
  std::string error = {};
  std::string cause = {};
  /// When it answers, counted from when it got the task.
  Duration after{0};
  /// Heartbeats before that, and the time between them.
  int beats = 0;
  Duration between{0};
  /// How often it tells its answer.
  int answers = 1;
};

/// The world as the server knows it.
class Outside {
 public:
  virtual ~Outside() = default;
  /// Called as a task is begun, perhaps in a transaction that comes to nothing.
  virtual const Plan& begun(const Asked& asked) = 0;
  /// The task leaves the server; after a restart perhaps once more. `callback`: what the answer is to name, empty for an
  /// integration's.
  virtual void deliver(const std::string& token, const std::string& callback) = 0;
  /// Nobody waits for it any more; perhaps in a transaction that comes to nothing.
  virtual void cancelled(const std::string& token) = 0;
  /// An execution's end is told.
  virtual void ended(store::Txn& txn, const store::ExecutionRow& row) = 0;
  /// Something was seen that must never be.
  virtual void broken(std::string what) = 0;
};

struct Execution {
  std::string arn;
  std::string machine;
  std::string definition;
  std::string input;
};

class Server {
 public:
  /// All given outlive it. It begins with sending out again what had no answer.
  Server(Data& data, const Clock& clock, Random& random, Outside& outside, const engine::Limits& limits, SimStore::Decide decide,
         SimStore::Told told);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// nullptr: no answer came, whoever asked does not know what became of it.
  using Reply = std::function<void(const aws::Outcome*)>;
  enum class Operation { get_activity_task, send_task_success, send_task_failure, send_task_heartbeat, stop, redrive };
  void call(Operation operation, json::Object input, Reply reply);
  /// Starts an execution; one that is there already is fine.
  void start(const Execution& execution, Reply reply);
  /// What an integration came to. The answer has a member "taken" if somebody waited for it.
  void answer(const std::string& token, const Plan& plan, Reply reply);
  /// What goes to the holder of a token has left.
  void sent(const std::string& token, Reply reply);
  runtime::Core& core();

 private:
  class Tasks;
  struct Parts;
  struct Exchange;
  void attempt(const std::shared_ptr<Exchange>& exchange);
  bool work(const std::shared_ptr<Exchange>& exchange, store::Txn& txn);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sp::sim
