// The documents Run Command knows, and what a command's parameters make of them.
#pragma once
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::services::ssm {

/// Where AWS-RunRemoteScript's files lie.
struct S3Source {
  std::string bucket;
  std::string key;
};

/// A step, ready to be sent.
struct DocumentStep {
  std::string name;
  std::string plugin;
  /// aws:runShellScript
  std::string script;
  std::string working_directory;
  /// aws:downloadContent
  std::optional<S3Source> source;
  /// Not for this platform: what its output says. It is not sent.
  std::string skipped;
};

/// A document with its parameters put in.
struct Rendered {
  std::vector<DocumentStep> steps;
  std::int64_t execution_seconds = 3600;
};

/// "AWS-RunShellScript" and "AWS-RunRemoteScript", each in its one version; an ARN that ends in the name, too.
/// InvalidDocument, InvalidDocumentVersion, InvalidParameters as AWS answers them.
std::expected<Rendered, aws::ApiError> render(std::string_view document, std::string_view version, const json::Object& parameters);

/// "AWS-RunShellScript" from the name or ARN given; nullopt if there is no such document.
std::optional<std::string> documentName(std::string_view name_or_arn);

/// Puts parameters in for "{{ name }}", once and not into what was put in; unknown names stay as they are.
std::string substitute(std::string_view text, const std::map<std::string, std::string, std::less<>>& parameters);

/// Bucket and key of the forms in which people write S3 objects: s3://B/K, https://B.s3.amazonaws.com/K,
/// https://B.s3.REGION.amazonaws.com/K, https://s3.REGION.amazonaws.com/B/K, http(s)://OUR-ENDPOINT/B/K. '+' and %XX are
/// decoded. Error "s3.url".
Result<S3Source> parseS3Url(std::string_view url);

}  // namespace sp::services::ssm
