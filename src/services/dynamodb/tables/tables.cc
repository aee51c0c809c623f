#include "services/dynamodb/tables/tables.h"

#include <set>

#include <fmt/format.h>

namespace sp::dynamodb {
namespace {

constexpr std::size_t kTagsMax = 50;
constexpr std::string_view kBothUnits =
    "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is "
    "PROVISIONED";

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

}  // namespace

std::expected<json::Array, aws::ApiError> readTags(const json::Array& given) {
  std::set<std::string> keys;
  json::Array tags;
  for (const auto& tag : given) {
    if (!tag.is_object()) return aws::refuse("SerializationException", "Unexpected field type");
    const auto key = json::textOr(tag.get_object(), "Key");
    const auto value = json::textOr(tag.get_object(), "Value");
    if (key.empty() || key.size() > 128) return invalid(fmt::format("Tag key '{}' is not valid: it has 1 to 128 characters", key));
    if (value.size() > 256) return invalid(fmt::format("The value of tag '{}' is not valid: it has at most 256 characters", key));
    if (!keys.insert(key).second) return invalid(fmt::format("Duplicate tag key found: {}", key));
    tags.push_back(json::Object{{"Key", key}, {"Value", value}});
  }
  return tags;
}

std::expected<void, aws::ApiError> checkTagCount(const json::Array& tags) {
  if (tags.size() > kTagsMax) return invalid(fmt::format("Too many tags: {} are given, {} are allowed", tags.size(), kTagsMax));
  return {};
}

std::expected<void, aws::ApiError> readBilling(Request& request, std::string_view mode, Table& table) {
  const bool given = request.has("ProvisionedThroughput");
  table.read_units = 0;
  table.write_units = 0;
  if (mode == "PAY_PER_REQUEST") {
    if (given)
      return invalid(
          "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode "
          "is PAY_PER_REQUEST");
    return {};
  }
  if (!given) return invalid(std::string(kBothUnits));
  const auto* units = request.object("ProvisionedThroughput");
  SP_CHECK_OK(request.finish());
  Request inner(*units, "provisionedThroughput.");
  table.read_units = inner.integer("ReadCapacityUnits", 1).value_or(0);
  table.write_units = inner.integer("WriteCapacityUnits", 1).value_or(0);
  SP_CHECK_OK(inner.finish());
  if (table.read_units == 0 || table.write_units == 0) return invalid(std::string(kBothUnits));
  return {};
}

std::expected<Table, aws::ApiError> existingTable(const aws::Call& call, std::string_view name) {
  auto table = loadTable(*call.txn, name);
  if (!table && table.error().code == "ResourceNotFoundException") return noSuchTable(name);
  return table;
}

void storeTable(Service& service, const aws::Call& call, const Table& table) {
  call.txn->records().put(kTableRecord, table.name, json::toText(table.encode()));
  service.tables->changed(*call.txn, table.name);
}

}  // namespace sp::dynamodb
