// Documents in the API's words, and what its calls have in common.
#pragma once
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "services/ssm/documents/library.h"

namespace sp::services::ssm {

/// DocumentDescription.
json::Object descriptionView(const DocumentRecord& document, const DocumentVersion& version, const Realm& realm);
json::Array tagsView(const std::map<std::string, std::string>& tags);

/// "Tags" of the input, checked: ValidationException, TooManyTagsError.
std::expected<std::map<std::string, std::string>, aws::ApiError> readTags(const json::Object& input);

/// What CreateDocument and UpdateDocument are given.
struct DocumentInput {
  std::string name;
  std::string content;
  std::string version_name;
  std::string display_name;
  std::string target_type;
  document::Format format = document::Format::json;
};
/// ValidationException, MaxDocumentSizeExceeded, InvalidDocumentContent, InvalidDocumentSchemaVersion.
std::expected<DocumentInput, aws::ApiError> readDocumentInput(const json::Object& input);
/// "Name" or another member as a document's name; `arn`: ARNs are allowed, too. ValidationException.
std::expected<std::string, aws::ApiError> readDocumentName(const json::Object& input, bool arn);

}  // namespace sp::services::ssm
