// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {
namespace {

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

using Definitions = std::map<std::string, std::string, std::less<>>;

std::expected<Definitions, aws::ApiError> readDefinitions(const json::Array& list) {
  Definitions types;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return aws::refuse("SerializationException", "Unexpected field type");
    const auto& one = list[i].get_object();
    const auto name = json::textOr(one, "AttributeName");
    const auto type = json::textOr(one, "AttributeType");
    if (name.empty() || name.size() > 255)
      return invalid(fmt::format(
          "1 validation error detected: Value '{}' at 'attributeDefinitions.{}.member.attributeName' failed to satisfy constraint: "
          "Member must have length between 1 and 255",
          name, i + 1));
    if (type != "S" && type != "N" && type != "B")
      return invalid(fmt::format(
          "1 validation error detected: Value '{}' at 'attributeDefinitions.{}.member.attributeType' failed to satisfy constraint: "
          "Member must satisfy enum value set: [B, N, S]",
          type, i + 1));
    if (!types.emplace(name, type).second) return invalid("Cannot have two attributes with the same name");
  }
  return types;
}

std::expected<void, aws::ApiError> readKeySchema(const json::Array& schema, const Definitions& types, Table& table) {
  if (schema.empty() || schema.size() > 2)
    return invalid(
        fmt::format("1 validation error detected: Value '{}' at 'keySchema' failed to satisfy constraint: Member must have length {}",
                    json::toText(schema), schema.empty() ? "greater than or equal to 1" : "less than or equal to 2"));
  std::vector<std::string> names;
  for (const auto& element : schema) {
    if (!element.is_object()) return aws::refuse("SerializationException", "Unexpected field type");
    const bool first = names.empty();
    const auto& one = element.get_object();
    const auto kind = json::textOr(one, "KeyType");
    if (kind != "HASH" && kind != "RANGE")
      return invalid(
          fmt::format("1 validation error detected: Value '{}' at 'keySchema.{}.member.keyType' failed to satisfy constraint: "
                      "Member must satisfy enum value set: [HASH, RANGE]",
                      kind, names.size() + 1));
    if (first && kind != "HASH") return invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
    if (!first && kind != "RANGE") return invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
    names.push_back(json::textOr(one, "AttributeName"));
  }
  if (names.size() == 2 && names[0] == names[1])
    return invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name");
  for (const auto& name : names) {
    if (types.contains(name)) continue;
    std::vector<std::string> defined;
    for (const auto& [key, type] : types) defined.push_back(key);
    return invalid(
        fmt::format("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: "
                    "[{}], AttributeDefinitions: [{}]",
                    fmt::join(names, ", "), fmt::join(defined, ", ")));
  }
  if (types.size() != names.size())
    return invalid(
        "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined "
        "in AttributeDefinitions");
  table.hash = {names[0], types.find(names[0])->second};
  if (names.size() == 2) table.range = KeyAttribute{names[1], types.find(names[1])->second};
  return {};
}

// What a table can have on AWS and cannot have here is refused rather than left out in silence.
std::expected<void, aws::ApiError> refuseUnserved(const Request& request) {
  for (const auto* name : {"GlobalSecondaryIndexes", "LocalSecondaryIndexes"}) {
    const auto* list = json::find(request.input(), name);
    if (list != nullptr && !(list->is_array() && list->get_array().empty()) && !list->is_null())
      return invalid(fmt::format("{} are not served: make the table without them, and Scan with a FilterExpression", name));
  }
  const auto enabled = [&](const char* member, const char* flag) {
    const auto* value = json::find(request.input(), member);
    return value != nullptr && value->is_object() && json::boolOr(value->get_object(), flag, false);
  };
  if (enabled("StreamSpecification", "StreamEnabled")) return invalid("StreamSpecification is not served: make the table without a stream");
  if (enabled("SSESpecification", "Enabled"))
    return invalid("SSESpecification is not served: encrypt the disk that holds the data directory instead");
  return {};
}

}  // namespace

aws::Outcome createTable(Service& service, const aws::Call& call) {
  Request request(call.input);
  Table table;
  table.name = request.tableName();
  const auto* definitions = request.array("AttributeDefinitions");
  const auto* schema = request.array("KeySchema");
  const auto billing = request.choice("BillingMode", {"PROVISIONED", "PAY_PER_REQUEST"});
  request.choice("TableClass", {"STANDARD", "STANDARD_INFREQUENT_ACCESS"});
  table.deletion_protected = request.boolean("DeletionProtectionEnabled", false);
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto types, readDefinitions(*definitions));
  SP_CHECK_OK(refuseUnserved(request));
  SP_CHECK_OK(readKeySchema(*schema, types, table));
  SP_CHECK_OK(readBilling(request, billing, table));
  if (request.has("Tags")) {
    const auto* tags = request.array("Tags");
    SP_CHECK_OK(request.finish());
    SP_TRY(table.tags, readTags(*tags));
    SP_CHECK_OK(checkTagCount(table.tags));
  }
  if (call.txn->records().get(kTableRecord, table.name))
    return aws::refuse("ResourceInUseException", fmt::format("Table already exists: {}", table.name));
  table.identify(service.random);
  table.created = call.now;
  storeTable(service, call, table);
  return json::Object{{"TableDescription", table.describe(service.realm, "CREATING", 0, 0)}};
}

}  // namespace sp::dynamodb
