#include "services/delivery/deliveries.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"

namespace sp::services::delivery {
namespace {

/// One for each target, to be started now.
constexpr std::string_view kDelivery = "event_delivery";
/// The same, after a failure, until its timer of kind kRetry (same key) comes.
constexpr std::string_view kWaiting = "event_waiting";
constexpr std::string_view kRetry = "event_retry";
constexpr std::string_view kNotPassing = "the failure is not a passing one";
constexpr std::size_t kMoved = 1'000;
constexpr std::size_t kMostMessage = 1024;
// Of one commit: so much that a disk's fsync is well used, so little that nobody waits long behind it.
constexpr std::size_t kBatch = 64;
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
/// After a step that could not be made durable (a full disk) the next is tried so much later.
constexpr Duration kAgain = std::chrono::seconds(1);
constexpr Duration kFirstPause = std::chrono::seconds(1);
constexpr Duration kLongestPause = std::chrono::minutes(5);
// What may be over the next time; anything else (a machine that is not there, an input it refuses) will be refused again.
constexpr std::array<std::string_view, 5> kPassing = {"ExecutionLimitExceeded", "ThrottlingException", "InternalFailure",
                                                      "InternalServerError", "ServiceUnavailable"};

json::Object policyOf(const json::Object& delivery) {
  const auto* target = json::find(delivery, "target");
  const auto* given = target != nullptr && target->is_object() ? json::find(target->get_object(), "RetryPolicy") : nullptr;
  return given != nullptr && given->is_object() ? given->get_object() : json::Object();
}

Duration ageOf(const json::Object& delivery, Instant now) { return now - fromMicros(json::intOr(delivery, "since", 0)); }

Duration mostAgeOf(const json::Object& policy) { return std::chrono::seconds(json::intOr(policy, "MaximumEventAgeInSeconds", 86'400)); }

}  // namespace

bool isTooOld(const json::Object& delivery, Instant now) { return ageOf(delivery, now) >= mostAgeOf(policyOf(delivery)); }

Started startedBy(const aws::Outcome& outcome) {
  if (outcome) return {};
  const auto& error = outcome.error();
  return std::unexpected(
      Failure{error.code, error.message, error.status >= 500 || std::ranges::find(kPassing, error.code) != kPassing.end()});
}

// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
std::string_view deadLetterCode(const Failure& failure) {
  const std::string_view code = failure.code;
  // It is one already.
  if (code.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string_view::npos) return code;
  const auto any = [&](std::initializer_list<std::string_view> parts) {
    return std::ranges::any_of(parts, [&](std::string_view part) { return code.find(part) != std::string_view::npos; });
  };
  if (any({"Throttling", "TooManyRequests"})) return "THROTTLING";
  if (any({"LimitExceeded"})) return "RESOURCE_LIMIT_EXCEEDED";
  if (any({"DoesNotExist", "NotFound", "InvalidDocument", "InvalidTarget", "InvalidInstanceId"})) return "NO_RESOURCE";
  if (any({"AccessDenied", "NotAuthorized"})) return "NO_PERMISSIONS";
  if (any({"InvalidExecutionInput", "MalformedDetail"})) return "INVALID_JSON";
  if (any({"Internal", "ServiceUnavailable"})) return "INTERNAL_ERROR";
  if (any({"Validation", "Invalid"})) return "INVALID_PARAMETER";
  return "ERROR_FROM_TARGET";
}

Deliveries::Deliveries(Context& context) : context_(context), letters_(context) {
  context_.core.onClockSet([](store::Txn& txn, Duration by) { shift(txn, always(by)); });
  context_.core.onTimer(std::string(kRetry), [this](store::Txn& txn, const store::Timer& timer) {
    // It is ready again.
    if (const auto body = txn.records().get(kWaiting, timer.id)) {
      txn.records().erase(kWaiting, timer.id);
      txn.records().put(kDelivery, timer.id, *body);
      wake(txn);
    }
  });
}

void moveAges(store::Txn& txn, std::string_view kind, const Shift& shift, const Moved& moved) {
  std::string after;
  for (bool more = true; more;) {
    const auto records = txn.records().scan(kind, "", after, kMoved);
    for (const auto& record : records) {
      auto delivery = decode(record.body);
      const auto by = delivery.empty() ? Duration(0) : shift(delivery);
      if (by.count() == 0) continue;
      for (const auto* member : {"since", "next"})
        if (auto* moment = delivery.if_contains(member); moment != nullptr && moment->is_int64())
          *moment = moment->get_int64() + by.count();
      txn.records().put(kind, record.key, json::toText(delivery));
      if (moved) moved(record.key, delivery);
    }
    more = records.size() == kMoved;
    if (more) after = records.back().key;
  }
}

Shift always(Duration by) {
  return [by](const json::Object&) { return by; };
}

Shift outOfTheFuture(Instant now) {
  return [now](const json::Object& delivery) { return std::min(ageOf(delivery, now), Duration(0)); };
}

void Deliveries::shift(store::Txn& txn, const Shift& shift) {
  moveAges(txn, kDelivery, shift);
  moveAges(txn, kWaiting, shift, [&txn](const std::string& key, const json::Object& delivery) {
    const auto next = json::intOr(delivery, "next", 0);
    if (next > 0) txn.timers().set({std::string(kRetry), key, fromMicros(next), ""});
  });
}

void Deliveries::recover(store::Txn& txn) {
  shift(txn, outOfTheFuture(txn.now()));
  wake(txn);
}

void Deliveries::serve(const std::vector<aws::ServiceTable>& tables) {
  for (const auto& table : tables)
    for (const auto& operation : table.operations) operations_.emplace(table.signing_name + ":" + operation.name, operation);
}

aws::Outcome Deliveries::call(store::Txn& txn, std::string_view operation, const json::Object& input, const std::string& id) {
  const auto found = operations_.find(operation);
  if (found == operations_.end()) return aws::refuse("InvalidTarget", fmt::format("{} is not served here.", operation));
  const aws::Principal principal{"", context_.realm.arn("iam", "root"), context_.realm.account, context_.realm.account};
  aws::Outcome outcome = aws::refuse("InternalFailure", "not called", 500);
  txn.nested([&] {
    outcome = found->second.handler({input, &txn, principal, context_.realm, id, id, txn.now()});
    return outcome.has_value();
  });
  return outcome;
}

void Deliveries::put(store::Txn& txn, std::string_view key, const json::Object& delivery) {
  txn.records().put(kDelivery, key, json::toText(delivery));
  wake(txn);
}

void Deliveries::wake(store::Txn& txn) {
  txn.afterCommit([this] { handOn(); });
}

void Deliveries::handOn() {
  if (scheduled_) return;
  scheduled_ = true;
  auto done = std::make_shared<bool>(false);
  context_.core.post(
      [this, done](store::Txn& txn) {
        scheduled_ = false;
        return *done = work(txn);
      },
      [this, done](const Error* error) {
        if (error == nullptr && *done) return;
        scheduled_ = false;
        log::warn("events wait: they could not be handed on", {{"error", error == nullptr ? "the step was undone" : error->text()}});
        // Nothing durable can tell us when there is room again.
        context_.core.waiters().add("events", context_.core.clock().now() + kAgain, [this] { handOn(); });
      });
}

// What is ready to be delivered goes first: events wait in the outbox, where they take the least room.
bool Deliveries::work(store::Txn& txn) {
  const auto deliveries = txn.records().scan(kDelivery, "", "", kBatch);
  std::size_t bytes = 0;
  for (const auto& record : deliveries) {
    if (bytes >= kBatchBytes) break;
    bytes += deliver(txn, record);
  }
  if (deliveries.size() == kBatch || bytes >= kBatchBytes) {
    wake(txn);
    return true;
  }
  return std::ranges::all_of(idle_, [&](const auto& step) { return step(txn); });
}

std::size_t Deliveries::deliver(store::Txn& txn, const store::Record& record) {
  txn.records().erase(kDelivery, record.key);
  auto delivery = events_.whole(txn, decode(record.body));
  const auto bytes = record.body.size() + SharedEvents::bytesOf(delivery);
  auto* sender = senderOf(delivery);
  if (delivery.empty() || sender == nullptr) {
    log::error("a delivery of an event cannot be read and is dropped", {{"key", record.key}});
    return bytes;
  }
  if (const auto started = sender->start(txn, delivery); !started) {
    retryOrGiveUp(txn, record.key, std::move(delivery), *sender, started.error());
    return bytes;
  }
  SharedEvents::release(txn, delivery);
  static_cast<void>(failpoint::hit("events.started"));
  return bytes;
}

Sender* Deliveries::senderOf(const json::Object& delivery) const {
  const auto found = senders_.find(json::textOr(delivery, "from"));
  return found == senders_.end() ? nullptr : found->second;
}

void Deliveries::retryOrGiveUp(store::Txn& txn, const std::string& key, json::Object delivery, Sender& sender, const Failure& failure) {
  const auto policy = policyOf(delivery);
  const auto tried = json::intOr(delivery, "attempts", 0);
  if (!failure.retry) return giveUp(txn, std::move(delivery), sender, failure, kNotPassing);
  const bool old = isTooOld(delivery, txn.now());
  if (!old && tried >= json::intOr(policy, "MaximumRetryAttempts", 185))
    return giveUp(txn, std::move(delivery), sender, failure, "MaximumRetryAttempts");
  // It would be too old then.
  if (old || ageOf(delivery, txn.now()) + failure.after >= mostAgeOf(policy))
    return giveUp(txn, std::move(delivery), sender, failure, "MaximumEventAgeInSeconds");
  const auto own = std::min(kLongestPause, kFirstPause * (std::int64_t{1} << std::min<std::int64_t>(tried, 10)));
  const auto pause = std::max(own, failure.after);
  const Duration jitter(static_cast<std::int64_t>(context_.random.below(static_cast<std::uint64_t>(own.count() / 2))));
  const auto next = txn.now() + pause + jitter;
  delivery["attempts"] = tried + 1;
  delivery["next"] = toMicros(next);
  txn.records().put(kWaiting, key, SharedEvents::kept(delivery));
  txn.timers().set({std::string(kRetry), key, next, ""});
}

void Deliveries::failed(store::Txn& txn, const std::string& key, json::Object delivery, const Failure& failure) {
  auto* sender = senderOf(delivery);
  if (delivery.empty() || sender == nullptr) return log::error("a delivery of an event cannot be read and is dropped", {{"key", key}});
  retryOrGiveUp(txn, key, std::move(delivery), *sender, failure);
}

void Deliveries::giveUp(store::Txn& txn, json::Object given, Sender& sender, const Failure& failure, std::string_view why) {
  const auto delivery = events_.whole(txn, std::move(given));
  if (delivery.empty()) return log::error("a delivery of an event cannot be read and is dropped", {{"error", failure.code}});
  SharedEvents::release(txn, delivery);
  sender.gaveUp(txn, delivery, failure, why);
  const auto queue = deadLetterQueueOf(delivery.at("target").get_object());
  if (queue.empty()) return;
  auto attributes = sender.attributesOf(delivery);
  attributes["ERROR_CODE"] = deadLetterCode(failure);
  attributes["ERROR_MESSAGE"] = cutText(fmt::format("{}: {}", failure.code, failure.message), kMostMessage);
  if (why != kNotPassing) attributes["EXHAUSTED_RETRY_CONDITION"] = why;
  attributes["RETRY_ATTEMPTS"] = fmt::format("{}", json::intOr(delivery, "attempts", 0));
  letters_.keep(txn, queue, std::move(attributes), SharedEvents::apart(delivery));
  static_cast<void>(failpoint::hit("events.dead"));
}

std::string Deliveries::messageOf(const json::Object& delivery) const {
  const auto* sender = senderOf(delivery);
  return sender == nullptr || delivery.empty() ? "" : sender->messageOf(delivery);
}

bool Deliveries::resend(store::Txn& txn, const std::string& queue, std::string_view id) {
  auto letter = DeadLetters::find(txn, queue, id);
  if (!letter) return false;
  auto delivery = std::move(letter->delivery);
  if (delivery.empty()) {
    log::error("a dead letter cannot be read and is not sent again", {{"queue", queue}, {"letter", id}});
    return false;
  }
  letters_.remove(txn, queue, id);
  if (const auto* sender = senderOf(delivery)) delivery = sender->again(txn, std::move(delivery));
  delivery["attempts"] = 0;
  delivery["since"] = toMicros(txn.now());
  put(txn, fmt::format("{:020}/{}", toMicros(txn.now()), id), delivery);
  return true;
}

}  // namespace sp::services::delivery
