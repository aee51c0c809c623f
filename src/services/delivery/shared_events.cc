#include "services/delivery/shared_events.h"

#include <algorithm>

#include "base/log.h"
#include "services/delivery/record_text.h"

namespace sp::services::delivery {
namespace {

constexpr std::string_view kBody = "event_shared";
/// By the same key: {"deliveries": so many are not over}. A record of its own, so that the event is written once.
constexpr std::string_view kUses = "event_shared_uses";
// What sharing saves must be worth its records.
constexpr std::size_t kWorthwhile = 4096;

std::int64_t usesOf(store::Txn& txn, std::string_view key) {
  const auto body = txn.records().get(kUses, key);
  return body ? json::intOr(decode(*body), "deliveries", 0) : 0;
}

void setUses(store::Txn& txn, std::string_view key, std::int64_t uses) {
  txn.records().put(kUses, key, json::toText(json::Object{{"deliveries", uses}}));
}

}  // namespace

bool SharedEvents::worthwhile(std::size_t bytes, std::size_t deliveries) {
  return deliveries > 1 && bytes * (deliveries - 1) > kWorthwhile;
}

void SharedEvents::share(store::Txn& txn, std::string_view key, std::string_view text, std::int64_t deliveries) {
  const auto uses = usesOf(txn, key);
  if (uses == 0) txn.records().put(kBody, key, text);
  setUses(txn, key, uses + deliveries);
}

void SharedEvents::name(json::Object& delivery, std::string_view key, std::size_t bytes) {
  delivery["of"] = key;
  delivery["size"] = bytes;
}

json::Object SharedEvents::whole(store::Txn& txn, json::Object delivery) {
  const auto key = json::textOr(delivery, "of");
  if (key.empty() || delivery.contains("event")) return delivery;
  if (key != last_key_) {
    const auto body = txn.records().get(kBody, key);
    auto event = body ? decode(*body) : json::Object();
    if (event.empty()) {
      log::error("the event of a delivery is not there", {{"event", key}});
      return {};
    }
    last_ = std::move(event);
    last_key_ = key;
  }
  delivery["event"] = last_;
  return delivery;
}

std::string SharedEvents::kept(const json::Object& delivery) {
  if (!delivery.contains("of") || !delivery.contains("event")) return json::toText(delivery);
  json::Object small;
  for (const auto& member : delivery)
    if (member.key() != "event") small.emplace(member.key(), member.value());
  return json::toText(small);
}

json::Object SharedEvents::apart(json::Object whole) {
  whole.erase("of");
  whole.erase("size");
  return whole;
}

void SharedEvents::retain(store::Txn& txn, const json::Object& delivery) {
  if (const auto key = json::textOr(delivery, "of"); !key.empty()) setUses(txn, key, usesOf(txn, key) + 1);
}

void SharedEvents::release(store::Txn& txn, const json::Object& delivery) {
  const auto key = json::textOr(delivery, "of");
  if (key.empty()) return;
  const auto uses = usesOf(txn, key);
  if (uses > 1) return setUses(txn, key, uses - 1);
  txn.records().erase(kUses, key);
  txn.records().erase(kBody, key);
}

std::size_t SharedEvents::bytesOf(const json::Object& delivery) {
  return static_cast<std::size_t>(std::max<std::int64_t>(json::intOr(delivery, "size", 0), 0));
}

}  // namespace sp::services::delivery
