#include "schedule/catch_up.h"

#include <chrono>

namespace sp::schedule {

CatchUp catchUp(const NextTime& next, Instant due, Instant now) {
  CatchUp out;
  out.run = due;
  // The latest is looked for from the end: months of missed minutes are not walked.
  for (Duration back = std::chrono::minutes(1); now - back > due; back *= 2) {
    const auto found = next(now - back);
    if (!found || *found > now) continue;
    out.run = *found;
    break;
  }
  for (out.next = next(out.run); out.next && *out.next <= now; out.next = next(out.run)) out.run = *out.next;
  for (std::optional<Instant> at = due; at && *at < out.run && out.missed < kMostCounted; at = next(*at)) ++out.missed;
  return out;
}

}  // namespace sp::schedule
