// The canonical forms that signatures are made over.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "aws/request_view.h"

namespace sp::aws {

/// S3: every segment encoded exactly once, nothing folded.
std::string canonicalPathOnce(std::string_view raw_path);
/// All others: empty and dot segments folded, then what was sent encoded once more.
std::string canonicalPathTwice(std::string_view raw_path);
/// Sorted by encoded name, then value; without the parameter `leave_out` (X-Amz-Signature).
std::string canonicalQuery(std::string_view raw_query, std::string_view leave_out);
/// "name:value\n" for each of the names, in their order; values trimmed, inner blanks folded, repeated headers joined by commas.
std::string canonicalHeaders(const RequestView& request, const std::vector<std::string_view>& names);

}  // namespace sp::aws
