#include "services/events/destinations/records.h"

#include <fmt/format.h>

#include "model/arn.h"

namespace sp::services::events {
namespace {

std::optional<json::Object> byArn(store::Txn& txn, std::string_view kind, std::string_view resource, std::string_view member,
                                  std::string_view arn) {
  const auto name = nameIn(arn, resource);
  const auto body = name.empty() ? std::nullopt : txn.records().get(kind, name);
  if (!body) return std::nullopt;
  auto record = decode(*body);
  if (json::textOr(record, member) != arn) return std::nullopt;
  return record;
}

}  // namespace

std::string nameIn(std::string_view text, std::string_view kind) {
  const auto arn = Arn::parse(text);
  if (!arn || arn->service != "events" || !arn->resource.starts_with(fmt::format("{}/", kind))) return "";
  const auto rest = arn->resource.substr(kind.size() + 1);
  const auto slash = rest.find('/');
  return slash == std::string::npos || slash + 1 == rest.size() || rest.find('/', slash + 1) != std::string::npos ? ""
                                                                                                                  : rest.substr(0, slash);
}

Checked<json::Object> findConnection(store::Txn& txn, std::string_view name) {
  const auto body = txn.records().get(kConnection, name);
  if (!body)
    return aws::refuse("ResourceNotFoundException",
                       fmt::format("Failed to describe the connection(s). Connection '{}' does not exist.", name));
  return decode(*body);
}

Checked<json::Object> findDestination(store::Txn& txn, std::string_view name) {
  const auto body = txn.records().get(kDestination, name);
  if (!body)
    return aws::refuse("ResourceNotFoundException",
                       fmt::format("Failed to describe the api-destination(s). An api-destination '{}' does not exist.", name));
  return decode(*body);
}

std::optional<json::Object> connectionOf(store::Txn& txn, std::string_view arn) {
  return byArn(txn, kConnection, "connection", "ConnectionArn", arn);
}

std::optional<json::Object> destinationOf(store::Txn& txn, std::string_view arn) {
  return byArn(txn, kDestination, "api-destination", "ApiDestinationArn", arn);
}

json::Object secretsOf(store::Txn& txn, std::string_view connection) {
  const auto body = txn.records().get(kConnectionSecret, connection);
  return body ? decode(*body) : json::Object();
}

void saveConnection(store::Txn& txn, const json::Object& connection) {
  txn.records().put(kConnection, json::textOr(connection, "Name"), json::toText(connection));
}

void saveDestination(store::Txn& txn, const json::Object& destination) {
  txn.records().put(kDestination, json::textOr(destination, "Name"), json::toText(destination));
}

void showTimes(const json::Object& record, json::Object& out) {
  for (const auto& [key, member] :
       {std::pair{"CreationTime", "created"}, {"LastModifiedTime", "modified"}, {"LastAuthorizedTime", "authorized"}})
    if (const auto* value = json::find(record, member); value != nullptr && value->is_int64())
      out[key] = toEpochSeconds(fromMicros(value->get_int64()));
}

}  // namespace sp::services::events
