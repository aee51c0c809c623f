// CreateApiDestination, DescribeApiDestination, ListApiDestinations, UpdateApiDestination, DeleteApiDestination.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "services/events/destinations/hooks.h"
#include "services/events/destinations/records.h"
#include "services/events/operations.h"

namespace sp::services::events {
namespace {

// Of calls in a second; AWS gives more than 300 where it is asked.
constexpr std::int64_t kFastest = 10'000;

Checked<std::string> readMethod(const json::Object& input, bool required) {
  SP_TRY(auto method, readText(input, "HttpMethod", 64, required));
  constexpr std::array<std::string_view, 7> kMethods = {"POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"};
  if (!method.empty() && std::ranges::find(kMethods, method) == kMethods.end())
    return invalid("HttpMethod", method, "satisfy enum value set: [POST, GET, HEAD, OPTIONS, PUT, PATCH, DELETE]");
  return method;
}

Checked<std::optional<std::int64_t>> readRate(const json::Object& input) {
  constexpr std::string_view kKey = "InvocationRateLimitPerSecond";
  const auto* given = json::find(input, kKey);
  if (given == nullptr || given->is_null()) return std::nullopt;
  if (!given->is_int64()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a whole number", kKey));
  const auto rate = given->get_int64();
  if (rate < 1) return invalid(kKey, fmt::format("{}", rate), "have value greater than or equal to 1");
  if (rate > kFastest) return invalid(kKey, fmt::format("{}", rate), fmt::format("have value less than or equal to {}", kFastest));
  return rate;
}

// ARN of a connection that is there.
Checked<std::string> readConnection(store::Txn& txn, const json::Object& input, bool required) {
  SP_TRY(auto arn, readText(input, "ConnectionArn", 1600, required));
  if (arn.empty()) return arn;
  const auto name = nameIn(arn, "connection");
  if (name.empty())
    return invalid("ConnectionArn", arn,
                   "satisfy regular expression pattern: "
                   "^arn:aws([a-z]|\\-)*:events:([a-z]|\\d|\\-)*:([0-9]{12})?:connection\\/[\\.\\-_A-Za-z0-9]+\\/[\\-A-Za-z0-9]+$");
  if (!connectionOf(txn, arn)) return aws::refuse("ResourceNotFoundException", fmt::format("Connection '{}' does not exist.", arn));
  return arn;
}

std::string stateOf(store::Txn& txn, const json::Object& destination) {
  const auto connection = connectionOf(txn, json::textOr(destination, "ConnectionArn"));
  return connection && json::textOr(*connection, "ConnectionState") == "AUTHORIZED" ? "ACTIVE" : "INACTIVE";
}

json::Object listed(store::Txn& txn, const json::Object& destination) {
  json::Object out{{"ApiDestinationState", stateOf(txn, destination)}};
  for (const auto* key : {"ApiDestinationArn", "Name", "ConnectionArn", "InvocationEndpoint", "HttpMethod", "InvocationRateLimitPerSecond"})
    if (const auto* value = json::find(destination, key)) out[key] = *value;
  showTimes(destination, out);
  return out;
}

json::Object answer(store::Txn& txn, const json::Object& destination) {
  json::Object out{{"ApiDestinationArn", destination.at("ApiDestinationArn")}, {"ApiDestinationState", stateOf(txn, destination)}};
  showTimes(destination, out);
  return out;
}

aws::Outcome create(Context& context, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto description, readText(call.input, "Description", 512));
  SP_TRY(const auto endpoint, readEndpoint(call.input, "InvocationEndpoint", true));
  SP_TRY(const auto method, readMethod(call.input, true));
  SP_TRY(const auto rate, readRate(call.input));
  SP_TRY(const auto connection, readConnection(txn, call.input, true));
  if (txn.records().get(kDestination, name))
    return aws::refuse("ResourceAlreadyExistsException", fmt::format("An api-destination '{}' already exists.", name));
  if (txn.records().count(kDestination, kDestinations) >= kDestinations)
    return aws::refuse("LimitExceededException", "The requested resource exceeds the maximum number allowed.");
  json::Object destination{
      {"Name", name},
      {"ApiDestinationArn", call.realm.arn("events", fmt::format("api-destination/{}/{}", name, context.random.uuid()))},
      {"ConnectionArn", connection},
      {"InvocationEndpoint", endpoint},
      {"HttpMethod", method},
      {"InvocationRateLimitPerSecond", rate.value_or(kDefaultRate)},
      {"created", toMicros(txn.now())},
      {"modified", toMicros(txn.now())}};
  if (!description.empty()) destination["Description"] = description;
  saveDestination(txn, destination);
  return answer(txn, destination);
}

aws::Outcome describe(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto destination, findDestination(*call.txn, name));
  auto out = listed(*call.txn, destination);
  if (const auto* description = json::find(destination, "Description")) out["Description"] = *description;
  return out;
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto prefix, readName(call.input, "NamePrefix", 64, false));
  SP_TRY(const auto connection, readText(call.input, "ConnectionArn", 1600));
  SP_TRY(const auto page, readPage(call.input, fmt::format("ListApiDestinations/{}/{}", prefix, connection)));
  json::Array destinations;
  json::Object out;
  for (const auto& record : call.txn->records().scan(kDestination, prefix, page.after, kDestinations)) {
    const auto destination = decode(record.body);
    if (!connection.empty() && json::textOr(destination, "ConnectionArn") != connection) continue;
    if (destinations.size() == page.limit) {
      out["NextToken"] = aws::makePageToken(page.bound_to, json::textOr(destinations.back().get_object(), "Name"));
      break;
    }
    destinations.push_back(listed(*call.txn, destination));
  }
  out["ApiDestinations"] = std::move(destinations);
  return out;
}

aws::Outcome update(Hooks& hooks, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto description, readText(call.input, "Description", 512));
  SP_TRY(const auto endpoint, readEndpoint(call.input, "InvocationEndpoint", false));
  SP_TRY(const auto method, readMethod(call.input, false));
  SP_TRY(const auto rate, readRate(call.input));
  SP_TRY(auto destination, findDestination(txn, name));
  SP_TRY(const auto connection, readConnection(txn, call.input, false));
  if (call.input.contains("Description")) destination["Description"] = description;
  if (!endpoint.empty()) destination["InvocationEndpoint"] = endpoint;
  if (!method.empty()) destination["HttpMethod"] = method;
  if (!connection.empty()) destination["ConnectionArn"] = connection;
  if (rate) destination["InvocationRateLimitPerSecond"] = *rate;
  destination["modified"] = toMicros(txn.now());
  saveDestination(txn, destination);
  hooks.changed(txn, json::textOr(destination, "ApiDestinationArn"));
  return answer(txn, destination);
}

aws::Outcome remove(Hooks& hooks, const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto destination, findDestination(*call.txn, name));
  call.txn->records().erase(kDestination, name);
  hooks.changed(*call.txn, json::textOr(destination, "ApiDestinationArn"));
  return json::Object();
}

}  // namespace

std::vector<aws::Operation> destinationOperations(Hooks& hooks, Context& context) {
  return {row("CreateApiDestination", [&context](const aws::Call& call) { return create(context, call); }),
          row("DeleteApiDestination", [&hooks](const aws::Call& call) { return remove(hooks, call); }),
          row("DescribeApiDestination", describe), row("ListApiDestinations", list),
          row("UpdateApiDestination", [&hooks](const aws::Call& call) { return update(hooks, call); })};
}

}  // namespace sp::services::events
