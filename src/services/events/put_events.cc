// PutEvents: entries of a client or a task become events that wait to be routed.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
#include <fmt/format.h>

#include "base/time_format.h"
#include "services/events/events.h"
#include "services/events/queue.h"

namespace sp::services::events {
namespace {

constexpr std::size_t kMostEntries = 10;
constexpr std::size_t kMostBytes = 262'144;

struct Problem {
  std::string code;
  std::string message;
};

// A task's Detail may be an object, a client's is one in a string.
Result<json::Value> detailOf(const json::Object& entry) {
  const auto& detail = entry.at("Detail");
  return detail.is_string() ? json::parse(json::toView(detail.get_string()), 1000) : Result<json::Value>(detail);
}

std::optional<Problem> problemOf(const json::Object& entry, bool client) {
  for (const auto* name : {"Source", "DetailType", "Detail"}) {
    const auto* value = json::find(entry, name);
    const bool given =
        value != nullptr && (value->is_string() ? !value->get_string().empty() : name == std::string_view("Detail") && !client);
    if (!given) return Problem{"InvalidArgument", fmt::format("Parameter {} is not valid. Reason: {} is a required argument.", name, name)};
  }
  // Rules trust these events to be the services' own.
  if (json::textOr(entry, "Source").starts_with("aws."))
    return Problem{"NotAuthorizedForSourceException", "Not authorized for the source."};
  const auto detail = detailOf(entry);
  if (!detail || !detail->is_object()) return Problem{"MalformedDetail", "Detail is malformed."};
  if (const auto* time = json::find(entry, "Time"); time != nullptr && time->is_string() && !parseIso8601(json::toView(time->get_string())))
    return Problem{"InvalidArgument", "Parameter Time is not valid."};
  return std::nullopt;
}

// As EventBridge counts: time 14 bytes, the others their UTF-8.
std::size_t bytesOf(const json::Object& entry) {
  std::size_t bytes = entry.contains("Time") ? 14 : 0;
  for (const auto* name : {"Source", "DetailType", "Detail"})
    if (const auto* value = json::find(entry, name)) bytes += value->is_string() ? value->get_string().size() : json::toText(*value).size();
  if (const auto* resources = json::find(entry, "Resources"); resources != nullptr && resources->is_array())
    for (const auto& one : resources->get_array())
      if (one.is_string()) bytes += one.get_string().size();
  return bytes;
}

Instant timeOf(const json::Object& entry, Instant now) {
  const auto* time = json::find(entry, "Time");
  if (time == nullptr) return now;
  if (time->is_string()) return parseIso8601(json::toView(time->get_string())).value_or(now);
  // Seconds since 1970, far from what microseconds cannot hold.
  if (!time->is_number() || std::abs(time->to_number<double>()) > 1e11) return now;
  return fromMicros(static_cast<std::int64_t>(time->to_number<double>() * 1e6));
}

}  // namespace

aws::Outcome Events::putEvents(store::Txn& txn, const json::Array& entries, const Origin& origin) {
  if (entries.empty() || entries.size() > kMostEntries)
    return invalid(
        "Entries", json::toText(entries),
        entries.empty() ? "have length greater than or equal to 1" : fmt::format("have length less than or equal to {}", kMostEntries));
  std::size_t bytes = 0;
  for (const auto& entry : entries) {
    if (!entry.is_object()) return invalid("Entries", json::toText(entry), "be an object");
    bytes += bytesOf(entry.get_object());
  }
  if (bytes > kMostBytes) return std::unexpected(aws::ApiError::validation("Total size of the entries in the request is over the limit."));
  auto chain = chains_.now(txn);
  if (!origin.execution.empty()) chain = furthest(std::move(chain), Chains::of(txn, origin.execution));
  json::Array answers;
  std::int64_t failed = 0;
  for (const auto& value : entries) {
    const auto& entry = value.get_object();
    if (const auto problem = problemOf(entry, origin.execution.empty())) {
      ++failed;
      answers.push_back(json::Object{{"ErrorCode", problem->code}, {"ErrorMessage", problem->message}});
      continue;
    }
    const auto id = context_.random.uuid();
    answers.push_back(json::Object{{"EventId", id}});
    const auto bus = busNameOf(context_.realm, json::textOr(entry, "EventBusName", kDefaultBus));
    // AWS accepts what is for a bus that is not there, and drops it.
    if (!txn.records().get(kBus, bus)) continue;
    json::Array resources;
    if (const auto* given = json::find(entry, "Resources"); given != nullptr && given->is_array()) resources = given->get_array();
    for (const auto& one : origin.resources) resources.emplace_back(one);
    json::Object event{{"version", "0"},
                       {"id", id},
                       {"detail-type", json::textOr(entry, "DetailType")},
                       {"source", json::textOr(entry, "Source")},
                       {"account", context_.realm.account},
                       {"time", toIso8601Seconds(timeOf(entry, txn.now()))},
                       {"region", context_.realm.region},
                       {"resources", std::move(resources)},
                       {"detail", std::move(*detailOf(entry))},
                       {"bus", bus}};
    if (const auto trace = json::textOr(entry, "TraceHeader"); !trace.empty()) event["trace-header"] = trace;
    mark(event, chain);
    keep(txn, std::move(event));
  }
  return json::Object{{"Entries", std::move(answers)}, {"FailedEntryCount", failed}};
}

void Events::mark(json::Object& event, const Chain& chain) {
  if (chain.hops == 0) return;
  event["hops"] = chain.hops;
  event["root"] = chain.root;
}

// In the order in which they were accepted: within one microsecond by count, which begins anew with the server.
void Events::keep(store::Txn& txn, json::Object event) {
  show(txn, event);
  txn.records().put(kEvent, fmt::format("{:020}/{:06}/{}", toMicros(txn.now()), kept_++ % 1'000'000, json::textOr(event, "id")),
                    json::toText(event));
  deliveries_.wake(txn);
}

}  // namespace sp::services::events
