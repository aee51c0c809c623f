// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "services/dynamodb/number.h"
#include "services/dynamodb/tables/tables.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

constexpr std::size_t kStepItems = 32;
constexpr std::size_t kStepBytes = 1024UL * 1024;
/// From the end of one walk to the start of the next, and at least between two steps of one.
constexpr auto kPause = std::chrono::minutes(1);
constexpr auto kStepPause = std::chrono::milliseconds(10);
/// Times further back are taken for a mistake, as AWS does.
constexpr std::int64_t kFiveYears = 5LL * 365 * 24 * 3600;

// Whether the item's time, whole epoch seconds as a number, has passed.
bool hasExpired(const json::Object& item, std::string_view attribute, std::int64_t now) {
  const auto* value = json::find(item, attribute);
  if (value == nullptr) return false;
  const auto found = typed(*value);
  if (found.type != "N") return false;
  const auto number = Decimal::parse(json::toView(found.content->get_string()));
  // More than 18 digits before the point are a time that never comes.
  if (!number || number->negative || number->exponent > 18) return false;
  const auto text = number->text();
  const auto due = std::stoll(text.substr(0, text.find('.')));
  return due < now && due >= now - kFiveYears;
}

std::optional<std::pair<std::string, std::string>> positionOf(std::string_view payload) {
  const auto comma = payload.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  auto partition = fromBase64(payload.substr(0, comma));
  auto sort = fromBase64(payload.substr(comma + 1));
  if (!partition || !sort) return std::nullopt;
  return std::pair(*std::move(partition), *std::move(sort));
}

}  // namespace

void expireItems(store::Txn& txn, const Clock& clock, const store::Timer& timer) {
  const auto table = loadTable(txn, timer.id);
  if (!table || table->expires_by.empty()) return;
  const auto began = clock.boottime();
  const auto name = json::quote(table->expires_by);
  const auto now = toMicros(txn.now()) / 1'000'000;
  auto after = positionOf(timer.payload);
  std::size_t bytes = 0;
  bool more = true;
  while (more && bytes < kStepBytes) {
    const auto items = txn.items().scan(table->items, after, kStepItems);
    more = items.size() == kStepItems;
    for (const auto& item : items) {
      bytes += item.body.size();
      after = std::pair(item.partition, item.sort);
      // Most items have no such attribute: their text need not be read.
      if (item.body.find(name) != std::string::npos && hasExpired(decodeItem(item.body), table->expires_by, now))
        txn.items().erase(table->items, item.partition, item.sort);
    }
  }
  auto next = timer;
  next.payload = more ? toBase64(after->first) + "," + toBase64(after->second) : "";
  next.due = txn.now() + (more ? std::max<Duration>(kStepPause, 50 * (clock.boottime() - began)) : Duration(kPause));
  txn.timers().set(next);
}

aws::Outcome describeTimeToLive(Service& /*service*/, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto table, existingTable(call, name));
  json::Object description{{"TimeToLiveStatus", table.expires_by.empty() ? "DISABLED" : "ENABLED"}};
  if (!table.expires_by.empty()) description["AttributeName"] = table.expires_by;
  return json::Object{{"TimeToLiveDescription", std::move(description)}};
}

aws::Outcome updateTimeToLive(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto* specification = request.object("TimeToLiveSpecification");
  SP_CHECK_OK(request.finish());
  Request inner(*specification, "timeToLiveSpecification.");
  inner.require("Enabled");
  inner.require("AttributeName");
  const bool enable = inner.boolean("Enabled", false);
  const auto attribute = inner.text("AttributeName").value_or("");
  if (inner.has("AttributeName") && attribute.empty())
    inner.constraint("", "AttributeName", "Member must have length greater than or equal to 1");
  if (attribute.size() > 255) inner.constraint(attribute, "AttributeName", "Member must have length less than or equal to 255");
  SP_CHECK_OK(inner.finish());
  SP_TRY(auto table, existingTable(call, name));
  const auto refuse = [](std::string message) { return aws::refuse("ValidationException", std::move(message)); };
  if (!table.expires_by.empty() && table.expires_by != attribute)
    return refuse(fmt::format("TimeToLive is active on a different AttributeName: current AttributeName is {}", table.expires_by));
  if (enable != table.expires_by.empty()) return refuse(enable ? "TimeToLive is already enabled" : "TimeToLive is already disabled");
  table.expires_by = enable ? attribute : "";
  storeTable(service, call, table);
  if (enable) call.txn->timers().set({std::string(kExpiryTimer), name, call.txn->now(), ""});
  else call.txn->timers().drop(kExpiryTimer, name);
  return json::Object{{"TimeToLiveSpecification", json::Object{{"Enabled", enable}, {"AttributeName", attribute}}}};
}

}  // namespace sp::dynamodb
