#include "services/scheduler/scheduler.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "services/ran_record.h"
#include "services/scheduler/operations.h"
#include "services/scheduler/targets.h"

namespace sp::services::scheduler {
namespace {

constexpr std::string_view kFrom = "schedule";
// Of one commit: nobody waits long behind it.
constexpr std::size_t kRemovedAtOnce = 500;
constexpr std::size_t kArmedAtOnce = 500;
constexpr Duration kTokenLife = std::chrono::hours(24);
// Its time zone may come back with tzdata.
constexpr Duration kUnreadablePause = std::chrono::hours(1);
// Of a timer's payload: not the time that comes, but one after which the next is to be looked for.
constexpr std::string_view kAfter = "after ";

Duration oldestOf(const json::Object& schedule) {
  const auto& policy = schedule.at("Target").get_object().at("RetryPolicy").get_object();
  return std::chrono::seconds(json::intOr(policy, "MaximumEventAgeInSeconds", 86'400));
}

// What a target is told when its schedule has no input.
json::Object notification(const Realm& realm, const std::string& schedule, const std::string& id, Instant time) {
  return {{"version", "0"},
          {"id", id},
          {"detail-type", "Scheduled Event"},
          {"source", "aws.scheduler"},
          {"account", realm.account},
          {"time", toIso8601Seconds(time)},
          {"region", realm.region},
          {"resources", json::Array{schedule}},
          {"detail", "{}"}};
}

}  // namespace

Scheduler::Scheduler(Context& context, delivery::Deliveries& deliveries, events::Events& events)
    : context_(context), deliveries_(deliveries), events_(events) {
  context_.core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) { due(txn, timer); });
  context_.core.onTimer(std::string(kClockTimer), [this](store::Txn& txn, const store::Timer& timer) { armSome(txn, timer); });
  context_.core.onDatesSet([](store::Txn& txn, Duration by) {
    if (by >= Duration(0)) return;
    txn.timers().set({std::string(kClockTimer), fmt::format("{}", toMicros(txn.now())), txn.now(), fmt::format("{} ", by.count())});
  });
  context_.core.onTimer(std::string(kDeleting), [this](store::Txn& txn, const store::Timer& timer) { removeSome(txn, timer.id); });
  context_.core.onTimer(std::string(kToken), [](store::Txn& txn, const store::Timer& timer) { txn.records().erase(kToken, timer.id); });
  deliveries_.add(std::string(kFrom), *this);
}

aws::ServiceTable Scheduler::makeScheduler() {
  aws::ServiceTable table{"scheduler", aws::Protocol::restJson, "", "", {}};
  for (auto operations : {scheduleOperations(*this), groupOperations(*this)})
    std::ranges::move(operations, std::back_inserter(table.operations));
  return table;
}

void Scheduler::recover(store::Txn& txn) {
  if (txn.records().get(kGroup, kDefaultGroup)) return;
  saveGroup(txn, {{"Name", kDefaultGroup},
                  {"Arn", groupArn(context_.realm, kDefaultGroup)},
                  {"State", "ACTIVE"},
                  {"created", toMicros(txn.now())},
                  {"modified", toMicros(txn.now())},
                  {"tags", json::Object()}});
}

void Scheduler::arm(store::Txn& txn, const json::Object& schedule) {
  // A time that has come and waits within its window still runs.
  armAfter(txn, schedule, std::max(txn.now() - windowOf(schedule), momentOf(schedule, "since").value_or(txn.now())) - Duration(1));
}

void Scheduler::armAfter(store::Txn& txn, const json::Object& schedule, Instant after) {
  const auto key = scheduleKey(json::textOr(schedule, "GroupName"), json::textOr(schedule, "Name"));
  txn.timers().drop(kTimer, key);
  if (json::textOr(schedule, "State") != "ENABLED") return;
  const auto recurrence = recurrenceOf(schedule);
  if (!recurrence) {
    log::error("a schedule cannot be read", {{"schedule", json::textOr(schedule, "Arn")}, {"error", recurrence.error().text()}});
    return txn.timers().set({std::string(kTimer), key, txn.now() + kUnreadablePause, fmt::format("{}{}", kAfter, toMicros(after))});
  }
  // None runs twice when the clock was set back.
  const auto next = ranOf(schedule).next([&](Instant time) { return recurrence->next(time); }, after);
  if (!next) return;
  const auto delay = schedule::delayIn(windowOf(schedule), json::textOr(schedule, "id"), *next);
  txn.timers().set({std::string(kTimer), key, *next + delay, fmt::format("{}", toMicros(*next))});
}

void Scheduler::remove(store::Txn& txn, const json::Object& schedule) {
  const auto key = scheduleKey(json::textOr(schedule, "GroupName"), json::textOr(schedule, "Name"));
  txn.timers().drop(kTimer, key);
  if (txn.records().erase(kSchedule, key)) saveCount(txn, countOf(txn) - 1);
}

bool Scheduler::removeSome(store::Txn& txn, const std::string& group) {
  const auto records = txn.records().scan(kSchedule, scheduleKey(group, ""), "", kRemovedAtOnce);
  for (const auto& record : records) remove(txn, decode(record.body));
  if (records.size() < kRemovedAtOnce) {
    txn.records().erase(kGroup, group);
    return true;
  }
  txn.timers().set({std::string(kDeleting), group, txn.now(), ""});
  return false;
}

// A schedule's time has come, now or while the server was down.
void Scheduler::due(store::Txn& txn, const store::Timer& timer) {
  const auto body = txn.records().get(kSchedule, timer.id);
  if (!body) return;
  auto schedule = decode(*body);
  const bool unread = timer.payload.starts_with(kAfter);
  auto time = parseInt(unread ? timer.payload.substr(kAfter.size()) : timer.payload);
  const auto recurrence = recurrenceOf(schedule);
  const auto group = findGroup(txn, json::textOr(schedule, "GroupName"));
  if (!time || !recurrence) {
    log::error("a schedule cannot be read", {{"schedule", json::textOr(schedule, "Arn")},
                                             {"error", recurrence ? "its timer: " + timer.payload : recurrence.error().text()}});
    if (time) txn.timers().set({std::string(kTimer), timer.id, txn.now() + kUnreadablePause, timer.payload});
    return;
  }
  if (json::textOr(schedule, "State") != "ENABLED" || !group || json::textOr(*group, "State") != "ACTIVE") return;
  // What has run did so before the clock was put back, and on again over it.
  auto ran = ranOf(schedule);
  if (unread) {
    const auto first = ran.next([&](Instant after) { return recurrence->next(after); }, fromMicros(*time));
    if (!first || *first + schedule::delayIn(windowOf(schedule), json::textOr(schedule, "id"), *first) > txn.now())
      return armAfter(txn, schedule, fromMicros(*time));
    time = toMicros(*first);
  }
  const auto due = recurrence->due(fromMicros(*time), txn.now(), oldestOf(schedule), ran);
  if (due.missed > 0) tellMissed(txn, schedule, fromMicros(*time), due);
  if (due.run) {
    const auto id = schedule::occurrenceId(json::textOr(schedule, "id"), *due.run);
    deliveries_.put(txn, fmt::format("{:020}/{}", toMicros(txn.now()), id),
                    {{"from", kFrom},
                     {"schedule", schedule.at("Arn")},
                     {"time", toMicros(*due.run)},
                     {"id", id},
                     {"target", schedule.at("Target")},
                     {"attempts", 0},
                     {"since", toMicros(txn.now())}});
  }
  if (!due.next && json::textOr(schedule, "ActionAfterCompletion") == "DELETE") return remove(txn, schedule);
  ran.add([&](Instant after) { return recurrence->next(after); }, due.latest);
  schedule.erase("last");
  schedule["ran"] = ran.text();
  // What was told as missed stays so, though a window that is opened later reaches back to it.
  if (due.missed > 0) schedule["since"] = toMicros(due.latest);
  saveSchedule(txn, schedule);
  armAfter(txn, schedule, due.latest);
  static_cast<void>(failpoint::hit("schedule.due"));
}

void Scheduler::armSome(store::Txn& txn, const store::Timer& timer) {
  const auto blank = timer.payload.find(' ');
  const Duration by(parseInt(timer.payload.substr(0, blank)).value_or(0));
  const auto records = txn.records().scan(kSchedule, "", blank == std::string::npos ? "" : timer.payload.substr(blank + 1), kArmedAtOnce);
  for (const auto& record : records) {
    auto schedule = decode(record.body);
    const auto before = schedule;
    // Both lie in the future now: nothing would run until then.
    if (momentOf(schedule, "since").value_or(Instant{}) > txn.now()) schedule["since"] = toMicros(txn.now());
    if (const auto anchor = momentOf(schedule, "anchor"); anchor && *anchor > txn.now()) schedule["anchor"] = toMicros(*anchor + by);
    if (-by > schedule::kOtherDates) {
      for (const auto* key : {"ran", "last"}) schedule.erase(key);
      // Its times have ids of their own again.
      schedule["id"] = context_.random.uuid();
    }
    if (schedule != before) saveSchedule(txn, schedule);
    if (!comeTimer(txn, kTimer, record.key)) arm(txn, schedule);
  }
  if (records.size() < kArmedAtOnce) return;
  txn.timers().set({std::string(kClockTimer), timer.id, txn.now(), fmt::format("{} {}", by.count(), records.back().key)});
}

void Scheduler::tellMissed(store::Txn& txn, const json::Object& schedule, Instant first, const schedule::Due& due) {
  const auto arn = json::textOr(schedule, "Arn");
  log::warn(due.run ? "runs of a schedule were missed; the latest is made up for" : "runs of a schedule were missed",
            {{"schedule", arn}, {"missed", static_cast<std::int64_t>(due.missed)}, {"first", toIso8601Seconds(first)}});
  json::Object detail{{"schedule", arn}, {"missed", due.missed}, {"first", toIso8601Seconds(first)}};
  if (due.run) detail["made-up-for"] = toIso8601Seconds(*due.run);
  events_.report(txn, "Scheduled Runs Missed", std::move(detail), 0);
}

// The target's input with its context filled in, or what a target is told that has none.
std::string Scheduler::inputOf(const json::Object& delivery) const {
  const auto& target = delivery.at("target").get_object();
  const auto schedule = json::textOr(delivery, "schedule");
  const auto id = json::textOr(delivery, "id");
  const auto time = momentOf(delivery, "time").value_or(Instant{});
  auto input = schedule::fillContext(json::textOr(target, "Input"), {schedule, time, id, json::intOr(delivery, "attempts", 0) + 1});
  if (!input.empty()) return input;
  return sdkTargetOf(json::textOr(target, "Arn")) ? "{}" : json::toText(notification(context_.realm, schedule, id, time));
}

delivery::Started Scheduler::start(store::Txn& txn, const json::Object& delivery) {
  const auto& target = delivery.at("target").get_object();
  const auto arn = json::textOr(target, "Arn");
  const auto schedule = json::textOr(delivery, "schedule");
  const auto id = json::textOr(delivery, "id");
  auto input = inputOf(delivery);
  if (const auto sdk = sdkTargetOf(arn)) {
    const auto parameters = json::parse(input);
    if (!parameters || !parameters->is_object() || sdk_ == nullptr || !sdk_->knowsSdk(sdk->service, sdk->action))
      return std::unexpected(delivery::Failure{"InvalidTarget", fmt::format("{} cannot be called here.", arn)});
    return delivery::startedBy(sdk_->callSdk(txn, sdk->service, sdk->action, parameters->get_object(), id));
  }
  const auto parsed = Arn::parse(arn);
  if (parsed && parsed->service == "events") return sendEvent(txn, target, schedule, std::move(input));
  const auto outcome = deliveries_.call(txn, "states:StartExecution", {{"stateMachineArn", arn}, {"name", id}, {"input", input}}, id);
  // It was started before.
  if (!outcome && outcome.error().code == "ExecutionAlreadyExists") return {};
  return delivery::startedBy(outcome);
}

delivery::Started Scheduler::sendEvent(store::Txn& txn, const json::Object& target, const std::string& schedule, std::string input) {
  const auto bus = events::busNameOf(context_.realm, json::textOr(target, "Arn"));
  if (const auto found = events::findBus(txn, bus); !found)
    return std::unexpected(delivery::Failure{found.error().code, found.error().message});
  const auto& parameters = target.at("EventBridgeParameters").get_object();
  const json::Object entry{{"Source", parameters.at("Source")},
                           {"DetailType", parameters.at("DetailType")},
                           {"Detail", std::move(input)},
                           {"EventBusName", bus}};
  aws::Outcome outcome = aws::refuse("InternalFailure", "not called", 500);
  txn.nested([&] {
    outcome = events_.putEvents(txn, {entry}, {{schedule}, ""});
    return outcome && !events::Events::anyFailed(*outcome);
  });
  if (!outcome || !events::Events::anyFailed(*outcome)) return delivery::startedBy(outcome);
  const auto& first = outcome->at("Entries").get_array().at(0).get_object();
  return std::unexpected(delivery::Failure{json::textOr(first, "ErrorCode"), json::textOr(first, "ErrorMessage")});
}

void Scheduler::gaveUp(store::Txn& txn, const json::Object& delivery, const delivery::Failure& failure, std::string_view why) {
  const auto& target = delivery.at("target").get_object();
  const auto time = toIso8601Seconds(momentOf(delivery, "time").value_or(Instant{}));
  log::warn("a schedule's target could not be started", {{"schedule", json::textOr(delivery, "schedule")},
                                                         {"time", time},
                                                         {"target", json::textOr(target, "Arn")},
                                                         {"error", failure.code},
                                                         {"message", failure.message}});
  events_.report(txn, "Schedule Delivery Failed",
                 {{"schedule", delivery.at("schedule")},
                  {"scheduled-time", time},
                  {"execution-id", delivery.at("id")},
                  {"target", target.at("Arn")},
                  {"error-code", failure.code},
                  {"error-message", failure.message},
                  {"exhausted", why},
                  {"retry-attempts", json::intOr(delivery, "attempts", 0)}},
                 1);
}

std::string Scheduler::messageOf(const json::Object& delivery) const { return inputOf(delivery); }

json::Object Scheduler::attributesOf(const json::Object& delivery) const {
  return {{"SCHEDULE_ARN", delivery.at("schedule")},
          {"TARGET_ARN", delivery.at("target").get_object().at("Arn")},
          {"SCHEDULED_TIME", toIso8601Seconds(momentOf(delivery, "time").value_or(Instant{}))}};
}

json::Object Scheduler::again(store::Txn& txn, json::Object delivery) const {
  const auto arn = Arn::parse(json::textOr(delivery, "schedule"));
  const auto parts = arn ? split(arn->resource, '/') : std::vector<std::string_view>();
  if (parts.size() != 3) return delivery;
  if (const auto body = txn.records().get(kSchedule, scheduleKey(parts[1], parts[2]))) delivery["target"] = decode(*body).at("Target");
  return delivery;
}

bool wasDone(store::Txn& txn, std::string_view operation, const std::string& token) {
  return !token.empty() && txn.records().get(kToken, fmt::format("{}/{}", operation, token)).has_value();
}

void remember(store::Txn& txn, std::string_view operation, const std::string& token) {
  if (token.empty()) return;
  const auto key = fmt::format("{}/{}", operation, token);
  txn.records().put(kToken, key, "{}");
  txn.timers().set({std::string(kToken), key, txn.now() + kTokenLife, ""});
}

}  // namespace sp::services::scheduler
