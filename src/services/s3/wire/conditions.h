// Preconditions and ranges of GET, HEAD and copies.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "aws/api_error.h"
#include "base/clock.h"
#include "services/s3/s3.h"

namespace sp::services::s3 {

struct Conditions {
  std::optional<std::string> if_match;
  std::optional<std::string> if_none_match;
  std::optional<Instant> if_modified_since;
  std::optional<Instant> if_unmodified_since;

  /// `prefix` "" or "x-amz-copy-source-". Dates that cannot be read count as absent.
  static Conditions of(const Headers& headers, std::string_view prefix = "");
};

enum class Verdict { go, failed, notModified };

struct Judgement {
  Verdict verdict = Verdict::go;
  /// "If-Match": which condition decided.
  std::string_view condition;
};

/// RFC 9110's order: If-Match hides If-Unmodified-Since, If-None-Match hides If-Modified-Since.
Judgement judge(const Conditions& conditions, std::string_view etag, Instant modified);

/// A comma list of quoted or bare entity tags, or "*".
bool matchesEtag(std::string_view list, std::string_view etag);

/// PreconditionFailed 412.
aws::ApiError preconditionFailed(std::string_view condition);

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
struct Unsatisfiable {};
/// monostate: no range, or one that S3 ignores (several, other units, nonsense).
using RangeAnswer = std::variant<std::monostate, ByteRange, Unsatisfiable>;
RangeAnswer parseRange(std::string_view header, std::uint64_t size);

}  // namespace sp::services::s3
