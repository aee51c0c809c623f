// A coming moment in words, on this machine's wall clock and in UTC.
#pragma once
#include <string>

#include "base/clock.h"

namespace sp::cli {

/// "in 13 hours", "in 5 days"; "now" for what has come.
std::string untilInWords(Instant at, Instant now);
/// "today 14:30", "tomorrow 02:30", "Wednesday 02:30" within a week, else "Wednesday 2 December 2026 02:30": by this machine's time zone
/// (TZ), with seconds if there are some.
std::string dayInWords(Instant at, Instant now);
/// "2026-12-02T02:30:00+01:00", by this machine's time zone.
std::string localIso8601(Instant at);

}  // namespace sp::cli
