// What a delivery of an event starts, and what is told of one that could not.
#include <fmt/format.h>

#include "asl/jsonpath/path.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/time_format.h"
#include "schedule/transform.h"
#include "services/events/events.h"
#include "services/events/queue.h"

namespace sp::services::events {
namespace {

/// What a state machine or a command takes, and what an event's paths may look at and copy to make it: an event has fewer.
constexpr std::size_t kMostInput = std::size_t{256} << 10;
constexpr std::int64_t kMostPlaces = 500'000;

// The same for each try of one delivery: two UUIDs, as AWS names what rules start.
std::string nameFor(const json::Object& delivery) {
  const auto h = sha256Hex(fmt::format("{}\n{}", json::textOr(delivery, "rule"), json::textOr(delivery.at("target").get_object(), "Id")));
  return fmt::format("{}_{}-{}-{}-{}-{}", json::textOr(delivery.at("event").get_object(), "id"), h.substr(0, 8), h.substr(8, 4),
                     h.substr(12, 4), h.substr(16, 4), h.substr(20, 12));
}

std::map<std::string, json::Value, std::less<>> valuesOf(const json::Object& transformer, const json::Object& delivery, Instant now,
                                                         asl::Work& work) {
  const json::Value& event = delivery.at("event");
  std::map<std::string, json::Value, std::less<>> values;
  values["aws.events.rule-arn"] = delivery.at("rule");
  values["aws.events.rule-name"] = delivery.at("name");
  values["aws.events.event.json"] = event;
  auto without_detail = event.get_object();
  without_detail.erase("detail");
  values["aws.events.event"] = std::move(without_detail);
  values["aws.events.event.ingestion-time"] = toIso8601Seconds(now);
  if (const auto* paths = json::find(transformer, "InputPathsMap"); paths != nullptr && paths->is_object())
    for (const auto& member : paths->get_object()) {
      const auto path = member.value().is_string() ? asl::Path::parse(json::toView(member.value().get_string())) : fail("events.path", "");
      if (!path) continue;
      if (auto value = path->read(event, &work)) values[std::string(member.key().data(), member.key().size())] = std::move(*value);
    }
  return values;
}

}  // namespace

std::expected<std::string, delivery::Failure> Events::inputOf(const json::Object& delivery) {
  const auto& target = delivery.at("target").get_object();
  if (auto input = json::textOr(target, "Input"); !input.empty()) return input;
  const json::Value& event = delivery.at("event");
  asl::Work work(kMostPlaces);
  const auto tooMuch = [](std::string_view what) {
    return std::unexpected(delivery::Failure{
        "ValidationException",
        fmt::format("{} more than a target can be given: {} bytes, or {} values copied.", what, kMostInput, kMostPlaces)});
  };
  if (const auto text = json::textOr(target, "InputPath"); !text.empty()) {
    const auto path = asl::Path::parse(text);
    const auto value = path ? path->read(event, &work) : std::unexpected(std::string());
    if (work.exhausted()) return tooMuch(fmt::format("the InputPath {} leads to", text));
    return value ? json::toText(*value) : std::string();
  }
  if (const auto* transformer = json::find(target, "InputTransformer"); transformer != nullptr && transformer->is_object()) {
    const auto came = json::intOr(delivery, "ingested", json::intOr(delivery, "since", 0));
    const auto values = valuesOf(transformer->get_object(), delivery, fromMicros(came), work);
    if (work.exhausted()) return tooMuch("the InputPathsMap leads to");
    std::vector<std::string> names;
    for (const auto& [name, value] : values) names.push_back(name);
    if (const auto* paths = json::find(transformer->get_object(), "InputPathsMap"); paths != nullptr && paths->is_object())
      for (const auto& member : paths->get_object()) names.emplace_back(member.key().data(), member.key().size());
    const auto parsed = schedule::Template::parse(json::textOr(transformer->get_object(), "InputTemplate"), names);
    if (!parsed) return std::string();
    auto filled = parsed->fill(values, kMostInput);
    if (!filled) return tooMuch("the InputTemplate makes");
    return std::move(*filled);
  }
  return json::toText(event);
}

void Events::gaveUp(store::Txn& txn, const json::Object& delivery, const delivery::Failure& failure, std::string_view why) {
  const auto& target = delivery.at("target").get_object();
  const auto event = json::textOr(delivery.at("event").get_object(), "id");
  log::warn("an event could not be delivered", {{"event", event},
                                                {"rule", json::textOr(delivery, "rule")},
                                                {"target", json::textOr(target, "Arn")},
                                                {"error", failure.code},
                                                {"message", failure.message}});
  const auto hops = json::intOr(delivery, "hops", 0) + 1;
  if (hops > kMostHopsOfReports) return;
  report(txn, "Event Delivery Failed",
         {{"event-id", event},
          {"rule", delivery.at("rule")},
          {"target", target.at("Arn")},
          {"error-code", failure.code},
          {"error-message", failure.message},
          {"exhausted", why},
          {"retry-attempts", json::intOr(delivery, "attempts", 0)}},
         hops);
}

std::string Events::messageOf(const json::Object& delivery) const { return json::toText(delivery.at("event")); }

json::Object Events::attributesOf(const json::Object& delivery) const {
  return {{"RULE_ARN", delivery.at("rule")}, {"TARGET_ARN", delivery.at("target").get_object().at("Arn")}};
}

json::Object Events::again(store::Txn& txn, json::Object delivery) const {
  // A delivery's age counts from here anew, an event comes in once.
  if (!delivery.contains("ingested")) delivery["ingested"] = delivery.at("since");
  const auto arn = Arn::parse(json::textOr(delivery, "rule"));
  if (!arn) return delivery;
  const auto path = arn->resource.substr(arn->resource.find('/') + 1);
  const auto slash = path.rfind('/');
  const auto rule = findRule(txn, slash == std::string::npos ? kDefaultBus : std::string_view(path).substr(0, slash),
                             std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1));
  if (!rule) return delivery;
  const auto id = json::textOr(delivery.at("target").get_object(), "Id");
  for (const auto& target : rule->at("targets").get_array())
    if (json::textOr(target.get_object(), "Id") == id) delivery["target"] = target;
  return delivery;
}

delivery::Started Events::start(store::Txn& txn, const json::Object& delivery) {
  const auto text = json::textOr(delivery.at("target").get_object(), "Arn");
  const auto arn = Arn::parse(text);
  const auto doing = chains_.following({json::intOr(delivery, "hops", 0) + 1, json::textOr(delivery, "root")});
  if (arn && arn->service == "events" && arn->resource.starts_with("api-destination/"))
    return hooks_.take(txn, delivery, text, nameFor(delivery));
  if (arn && arn->service == "events") return forward(txn, delivery, text);
  if (arn && (arn->service == "states" || arn->service == "ssm")) {
    SP_TRY(const auto input, inputOf(delivery));
    return arn->service == "states" ? startExecution(txn, delivery, text, input) : sendCommand(txn, delivery, text, input);
  }
  return std::unexpected(delivery::Failure{"InvalidTarget", fmt::format("{} is no target that can be started here.", text)});
}

delivery::Started Events::startExecution(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input) {
  const auto name = nameFor(delivery);
  const auto outcome = deliveries_.call(txn, "states:StartExecution",
                                        {{"stateMachineArn", arn}, {"name", name}, {"input", input.empty() ? "{}" : input}}, name);
  // It was started before.
  if (outcome || outcome.error().code == "ExecutionAlreadyExists") return {};
  return delivery::startedBy(outcome);
}

delivery::Started Events::sendCommand(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& input) {
  const auto& target = delivery.at("target").get_object();
  json::Object request{{"DocumentName", arn.substr(arn.find("document/") + 9)},
                       {"Targets", target.at("RunCommandParameters").get_object().at("RunCommandTargets")}};
  if (!input.empty()) {
    const auto parsed = json::parse(input);
    if (!parsed || !parsed->is_object())
      return std::unexpected(
          delivery::Failure{"InvalidParameters", "The input of a Run Command target must be an object: the document's parameters."});
    json::Object parameters;
    // Parameters are lists of texts.
    for (const auto& member : parsed->get_object()) {
      if (member.value().is_array()) parameters[member.key()] = member.value();
      else parameters[member.key()] = json::Array{member.value().is_string() ? member.value() : json::Value(json::toText(member.value()))};
    }
    // An event that nobody made into parameters is none.
    const bool whole_event = !target.contains("Input") && !target.contains("InputPath") && !target.contains("InputTransformer");
    if (!whole_event) request["Parameters"] = std::move(parameters);
  }
  return delivery::startedBy(deliveries_.call(txn, "ssm:SendCommand", request, nameFor(delivery)));
}

delivery::Started Events::forward(store::Txn& txn, const json::Object& delivery, const std::string& arn) {
  const auto bus = busNameOf(context_.realm, arn);
  if (!txn.records().get(kBus, bus))
    return std::unexpected(delivery::Failure{"ResourceNotFoundException", fmt::format("Event bus {} does not exist.", bus)});
  auto event = delivery.at("event").get_object();
  event["bus"] = bus;
  mark(event, {json::intOr(delivery, "hops", 0) + 1, json::textOr(delivery, "root")});
  keep(txn, std::move(event));
  return {};
}

}  // namespace sp::services::events
