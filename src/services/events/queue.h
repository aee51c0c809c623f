// The records that an event is on its way. Keys begin with the time at which the event was accepted.
#pragma once
#include <cstdint>
#include <string_view>

namespace sp::services::events {

/// Accepted; rules were not asked yet.
inline constexpr std::string_view kEvent = "event";
/// By the ARN of a running execution, or what else stands in a chain of events (chains.h).
inline constexpr std::string_view kHops = "event_hops";
/// So many events may set off each other, one after the other.
inline constexpr std::int64_t kMostHops = 32;
/// So many times may an event of one chain be delivered, whatever the way: events that set off two each grow fast within 32.
inline constexpr std::int64_t kMostOfAChain = 100'000;
/// And so many bytes of events: large ones would fill the disk before.
inline constexpr std::int64_t kMostBytesOfAChain = std::int64_t{1} << 30;
/// Of what Stillpoint tells about events, which begins where those ended: a rule on the reports of its own loop ends too.
inline constexpr std::int64_t kMostHopsOfReports = 2 * kMostHops;
inline constexpr std::string_view kOwnSource = "stillpoint.events";

}  // namespace sp::services::events
