// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html and its two companions
#include <algorithm>

#include <fmt/format.h>

#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {
namespace {

std::expected<Table, aws::ApiError> taggedTable(Service& service, const aws::Call& call, const std::string& arn) {
  const auto parsed = Arn::parse(arn);
  if (!parsed || parsed->service != "dynamodb" || !parsed->resource.starts_with("table/"))
    return aws::refuse("ValidationException", fmt::format("Invalid TableArn: Invalid ResourceArn provided as input {}", arn));
  const auto name = parsed->resource.substr(6);
  auto table = loadTable(*call.txn, name);
  if (table && arn == service.realm.arn("dynamodb", "table/" + name)) return table;
  return aws::refuse("ResourceNotFoundException", fmt::format("Requested resource not found: ResourcArn: {} not found", arn));
}

void dropTag(json::Array& tags, std::string_view key) {
  const auto named = [&](const json::Value& tag) { return json::textOr(tag.get_object(), "Key") == key; };
  tags.erase(std::remove_if(tags.begin(), tags.end(), named), tags.end());
}

}  // namespace

aws::Outcome tagResource(Service& service, const aws::Call& call) {
  Request request(call.input);
  request.require("ResourceArn");
  const auto arn = request.text("ResourceArn");
  const auto* given = request.array("Tags");
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto tags, readTags(*given));
  SP_CHECK_OK(checkTagCount(tags));
  SP_TRY(auto table, taggedTable(service, call, *arn));
  for (const auto& tag : tags) {
    dropTag(table.tags, json::textOr(tag.get_object(), "Key"));
    table.tags.push_back(tag);
  }
  SP_CHECK_OK(checkTagCount(table.tags));
  storeTable(service, call, table);
  return json::Object{};
}

aws::Outcome untagResource(Service& service, const aws::Call& call) {
  Request request(call.input);
  request.require("ResourceArn");
  const auto arn = request.text("ResourceArn");
  const auto* keys = request.array("TagKeys");
  SP_CHECK_OK(request.finish());
  SP_TRY(auto table, taggedTable(service, call, *arn));
  for (const auto& key : *keys) {
    if (!key.is_string()) return aws::refuse("SerializationException", "Unexpected field type");
    dropTag(table.tags, json::toView(key.get_string()));
  }
  storeTable(service, call, table);
  return json::Object{};
}

aws::Outcome listTagsOfResource(Service& service, const aws::Call& call) {
  Request request(call.input);
  request.require("ResourceArn");
  const auto arn = request.text("ResourceArn");
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto table, taggedTable(service, call, *arn));
  // Fifty at most: one page.
  return json::Object{{"Tags", table.tags}};
}

}  // namespace sp::dynamodb
