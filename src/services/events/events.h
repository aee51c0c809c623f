// Amazon EventBridge: buses, rules and their targets, and the way of an event from PutEvents to what it starts.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/Welcome.html
//
// An accepted event is a record. Batches on the core thread turn events into deliveries, one for each target of each rule that
// wants the event, and deliveries into what they start (services/delivery); each step is one commit, so a kill between two of them neither
// loses an event nor starts anything twice. Core thread only.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "runtime/executions.h"
#include "services/context.h"
#include "services/delivery/deliveries.h"
#include "services/events/records.h"

namespace sp::services::events {

/// Where events come from that no client sent.
struct Origin {
  /// Added to the resources of each event.
  std::vector<std::string> resources;
  /// ARN of the execution that sends; empty: a client of the API.
  std::string execution;
};

class Events final : private delivery::Sender {
 public:
  /// Takes the core's timers: before it starts. Both outlive this.
  Events(Context& context, delivery::Deliveries& deliveries);
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  /// Signing name "events", JSON 1.1. This outlives the table.
  aws::ServiceTable makeEvents();
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

  /// Puts an event of Stillpoint's own (source "stillpoint.events") on the default bus; `hops`: of how many events, one set off by the
  /// other, it is the next.
  void report(store::Txn& txn, std::string_view type, json::Object detail, std::int64_t hops);

  Context& context() { return context_; }

 private:
  struct Compiled;

  /// False: the step is to be undone.
  bool routeSome(store::Txn& txn);
  void route(store::Txn& txn, const store::Record& record);
  delivery::Started start(store::Txn& txn, const json::Object& delivery) override;
  void gaveUp(store::Txn& txn, const json::Object& delivery, const delivery::Failure& failure, std::string_view why) override;
  delivery::Started startExecution(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input);
  delivery::Started sendCommand(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input);
  delivery::Started forward(store::Txn& txn, const json::Object& delivery, const std::string& arn);
  void due(store::Txn& txn, const store::Timer& timer);
  void keep(store::Txn& txn, json::Object event);
  const Compiled& compiled(store::Txn& txn, const std::string& bus);

  Context& context_;
  delivery::Deliveries& deliveries_;
  std::map<std::string, std::shared_ptr<const Compiled>, std::less<>> compiled_;
  std::uint64_t kept_ = 0;
};

}  // namespace sp::services::events
