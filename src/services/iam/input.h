// Reading and checking IAM's parameters, in IAM's words.
#pragma once
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"

namespace sp::services::iam {

template <class T>
using Checked = std::expected<T, aws::ApiError>;

/// A name of [\w+=,.@-]{1,max}. Error ValidationError, which names the member as IAM does ("roleName").
Checked<std::string> readName(const json::Object& input, std::string_view member, std::size_t max);
Checked<std::string> readRoleName(const json::Object& input);
/// Required, any text.
Checked<std::string> readText(const json::Object& input, std::string_view member);
Checked<std::string> readDescription(const json::Object& input);
Checked<std::int64_t> readMaxSession(const json::Object& input, std::int64_t otherwise);
/// Tags of a request. Errors ValidationError, InvalidInput (a key twice).
Checked<std::map<std::string, std::string>> readTags(const json::Object& input);
/// Elements of a list of texts; empty when absent.
std::vector<std::string> readTexts(const json::Object& input, std::string_view member);

/// A policy document: JSON with statements. `trust`: it says who may assume a role, so it needs principals and has no
/// resources. Errors MalformedPolicyDocument, LimitExceeded.
Checked<std::string> readPolicy(const json::Object& input, std::string_view member, bool trust);
/// Characters of a document as IAM counts them: without blanks.
std::size_t policyLength(std::string_view text);
/// Of all inline policies of a role together.
inline constexpr std::size_t kInlinePolicyLength = 10240;
Checked<std::string> readPolicyArn(const json::Object& input);

/// Marker and MaxItems.
struct Page {
  /// Position after which to go on; empty: from the start.
  std::string after;
  std::size_t limit = 100;
  std::string bound_to;
};
/// `bound_to`: operation and arguments the marker belongs to.
Checked<Page> readPage(const json::Object& input, std::string bound_to);
/// Adds IsTruncated and Marker.
void writePage(json::Object& output, const Page& page, bool more, std::string_view last);
/// The page of a sorted list of names.
std::vector<std::string> pageOf(const std::vector<std::string>& sorted, const Page& page, bool& more);

}  // namespace sp::services::iam
