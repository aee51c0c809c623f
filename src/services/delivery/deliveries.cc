#include "services/delivery/deliveries.h"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"

namespace sp::services::delivery {
namespace {

/// One for each target, to be started now.
constexpr std::string_view kDelivery = "event_delivery";
/// The same, after a failure, until its timer of kind kRetry (same key) comes.
constexpr std::string_view kWaiting = "event_waiting";
constexpr std::string_view kRetry = "event_retry";
// Of one commit: so much that a disk's fsync is well used, so little that nobody waits long behind it.
constexpr std::size_t kBatch = 64;
/// After a step that could not be made durable (a full disk) the next is tried so much later.
constexpr Duration kAgain = std::chrono::seconds(1);
constexpr Duration kFirstPause = std::chrono::seconds(1);
constexpr Duration kLongestPause = std::chrono::minutes(5);
// What may be over the next time; anything else (a machine that is not there, an input it refuses) will be refused again.
constexpr std::array<std::string_view, 5> kPassing = {"ExecutionLimitExceeded", "ThrottlingException", "InternalFailure",
                                                      "InternalServerError", "ServiceUnavailable"};

}  // namespace

json::Object decode(std::string_view body) {
  // A Detail may be 1,000 deep; around it stand an event and a delivery.
  auto parsed = json::parse(body, 1'010);
  return parsed && parsed->is_object() ? std::move(parsed->get_object()) : json::Object();
}

Started startedBy(const aws::Outcome& outcome) {
  if (outcome) return {};
  const auto& error = outcome.error();
  return std::unexpected(
      Failure{error.code, error.message, error.status >= 500 || std::ranges::find(kPassing, error.code) != kPassing.end()});
}

Deliveries::Deliveries(Context& context) : context_(context) {
  context_.core.onTimer(std::string(kRetry), [this](store::Txn& txn, const store::Timer& timer) {
    // It is ready again.
    if (const auto body = txn.records().get(kWaiting, timer.id)) {
      txn.records().erase(kWaiting, timer.id);
      txn.records().put(kDelivery, timer.id, *body);
      wake(txn);
    }
  });
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
  for (const auto& record : deliveries) deliver(txn, record);
  if (deliveries.size() == kBatch) {
    wake(txn);
    return true;
  }
  return std::ranges::all_of(idle_, [&](const auto& step) { return step(txn); });
}

void Deliveries::deliver(store::Txn& txn, const store::Record& record) {
  txn.records().erase(kDelivery, record.key);
  auto delivery = decode(record.body);
  const auto sender = senders_.find(json::textOr(delivery, "from"));
  if (delivery.empty() || sender == senders_.end())
    return log::error("a delivery of an event cannot be read and is dropped", {{"key", record.key}});
  const auto started = sender->second->start(txn, delivery);
  if (!started) return retryOrGiveUp(txn, record.key, std::move(delivery), *sender->second, started.error());
  static_cast<void>(failpoint::hit("events.started"));
}

void Deliveries::retryOrGiveUp(store::Txn& txn, const std::string& key, json::Object delivery, Sender& sender, const Failure& failure) {
  json::Object policy;
  if (const auto* given = json::find(delivery.at("target").get_object(), "RetryPolicy"); given != nullptr && given->is_object())
    policy = given->get_object();
  const auto tried = json::intOr(delivery, "attempts", 0);
  const Duration age = txn.now() - fromMicros(json::intOr(delivery, "since", 0));
  if (!failure.retry) return sender.gaveUp(txn, delivery, failure, "the failure is not a passing one");
  if (tried >= json::intOr(policy, "MaximumRetryAttempts", 185)) return sender.gaveUp(txn, delivery, failure, "MaximumRetryAttempts");
  if (age >= std::chrono::seconds(json::intOr(policy, "MaximumEventAgeInSeconds", 86'400)))
    return sender.gaveUp(txn, delivery, failure, "MaximumEventAgeInSeconds");
  const auto pause = std::min(kLongestPause, kFirstPause * (std::int64_t{1} << std::min<std::int64_t>(tried, 10)));
  delivery["attempts"] = tried + 1;
  txn.records().put(kWaiting, key, json::toText(delivery));
  const Duration jitter(static_cast<std::int64_t>(context_.random.below(static_cast<std::uint64_t>(pause.count() / 2))));
  txn.timers().set({std::string(kRetry), key, txn.now() + pause + jitter, ""});
}

}  // namespace sp::services::delivery
