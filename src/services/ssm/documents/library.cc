#include "services/ssm/documents/library.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "services/ssm/documents/builtin.h"
#include "services/ssm/parameters/parameter_store.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kDocumentKind = "ssm_document";
constexpr std::string_view kVersionKind = "ssm_document_version";
constexpr std::size_t kPage = 1000;
/// 2026-11-01: AWS's documents are as old as this program's first version.
constexpr std::int64_t kBuiltinMicros = 1'793'491'200'000'000;

std::string versionKey(std::string_view name, std::int64_t number) { return fmt::format("{}/{:010}", name, number); }

template <class T>
std::optional<T> decoded(const std::string& body) {
  const auto parsed = json::parse(body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto value = T::decode(parsed->get_object());
  if (value) return std::move(*value);
  log::error("a record of a document is broken", {{"error", value.error().text()}});
  return std::nullopt;
}

template <class T>
std::optional<T> decoded(const std::optional<std::string>& body) {
  return body ? decoded<T>(*body) : std::nullopt;
}

DocumentRecord builtinRecord(std::string_view name) {
  DocumentRecord record;
  record.name = name;
  record.amazon = true;
  record.created = fromMicros(kBuiltinMicros);
  return record;
}

std::unexpected<aws::ApiError> unknown(std::string_view name) {
  return aws::refuse("InvalidDocument", fmt::format("Document with name {} does not exist.", name));
}

/// As the command's parameters are read often for AWS's documents, they are read once only.
const document::Content& builtinContent(std::string_view name) {
  static const auto all = [] {
    std::map<std::string, document::Content, std::less<>> contents;
    for (const auto& each : builtinDocuments()) contents.emplace(each, document::parseContent(*builtinDocument(each)).value());
    return contents;
  }();
  return all.find(name)->second;
}

}  // namespace

json::Object DocumentRecord::encode() const {
  json::Object tag_map;
  for (const auto& [key, value] : tags) tag_map[key] = value;
  return {{"name", name},
          {"targetType", target_type},
          {"author", author},
          {"created", toMicros(created)},
          {"defaultVersion", default_version},
          {"latestVersion", latest_version},
          {"nextVersion", next_version},
          {"tags", std::move(tag_map)}};
}

Result<DocumentRecord> DocumentRecord::decode(const json::Object& body) {
  json::Reader reader(body, "document");
  DocumentRecord record;
  record.name = reader.text("name");
  record.target_type = reader.text("targetType");
  record.author = reader.text("author");
  record.created = fromMicros(reader.integer("created"));
  record.default_version = reader.integer("defaultVersion");
  record.latest_version = reader.integer("latestVersion");
  record.next_version = reader.integer("nextVersion");
  if (const auto* tag_map = reader.object("tags"))
    for (const auto& [key, value] : *tag_map)
      if (value.is_string()) record.tags.emplace(std::string(key), json::toStd(value.get_string()));
  SP_CHECK_OK(reader.finish());
  return record;
}

std::string DocumentVersion::hash() const { return sha256Hex(content); }

json::Object DocumentVersion::encode() const {
  return {{"document", document},
          {"number", number},
          {"name", name},
          {"display", display_name},
          {"format", formatName(format)},
          {"content", content},
          {"created", toMicros(created)}};
}

Result<DocumentVersion> DocumentVersion::decode(const json::Object& body) {
  json::Reader reader(body, "document version");
  DocumentVersion version;
  version.document = reader.text("document");
  version.number = reader.integer("number");
  version.name = reader.text("name");
  version.display_name = reader.text("display");
  version.format = reader.text("format") == "YAML" ? document::Format::yaml : document::Format::json;
  version.content = reader.text("content");
  version.created = fromMicros(reader.integer("created"));
  SP_CHECK_OK(reader.finish());
  return version;
}

std::string_view formatName(document::Format format) { return format == document::Format::yaml ? "YAML" : "JSON"; }

std::string documentName(std::string_view name_or_arn) {
  constexpr std::string_view kBefore = ":document/";
  if (name_or_arn.starts_with("arn:"))
    if (const auto at = name_or_arn.find(kBefore); at != std::string_view::npos) name_or_arn.remove_prefix(at + kBefore.size());
  return std::string(name_or_arn);
}

std::expected<FoundDocument, aws::ApiError> findDocument(store::Txn& txn, std::string_view name_or_arn, std::string_view version,
                                                         std::string_view version_name) {
  const auto name = documentName(name_or_arn);
  const auto missing = [&](std::string_view wanted) {
    return aws::refuse("InvalidDocumentVersion", fmt::format("Document version {} of {} does not exist.", wanted, name));
  };
  if (const auto content = builtinDocument(name)) {
    if (!version_name.empty()) return missing(version_name);
    if (!version.empty() && version != "$DEFAULT" && version != "$LATEST" && version != "1") return missing(version);
    FoundDocument found{builtinRecord(name), {}};
    found.version.document = name;
    found.version.content = *content;
    found.version.created = found.document.created;
    return found;
  }
  auto record = decoded<DocumentRecord>(txn.records().get(kDocumentKind, name));
  if (!record) return unknown(name);
  if (!version_name.empty()) {
    for (auto& each : versionsOf(txn, name))
      if (each.name == version_name) return FoundDocument{std::move(*record), std::move(each)};
    return missing(version_name);
  }
  std::int64_t number = record->default_version;
  if (version == "$LATEST") number = record->latest_version;
  else if (!version.empty() && version != "$DEFAULT") {
    const auto asked = parseInt(version);
    if (!asked || *asked < 1) return missing(version);
    number = *asked;
  }
  auto found = decoded<DocumentVersion>(txn.records().get(kVersionKind, versionKey(name, number)));
  if (!found) return missing(version);
  return FoundDocument{std::move(*record), std::move(*found)};
}

std::expected<DocumentRecord, aws::ApiError> ownDocument(store::Txn& txn, std::string_view name) {
  if (builtinDocument(name))
    return aws::refuse("InvalidDocumentOperation",
                       fmt::format("The document {} is AWS's and cannot be changed; make one of your own.", name));
  auto record = decoded<DocumentRecord>(txn.records().get(kDocumentKind, name));
  if (!record) return unknown(name);
  return std::move(*record);
}

std::vector<DocumentRecord> listDocuments(store::Txn& txn, std::string_view after, std::size_t limit) {
  std::vector<DocumentRecord> found;
  for (const auto& each : txn.records().scan(kDocumentKind, "", after, limit))
    if (auto record = decoded<DocumentRecord>(each.body)) found.push_back(std::move(*record));
  for (const auto& name : builtinDocuments())
    if (name > after) found.push_back(builtinRecord(name));
  std::ranges::sort(found, {}, &DocumentRecord::name);
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::vector<DocumentVersion> versionsOf(store::Txn& txn, std::string_view name) {
  std::vector<DocumentVersion> found;
  const auto prefix = fmt::format("{}/", name);
  std::string before;
  while (true) {
    const auto page = txn.records().scanBack(kVersionKind, prefix, before, kPage);
    for (const auto& each : page)
      if (auto version = decoded<DocumentVersion>(each.body)) found.push_back(std::move(*version));
    if (page.size() < kPage) return found;
    before = page.back().key;
  }
}

std::uint64_t countDocuments(store::Txn& txn, std::uint64_t most) { return txn.records().count(kDocumentKind, most); }

void save(store::Txn& txn, const DocumentRecord& document) {
  txn.records().put(kDocumentKind, document.name, json::toText(document.encode()));
}

void save(store::Txn& txn, const DocumentVersion& version) {
  txn.records().put(kVersionKind, versionKey(version.document, version.number), json::toText(version.encode()));
}

void eraseVersion(store::Txn& txn, std::string_view name, std::int64_t number) {
  txn.records().erase(kVersionKind, versionKey(name, number));
}

void eraseDocument(store::Txn& txn, std::string_view name) {
  for (const auto& version : versionsOf(txn, name)) eraseVersion(txn, name, version.number);
  txn.records().erase(kDocumentKind, name);
}

aws::ApiError documentError(const Error& error) {
  const auto code = error.code == "document.schema"       ? "InvalidDocumentSchemaVersion"
                    : error.code == "document.parameters" ? "InvalidParameters"
                    : error.code == "document.missing"    ? "InvalidDocument"
                                                          : "InvalidDocumentContent";
  auto message = error.message;
  for (const auto& step : error.context) message = step + ": " + message;
  return {code, std::move(message), 400, true, {}};
}

std::expected<PlannedDocument, aws::ApiError> planDocument(store::Txn& txn, std::string_view name_or_arn, std::string_view version,
                                                           const json::Object& parameters) {
  PlannedDocument planned;
  SP_TRY(planned.found, findDocument(txn, name_or_arn, version));
  const auto& name = planned.found.document.name;
  std::optional<document::Content> parsed;
  if (!planned.found.document.amazon) {
    auto content = document::parseContent(planned.found.version.content, planned.found.version.format);
    if (!content) return std::unexpected(documentError(content.error()));
    parsed = std::move(*content);
  }
  const auto& content = parsed ? *parsed : builtinContent(name);
  planned.platforms = content.platforms();
  document::PlanFor wanted;
  wanted.lookup = [&txn](std::string_view inner) -> Result<std::string> {
    auto rest = documentName(inner);
    std::string inner_version;
    if (const auto colon = rest.find(':'); colon != std::string::npos) {
      inner_version = rest.substr(colon + 1);
      rest.resize(colon);
    }
    auto found = findDocument(txn, rest, inner_version);
    if (!found) return fail("document.missing", found.error().message);
    return std::move(found->version.content);
  };
  SP_TRY(const auto given, resolveReferences(txn, parameters));
  const auto values = document::readValues(content, name, given);
  if (!values) return std::unexpected(documentError(values.error()));
  // What was put in for a parameter is not looked at again; what the document itself names is put in beside them.
  wanted.stored = [&txn](const json::Value& inputs) -> Result<document::Values> {
    auto stored = referencedParameters(txn, inputs);
    if (!stored) return fail("document.parameters", stored.error().message);
    return std::move(*stored);
  };
  auto plan = document::makePlan(content, *values, wanted);
  if (!plan) return std::unexpected(documentError(plan.error()));
  planned.plan = std::move(*plan);
  return planned;
}

}  // namespace sp::services::ssm
