// The records that an event is on its way. Keys begin with the time at which the event was accepted.
#pragma once
#include <cstdint>
#include <string_view>

namespace sp::services::events {

/// Accepted; rules were not asked yet.
inline constexpr std::string_view kEvent = "event";
/// By the ARN of a running execution: of how many events, one set off by the other, its own are the next.
inline constexpr std::string_view kHops = "event_hops";
/// So many events may set off each other, one after the other.
inline constexpr std::int64_t kMostHops = 32;
/// Of what Stillpoint tells about events, which begins where those ended: a rule on the reports of its own loop ends too.
inline constexpr std::int64_t kMostHopsOfReports = 2 * kMostHops;
inline constexpr std::string_view kOwnSource = "stillpoint.events";

}  // namespace sp::services::events
