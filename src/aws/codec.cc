#include "aws/codec.h"

#include <fmt/format.h>

#include "aws/codec_parts.h"

namespace sp::aws {
namespace {

bool isForm(const RequestView& request) {
  const auto type = request.header("Content-Type");
  return type && type->starts_with("application/x-www-form-urlencoded");
}

bool isQueryProtocol(Protocol protocol) { return protocol == Protocol::query || protocol == Protocol::ec2; }

// "AmazonSSM.SendCommand" → prefix and operation.
std::pair<std::string_view, std::string_view> splitTarget(std::string_view target) {
  const auto dot = target.rfind('.');
  if (dot == std::string_view::npos) return {{}, target};
  return {target.substr(0, dot), target.substr(dot + 1)};
}

// One parameter of a form, decoded, without parsing all of it.
std::string formValue(std::string_view form, std::string_view name) {
  for (const auto part : split(form, '&')) {
    const auto equals = part.find('=');
    if (part.substr(0, equals) != name || equals == std::string_view::npos) continue;
    return percentDecode(part.substr(equals + 1), true).value_or("");
  }
  return {};
}

Protocol guessProtocol(const RequestView& request) {
  if (request.header("X-Amz-Target")) {
    const auto type = request.header("Content-Type");
    return type && type->starts_with("application/x-amz-json-1.0") ? Protocol::json10 : Protocol::json11;
  }
  return isForm(request) ? Protocol::query : Protocol::restJson;
}

Destination served(const ServiceTable& table) { return {Destination::Kind::table, &table, table.signing_name, table.protocol}; }

}  // namespace

Router::Router(std::vector<ServiceTable> tables) : tables_(std::move(tables)) {
  for (const auto& table : tables_) {
    by_name_[table.signing_name] = &table;
    if (table.protocol == Protocol::json10 || table.protocol == Protocol::json11) by_target_[table.target_or_namespace] = &table;
    if (table.protocol == Protocol::restJson) rest_[&table] = std::make_unique<RestIndex>(table);
    for (const auto& operation : table.operations) by_operation_[&table][operation.name] = &operation;
  }
}

Router::~Router() = default;

const ServiceTable* Router::byName(std::string_view signing_name) const {
  const auto found = by_name_.find(signing_name);
  return found == by_name_.end() ? nullptr : found->second;
}

const ServiceTable* Router::byTarget(std::string_view target) const {
  const auto found = by_target_.find(splitTarget(target).first);
  return found == by_target_.end() ? nullptr : found->second;
}

Destination Router::route(const RequestView& request, std::string_view scope_service, std::string_view body) const {
  if (scope_service == "s3") return {Destination::Kind::s3, nullptr, "s3", Protocol::restXml};
  if (!scope_service.empty()) {
    if (const auto* table = byName(scope_service)) return served(*table);
    // S3's sister services (s3-object-lambda) speak as it does.
    const auto protocol = scope_service.starts_with("s3-") ? Protocol::restXml : guessProtocol(request);
    return {Destination::Kind::unserved, nullptr, std::string(scope_service), protocol};
  }
  if (const auto target = request.header("X-Amz-Target")) {
    if (const auto* table = byTarget(*target)) return served(*table);
    return {Destination::Kind::unserved, nullptr, std::string(splitTarget(*target).first), guessProtocol(request)};
  }
  const auto form = isForm(request) ? body : request.query();
  const auto version = formValue(form, "Version");
  if (isForm(request) || (!version.empty() && !formValue(form, "Action").empty())) {
    for (const auto& table : tables_)
      if (isQueryProtocol(table.protocol) && table.version == version) return served(table);
    return {Destination::Kind::unserved, nullptr, "", Protocol::query};
  }
  // Unsigned: nothing but its type tells a REST-JSON request from S3's, and both are refused.
  const auto type = request.header("Content-Type");
  if (type && type->starts_with("application/json")) return {Destination::Kind::unserved, nullptr, "", Protocol::restJson};
  return {Destination::Kind::s3, nullptr, "s3", Protocol::restXml};
}

std::expected<Decoded, ApiError> Router::decode(const ServiceTable& table, const RequestView& request, std::string_view body) const {
  if (table.protocol == Protocol::restJson) return rest_.at(&table)->decode(table, request, body);

  const auto& operations = by_operation_.at(&table);
  const auto find = [&](std::string_view name) -> const Operation* {
    const auto found = operations.find(name);
    return found == operations.end() ? nullptr : found->second;
  };
  if (isQueryProtocol(table.protocol)) {
    auto form = decodeForm(isForm(request) ? body : request.query(), table.protocol == Protocol::ec2);
    if (!form) return std::unexpected(std::move(form.error()));
    const auto action = json::textOr(*form, "Action");
    if (action.empty()) return refuse("MissingAction", "The request must contain the parameter Action.");
    const auto* operation = find(action);
    if (operation == nullptr) return std::unexpected(unknownOperation(table.protocol, table.signing_name, action));
    form->stable_erase("Action");
    form->stable_erase("Version");
    return Decoded{operation, std::move(*form)};
  }
  const auto target = splitTarget(request.header("X-Amz-Target").value_or(""));
  const auto* operation = target.first == table.target_or_namespace ? find(target.second) : nullptr;
  if (operation == nullptr) return std::unexpected(unknownOperation(table.protocol, table.signing_name, target.second));
  auto input = decodeJsonBody(body);
  if (!input) return std::unexpected(std::move(input.error()));
  return Decoded{operation, std::move(*input)};
}

std::expected<json::Object, ApiError> decodeJsonBody(std::string_view body) {
  // Deep enough for a DynamoDB item of 32 levels, each of which is two in JSON.
  constexpr std::size_t kDepth = 128;
  if (trim(body).empty()) return json::Object{};
  auto parsed = json::parse(body, kDepth);
  if (!parsed) return refuse("SerializationException", "The body is not the JSON this operation reads: " + parsed.error().message);
  if (!parsed->is_object())
    return refuse("SerializationException", fmt::format("The body must be a JSON object, not a {}.", json::kindName(*parsed)));
  return std::move(parsed->get_object());
}

ApiError unknownOperation(Protocol protocol, std::string_view service, std::string_view operation) {
  switch (protocol) {
    case Protocol::query:
    case Protocol::ec2:
      return {"InvalidAction",
              fmt::format("The action {} is not valid for this web service: this server does not offer it.", operation),
              400,
              true,
              {}};
    case Protocol::restJson:
      return {"UnknownOperationException", fmt::format("The service {} has no operation {}.", service, operation), 404, true, {}};
    case Protocol::restXml:
      return {"NotImplemented", "A header you provided implies functionality that is not implemented.", 501, false, {}};
    default: return {"UnknownOperationException", fmt::format("The service {} has no operation {}.", service, operation), 400, true, {}};
  }
}

}  // namespace sp::aws
