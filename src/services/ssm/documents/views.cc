#include "services/ssm/documents/views.h"

#include <algorithm>

#include <fmt/format.h>

#include "services/ssm/send_input.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kNameLeast = 3;
constexpr std::size_t kNameMax = 128;
constexpr std::size_t kDisplayMax = 1024;
constexpr std::size_t kTargetTypeMax = 200;
constexpr std::size_t kTagsMax = 50;
constexpr std::size_t kTagKeyMax = 128;
constexpr std::size_t kTagValueMax = 256;

bool madeOf(std::string_view text, std::string_view more) {
  return std::ranges::all_of(text, [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}

std::expected<document::Format, aws::ApiError> readFormat(const json::Object& input) {
  const auto format = json::textOr(input, "DocumentFormat");
  if (format.empty() || format == "JSON") return document::Format::json;
  if (format == "YAML") return document::Format::yaml;
  return constraint(format, "documentFormat", "satisfy enum value set: [JSON, YAML]: documents of type Command have no other");
}

json::Array parametersView(const document::Content& content) {
  json::Array list;
  for (const auto& parameter : content.parameters) {
    json::Object one{{"Name", parameter.name}, {"Type", document::name(parameter.type)}, {"Description", parameter.description}};
    if (parameter.otherwise)
      one["DefaultValue"] =
          parameter.otherwise->is_string() ? json::toStd(parameter.otherwise->get_string()) : json::toText(*parameter.otherwise);
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

json::Array tagsView(const std::map<std::string, std::string>& tags) {
  json::Array list;
  for (const auto& [key, value] : tags) list.push_back(json::Object{{"Key", key}, {"Value", value}});
  return list;
}

json::Object descriptionView(const DocumentRecord& document, const DocumentVersion& version, const Realm& realm) {
  json::Object view{{"Hash", version.hash()},
                    {"HashType", "Sha256"},
                    {"Name", document.name},
                    {"Owner", document.amazon ? "Amazon" : realm.account},
                    {"CreatedDate", toEpochSeconds(version.created)},
                    {"Status", "Active"},
                    {"DocumentVersion", std::to_string(version.number)},
                    {"DocumentType", "Command"},
                    {"LatestVersion", std::to_string(document.latest_version)},
                    {"DefaultVersion", std::to_string(document.default_version)},
                    {"DocumentFormat", formatName(version.format)},
                    {"Tags", tagsView(document.tags)}};
  if (!version.name.empty()) view["VersionName"] = version.name;
  if (!version.display_name.empty()) view["DisplayName"] = version.display_name;
  if (!document.target_type.empty()) view["TargetType"] = document.target_type;
  if (!document.author.empty()) view["Author"] = document.author;
  if (const auto content = document::parseContent(version.content, version.format)) {
    view["Description"] = content->description;
    view["SchemaVersion"] = content->schema;
    view["Parameters"] = parametersView(*content);
    json::Array platforms;
    for (const auto& each : content->platforms()) platforms.emplace_back(each);
    view["PlatformTypes"] = std::move(platforms);
  }
  return view;
}

std::expected<std::map<std::string, std::string>, aws::ApiError> readTags(const json::Object& input) {
  std::map<std::string, std::string> tags;
  const auto* list = json::find(input, "Tags");
  if (list == nullptr || list->is_null()) return tags;
  if (!list->is_array()) return aws::refuse("SerializationException", "Tags must be a list.");
  for (const auto& each : list->get_array()) {
    if (!each.is_object()) return aws::refuse("SerializationException", "A member of Tags is no object.");
    const auto key = json::textOr(each.get_object(), "Key");
    const auto value = json::textOr(each.get_object(), "Value");
    if (key.empty() || key.size() > kTagKeyMax) return constraint(key, "tags.key", fmt::format("have length from 1 to {}", kTagKeyMax));
    if (value.size() > kTagValueMax)
      return constraint(value, "tags.value", fmt::format("have length less than or equal to {}", kTagValueMax));
    if (key.starts_with("aws:"))
      return aws::refuse("ValidationException", fmt::format("The tag key '{}' begins with aws:, which is reserved.", key));
    if (!tags.emplace(key, value).second)
      return aws::refuse("ValidationException", fmt::format("The tag key '{}' is given more than once.", key));
  }
  if (tags.size() > kTagsMax)
    return aws::refuse("TooManyTagsError", fmt::format("{} tags are given; a resource has at most {}.", tags.size(), kTagsMax));
  return tags;
}

std::expected<std::string, aws::ApiError> readDocumentName(const json::Object& input, bool arn) {
  const auto* given = json::find(input, "Name");
  if (given == nullptr || given->is_null()) return constraint("null", "name", "not be null");
  if (!given->is_string()) return aws::refuse("SerializationException", "Name must be a text.");
  auto name = json::toStd(given->get_string());
  auto bare = arn ? documentName(name) : name;
  if (bare.size() < kNameLeast || bare.size() > kNameMax || !madeOf(bare, "_-."))
    return constraint(name, "name", fmt::format("satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.]{{{},{}}}$", kNameLeast, kNameMax));
  return bare;
}

std::expected<DocumentInput, aws::ApiError> readDocumentInput(const json::Object& input) {
  DocumentInput read;
  SP_TRY(read.name, readDocumentName(input, false));
  json::Reader reader(input);
  read.content = reader.textIf("Content").value_or("");
  read.version_name = reader.textIf("VersionName").value_or("");
  read.display_name = reader.textIf("DisplayName").value_or("");
  read.target_type = reader.textIf("TargetType").value_or("");
  const auto* attachments = reader.arrayIf("Attachments");
  const auto* needed = reader.arrayIf("Requires");
  if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
  if (read.content.empty()) return constraint(read.content, "content", "have length greater than or equal to 1");
  if (read.version_name.size() > kNameMax || !madeOf(read.version_name, "_-."))
    return constraint(read.version_name, "versionName", "satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.]{1,128}$");
  if (read.display_name.size() > kDisplayMax || !madeOf(read.display_name, "_.-:/ "))
    return constraint(read.display_name, "displayName",
                      "satisfy regular expression pattern: ^[\\w\\.\\-\\:\\/ ]*$, with at most 1024 characters");
  if (!read.target_type.empty() &&
      (read.target_type.size() > kTargetTypeMax || !read.target_type.starts_with('/') || !madeOf(read.target_type, "_.-:/")))
    return constraint(read.target_type, "targetType",
                      "satisfy regular expression pattern: ^\\/[\\w\\.\\-\\:\\/]*$, with at most 200 characters");
  if (attachments != nullptr && !attachments->empty())
    return aws::refuse("ValidationException", "Attachments are for documents of type Package, which are not served here.");
  if (needed != nullptr && !needed->empty())
    return aws::refuse("ValidationException", "Requires is for documents of type ApplicationConfiguration, which are not served here.");
  SP_TRY(read.format, readFormat(input));
  if (read.content.size() > kDocumentBytesMax)
    return aws::refuse("MaxDocumentSizeExceeded",
                       fmt::format("The content has {} bytes; a document may have {}. Put scripts into a bucket and fetch "
                                   "them with aws:downloadContent.",
                                   read.content.size(), kDocumentBytesMax));
  if (const auto content = document::parseContent(read.content, read.format); !content)
    return std::unexpected(documentError(content.error()));
  return read;
}

}  // namespace sp::services::ssm
