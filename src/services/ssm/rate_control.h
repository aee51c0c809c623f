// How many invocations may run at once, when a command is given up, and what it ends as: pure functions.
// AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/send-commands-multiple.html
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sp::services::ssm {

/// "50" or "10%" of `targets`; a percentage is rounded down, to 1 at least. nullopt: no such form, or 0.
std::optional<std::int64_t> concurrencyLimit(std::string_view text, std::int64_t targets);
/// "0", "3" or "10%" of `targets`, rounded down. nullopt: no such form.
std::optional<std::int64_t> errorLimit(std::string_view text, std::int64_t targets);

/// Number of invocations that ended, by status details.
using Tally = std::map<std::string, std::int64_t>;
std::int64_t ended(const Tally& tally);
/// Failed and ExecutionTimedOut: what counts towards MaxErrors.
std::int64_t errors(const Tally& tally);
std::int64_t count(const Tally& tally, std::string_view details);

/// How many may be started now: the window starts at 1 and grows by one with each invocation that ends, so that it doubles
/// with every round, up to MaxConcurrency.
std::int64_t mayStart(std::int64_t window, std::int64_t concurrency, std::int64_t running, std::int64_t waiting);

struct Verdict {
  std::string status;
  std::string details;
};
/// What a command whose invocations have all ended is. `max_errors` as from errorLimit.
Verdict commandVerdict(const Tally& tally, std::int64_t max_errors);

/// The status that goes with an invocation's details ("ExecutionTimedOut" → "TimedOut").
std::string_view statusOf(std::string_view details);

}  // namespace sp::services::ssm
