// The written forms of a moment that AWS uses; always UTC, never the machine's time zone.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace sp {

/// 2024-01-01T01:02:03.456Z
std::string toIso8601Millis(Instant t);
/// 2024-01-01T01:02:03Z
std::string toIso8601Seconds(Instant t);
/// 20240101T010203Z, SigV4's form.
std::string toBasicIso8601(Instant t);
/// 20240101
std::string toBasicDate(Instant t);
/// Mon, 01 Jan 2024 01:02:03 GMT (RFC 9110 HTTP-date).
std::string toHttpDate(Instant t);

/// Extended ISO 8601 with a time zone ("Z", "+01:00") and up to nine fraction digits; "2024-01-01" alone is midnight UTC.
Result<Instant> parseIso8601(std::string_view text);
/// 20240101T010203Z
Result<Instant> parseBasicIso8601(std::string_view text);
/// RFC 9110 HTTP-date (IMF-fixdate only).
Result<Instant> parseHttpDate(std::string_view text);

}  // namespace sp
