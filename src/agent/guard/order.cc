#include "agent/guard/order.h"

#include <algorithm>

#include <fmt/format.h>

#include "agentwire/messages.h"

namespace sp::agent {
namespace {

json::Object objectOr(const json::Object& object, std::string_view key) {
  const auto* value = json::find(object, key);
  return value != nullptr && value->is_object() ? value->get_object() : json::Object();
}

/// Of what may come over the wire.
constexpr std::int64_t kLongestMs = std::chrono::milliseconds(std::chrono::days(30)).count();

std::int64_t msOr(const json::Object& object, std::string_view key, std::int64_t otherwise) {
  return std::clamp<std::int64_t>(json::intOr(object, key, otherwise), 1, kLongestMs);
}

}  // namespace

json::Object GuardOrder::encode() const {
  return {{"thaw", thaw}, {"leaseMs", lease_ms},  {"bootMs", boot_ms}, {"stops", stops},
          {"boot", boot}, {"attempts", attempts}, {"pre", pre}};
}

GuardOrder GuardOrder::decode(const json::Object& object) {
  GuardOrder out;
  out.thaw = objectOr(object, "thaw");
  out.lease_ms = msOr(object, "leaseMs", out.lease_ms);
  out.boot_ms = msOr(object, "bootMs", out.boot_ms);
  out.stops = json::boolOr(object, "stops", false);
  out.boot = objectOr(object, "boot");
  out.attempts = json::intOr(object, "attempts", 0);
  out.pre = json::textOr(object, "pre");
  return out;
}

Result<std::optional<GuardOrder>> GuardOrder::of(const json::Object& request) {
  const auto thaw = objectOr(request, "thaw");
  if (thaw.empty()) return std::nullopt;
  const auto lease = objectOr(objectOr(request, "freeze"), "lease");
  const auto* steps = json::find(thaw, "steps");
  if (steps == nullptr || !steps->is_array() || json::textOr(thaw, "instance").empty() ||
      !agentwire::promiseOf(agentwire::guardCommandId(json::textOr(thaw, "commandId"), 1)))
    return fail("agent.guard", "the post-script that came with the pre-script names no command, machine or steps");
  GuardOrder out;
  out.thaw = thaw;
  out.lease_ms = msOr(lease, "leaseMs", out.lease_ms);
  out.boot_ms = msOr(lease, "bootMs", out.boot_ms);
  out.stops = json::boolOr(lease, "stops", false);
  return out;
}

json::Object thawRequest(const GuardOrder& order, const std::string& freeze_id, const std::string& why) {
  const auto attempt = std::min(order.attempts + 1, agentwire::kGuardAttemptsMost);
  const auto command = agentwire::guardCommandId(json::textOr(order.thaw, "commandId"), attempt);
  auto out = order.thaw;
  out["type"] = agentwire::kCommandRun;
  out["id"] = fmt::format("cmd/{}/{}", command, json::textOr(order.thaw, "instance"));
  out["commandId"] = command;
  // Negative: the server's own attempts count from 1.
  out["freeze"] = json::Object{{"id", freeze_id}, {"phase", "thaw"}, {"attempt", -attempt}};
  out["guard"] = why;
  auto environment = objectOr(order.thaw, "environment");
  environment["PRE_STATUS"] = order.pre.empty() ? "Cancelled" : order.pre;
  environment["ATTEMPT"] = std::to_string(attempt);
  out["environment"] = std::move(environment);
  return out;
}

Duration retryPause(std::int64_t attempts) {
  constexpr int kDoublings = 9;
  const auto doublings = std::clamp<std::int64_t>(attempts - 1, 0, kDoublings);
  return std::min<Duration>(std::chrono::seconds(std::int64_t{10} << doublings), std::chrono::hours(1));
}

std::string leaseEnded(const GuardOrder& order) {
  return fmt::format("the lease of {} s ended, and nothing was heard of the server", static_cast<double>(order.lease_ms) / 1000);
}

std::string machineRebooted() { return "the machine was rebooted while its application was frozen"; }

}  // namespace sp::agent
