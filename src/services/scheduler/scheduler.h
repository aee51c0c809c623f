// Amazon EventBridge Scheduler: schedules in groups, and what they start.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/Welcome.html
//
// A schedule that runs again has one timer, for its next time. When it comes, the delivery of that time and the timer of the next are one
// commit; the delivery (services/delivery) starts its target under an id made from schedule and time. Core thread only.
#pragma once
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "services/context.h"
#include "services/delivery/deliveries.h"
#include "services/events/events.h"
#include "services/scheduler/records.h"
#include "services/scheduler/sdk_calls.h"

namespace sp::services::scheduler {

class Scheduler final : private delivery::Sender {
 public:
  /// Takes the core's timers: before it starts. All outlive this.
  Scheduler(Context& context, delivery::Deliveries& deliveries, events::Events& events);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Who makes the calls of universal targets; once, before the core starts. Without, there are none.
  void attach(SdkCalls& sdk) { sdk_ = &sdk; }
  /// Signing name "scheduler", REST-JSON. This outlives the table.
  aws::ServiceTable makeScheduler();
  /// The default group is always there: the first job after every start.
  void recover(store::Txn& txn);

  /// Sets the timer of a schedule that was written; none if it does not run any more.
  void arm(store::Txn& txn, const json::Object& schedule);
  /// Removes a schedule, with its timer and its place in the count.
  void remove(store::Txn& txn, const json::Object& schedule);
  /// Removes some of a group's schedules; true: it has no more, and is removed too.
  bool removeSome(store::Txn& txn, const std::string& group);

  Context& context() { return context_; }
  const SdkCalls* sdk() const { return sdk_; }

 private:
  void due(store::Txn& txn, const store::Timer& timer);
  /// arm(), for the first time after `after` that has not run.
  void armAfter(store::Txn& txn, const json::Object& schedule, Instant after);
  /// Sets the timers of some schedules by a clock that was put back: they would come as late as it was ahead.
  void armSome(store::Txn& txn, const store::Timer& timer);
  void tellMissed(store::Txn& txn, const json::Object& schedule, Instant first, const schedule::Due& due);
  delivery::Started start(store::Txn& txn, const json::Object& delivery) override;
  void gaveUp(store::Txn& txn, const json::Object& delivery, const delivery::Failure& failure, std::string_view why) override;
  std::string messageOf(const json::Object& delivery) const override;
  json::Object attributesOf(const json::Object& delivery) const override;
  json::Object again(store::Txn& txn, json::Object delivery) const override;
  std::string inputOf(const json::Object& delivery) const;
  delivery::Started sendEvent(store::Txn& txn, const json::Object& target, const std::string& schedule, std::string input);

  Context& context_;
  delivery::Deliveries& deliveries_;
  events::Events& events_;
  SdkCalls* sdk_ = nullptr;
};

}  // namespace sp::services::scheduler
