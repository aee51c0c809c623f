// Amazon EventBridge: buses, rules and their targets, and the way of an event from PutEvents to what it starts.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/Welcome.html
//
// An accepted event is a record. Batches on the core thread turn events into deliveries, one for each target of each rule that
// wants the event, and deliveries into what they start; each step is one commit, so a kill between two of them neither loses an
// event nor starts anything twice. Core thread only.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "runtime/executions.h"
#include "services/context.h"
#include "services/events/records.h"

namespace sp::services::events {

/// Where events come from that no client sent.
struct Origin {
  /// Added to the resources of each event.
  std::vector<std::string> resources;
  /// ARN of the execution that sends; empty: a client of the API.
  std::string execution;
};

class Events {
 public:
  /// Takes the core's timers: before it starts. `context` outlives this.
  explicit Events(Context& context);
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  /// Signing name "events", JSON 1.1. This outlives the table.
  aws::ServiceTable makeEvents();
  /// Operations that targets are started by ("states", "ssm"); once, before the core starts.
  void serve(const std::vector<aws::ServiceTable>& tables);
  /// Forgets, when an execution ends, that an event started it. Once, before the core starts.
  void attach(runtime::Executions& executions);
  /// Goes on with what was under way: the first job after every start.
  void recover(store::Txn& txn);

  /// PutEvents: {"Entries":[{"EventId"} or {"ErrorCode","ErrorMessage"}],"FailedEntryCount"}, or ValidationException.
  aws::Outcome putEvents(store::Txn& txn, const json::Array& entries, const Origin& origin);
  /// Whether an entry of such an answer failed.
  static bool anyFailed(const json::Object& answer) { return json::intOr(answer, "FailedEntryCount", 0) > 0; }

  /// A rule was written or removed: compiled forms are made anew, its timer set or dropped.
  void ruleChanged(store::Txn& txn, const json::Object& rule, bool removed);

  Context& context() { return context_; }

 private:
  struct Compiled;
  struct Failure {
    std::string code;
    std::string message;
    bool retry = false;
  };

  /// After the commit the events that are under way go a step further.
  void wake(store::Txn& txn);
  void handOn();
  /// False: the step is to be undone.
  bool work(store::Txn& txn);
  void route(store::Txn& txn, const store::Record& record);
  void deliver(store::Txn& txn, const store::Record& record);
  void retryOrGiveUp(store::Txn& txn, const std::string& key, json::Object delivery, const Failure& failure);
  std::expected<void, Failure> start(store::Txn& txn, const json::Object& delivery);
  std::expected<void, Failure> startExecution(store::Txn& txn, const json::Object& delivery, const std::string& arn,
                                              const std::string& input);
  std::expected<void, Failure> sendCommand(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input);
  std::expected<void, Failure> forward(store::Txn& txn, const json::Object& delivery, const std::string& arn);
  aws::Outcome call(store::Txn& txn, std::string_view operation, const json::Object& input, const std::string& id);
  void due(store::Txn& txn, const store::Timer& timer);
  /// Puts an event of Stillpoint's own about events on the default bus.
  void report(store::Txn& txn, std::string_view type, json::Object detail, std::int64_t hops);
  void keep(store::Txn& txn, json::Object event);
  const Compiled& compiled(store::Txn& txn, const std::string& bus);

  Context& context_;
  std::map<std::string, aws::Operation, std::less<>> operations_;
  std::map<std::string, std::shared_ptr<const Compiled>, std::less<>> compiled_;
  std::uint64_t kept_ = 0;
  bool scheduled_ = false;
};

}  // namespace sp::services::events
