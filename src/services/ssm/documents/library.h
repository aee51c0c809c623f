// The documents that there are: AWS's and those that people made, each with its versions. Core thread only.
// Kinds: "ssm_document" (key: name), "ssm_document_version" (key: NAME/NUMBER, the number in ten digits).
// AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/documents.html
#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "base/clock.h"
#include "model/documents/plan.h"
#include "store/store.h"

namespace sp::services::ssm {

inline constexpr std::size_t kDocumentBytesMax = 64 * 1024;

struct DocumentRecord {
  std::string name;
  /// "/AWS::EC2::Instance" …; empty: none was given.
  std::string target_type;
  /// Of AWS's: the same in every installation.
  bool amazon = false;
  /// Who made it: an ARN.
  std::string author;
  Instant created;
  std::int64_t default_version = 1;
  std::int64_t latest_version = 1;
  /// Numbers are not given twice.
  std::int64_t next_version = 2;
  std::map<std::string, std::string> tags;

  json::Object encode() const;
  static Result<DocumentRecord> decode(const json::Object& body);
};

struct DocumentVersion {
  std::string document;
  std::int64_t number = 1;
  /// Given by people, unique within the document; empty: none.
  std::string name;
  std::string display_name;
  document::Format format = document::Format::json;
  std::string content;
  Instant created;

  /// SHA-256 of the content, hex.
  std::string hash() const;
  json::Object encode() const;
  static Result<DocumentVersion> decode(const json::Object& body);
};

struct FoundDocument {
  DocumentRecord document;
  DocumentVersion version;
};

/// "NAME" of "arn:aws:ssm:REGION:ACCOUNT:document/NAME"; a name stays as it is.
std::string documentName(std::string_view name_or_arn);
/// "YAML", "JSON".
std::string_view formatName(document::Format format);

/// `version`: a number, "$DEFAULT", "$LATEST" or "" for the default; `version_name` instead of it. InvalidDocument, InvalidDocumentVersion.
std::expected<FoundDocument, aws::ApiError> findDocument(store::Txn& txn, std::string_view name_or_arn, std::string_view version,
                                                         std::string_view version_name = "");
/// One that people made, to be changed. InvalidDocument; InvalidDocumentOperation for AWS's.
std::expected<DocumentRecord, aws::ApiError> ownDocument(store::Txn& txn, std::string_view name);
/// Those with names greater than `after`, in their order, at most `limit`; AWS's among them.
std::vector<DocumentRecord> listDocuments(store::Txn& txn, std::string_view after, std::size_t limit);
/// Of a document that people made, newest first.
std::vector<DocumentVersion> versionsOf(store::Txn& txn, std::string_view name);
/// How many people made, counted up to `most`.
std::uint64_t countDocuments(store::Txn& txn, std::uint64_t most);

void save(store::Txn& txn, const DocumentRecord& document);
void save(store::Txn& txn, const DocumentVersion& version);
/// With all its versions.
void eraseDocument(store::Txn& txn, std::string_view name);
void eraseVersion(store::Txn& txn, std::string_view name, std::int64_t number);

/// What documents of the library refuse, as the API says it: "document.content" is InvalidDocumentContent …
aws::ApiError documentError(const Error& error);

/// A command's plan with its parameters put in. InvalidDocument, InvalidDocumentVersion, InvalidParameters.
struct PlannedDocument {
  FoundDocument found;
  document::Plan plan;
  std::vector<std::string> platforms;
};
std::expected<PlannedDocument, aws::ApiError> planDocument(store::Txn& txn, std::string_view name_or_arn, std::string_view version,
                                                           const json::Object& parameters);

}  // namespace sp::services::ssm
