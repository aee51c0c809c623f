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
#include "services/events/chains.h"
#include "services/events/destinations/hooks.h"
#include "services/events/follow/followers.h"
#include "services/events/queue.h"
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
  /// Forgets, when an execution ends, that an event started it. Once, before the core starts, after whoever tells of that end.
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

  /// Whether anybody could want such an event of the default bus now: a rule that is enabled, by its pattern's source and detail-type, or
  /// who follows the bus.
  /// Asked of each change of everything, so it costs next to nothing.
  bool wanted(store::Txn& txn, std::string_view source, std::string_view type);
  /// Puts an event that a service of ours tells of a change on the default bus, in the commit of that change. Writes nothing if no rule's
  /// pattern matches it.
  void tell(store::Txn& txn, std::string_view source, std::string_view type, const std::vector<std::string>& resources, json::Object detail,
            const Chain& chain);

  /// Follows what happens on a bus from now on; an empty pattern: everything. Errors "events.unknown" (no such bus), "schedule.pattern",
  /// "feed.many".
  Result<std::shared_ptr<Follower>> follow(store::Txn& txn, const std::string& bus, std::string_view pattern);

  Chains& chains() { return chains_; }
  Hooks& hooks() { return hooks_; }
  Context& context() { return context_; }

 private:
  struct Compiled;

  /// False: the step is to be undone.
  bool routeSome(store::Txn& txn);
  /// How many deliveries it made.
  std::size_t route(store::Txn& txn, const store::Record& record);
  delivery::Started start(store::Txn& txn, const json::Object& delivery) override;
  void gaveUp(store::Txn& txn, const json::Object& delivery, const delivery::Failure& failure, std::string_view why) override;
  std::string messageOf(const json::Object& delivery) const override;
  json::Object attributesOf(const json::Object& delivery) const override;
  json::Object again(store::Txn& txn, json::Object delivery) const override;
  delivery::Started startExecution(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input);
  delivery::Started sendCommand(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input);
  /// What the target is given; empty: nothing (an InputPath that leads nowhere). A failure is final: it would be larger than 256 KiB, or
  /// its paths lead to too much.
  static std::expected<std::string, delivery::Failure> inputOf(const json::Object& delivery);
  delivery::Started forward(store::Txn& txn, const json::Object& delivery, const std::string& arn);
  void due(store::Txn& txn, const store::Timer& timer);
  /// Sets the timer for the rule's next time, if it has any.
  static void arm(store::Txn& txn, const std::string& key, const json::Object& rule);
  /// A clock that was put back: timers would come as late as it was ahead.
  static void clockSet(store::Txn& txn, Duration by);
  void keep(store::Txn& txn, json::Object event);
  /// Whether an event of this chain, of so many bytes, is not to be delivered any more; the first time it is told.
  bool overrun(store::Txn& txn, const Chain& chain, const json::Object& event, std::size_t bytes, const json::Object& rule);
  /// To those that follow its bus, once it is durable.
  void show(store::Txn& txn, const json::Object& event) const;
  /// Writes in an event's record where it stands.
  static void mark(json::Object& event, const Chain& chain);
  /// Of the default bus.
  json::Object newEvent(store::Txn& txn, std::string_view source, std::string_view type);
  std::shared_ptr<const Compiled> compiled(store::Txn& txn, const std::string& bus);
  std::shared_ptr<const Compiled> compile(store::Txn& txn, const std::string& bus) const;

  Context& context_;
  delivery::Deliveries& deliveries_;
  Chains chains_;
  Hooks hooks_;
  Followers followers_;
  std::map<std::string, std::shared_ptr<const Compiled>, std::less<>> compiled_;
  /// Buses whose rules a batch has changed that may not be durable yet: the time of that batch.
  std::map<std::string, Instant, std::less<>> unsettled_;
  std::uint64_t kept_ = 0;
  /// As the step that is under way counts them; null: it has not counted any yet.
  std::shared_ptr<ChainCounts> counting_;
  ChainCounts counts_{kMostOfAChain, kMostBytesOfAChain, 1024};
};

}  // namespace sp::services::events
