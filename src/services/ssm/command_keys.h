// Keys of the records and timers of Run Command, and the one way an invocation ends.
#pragma once
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "services/ssm/records.h"

namespace sp::services::ssm {

inline constexpr std::string_view kCommandKind = "command";
inline constexpr std::string_view kProgressKind = "command_progress";
inline constexpr std::string_view kTargetsKind = "command_targets";
inline constexpr std::string_view kCommandOrder = "command_order";
inline constexpr std::string_view kPlanKind = "command_plan";
inline constexpr std::string_view kInvocationKind = "invocation";
inline constexpr std::string_view kInvocationOrder = "invocation_order";
/// Commands by SendSpec::dedup_key.
inline constexpr std::string_view kDedupIndex = "dedup";
/// Commands that have not ended, all under one value.
inline constexpr std::string_view kOpenIndex = "open";
inline constexpr std::string_view kOpenCommand = "1";
inline constexpr std::string_view kExpiryTimer = "ssm.expires";
inline constexpr std::string_view kForgetTimer = "ssm.forget";

/// Text order is time order.
inline std::string orderKey(Instant requested, std::string_view command) { return fmt::format("{:020}/{}", toMicros(requested), command); }
inline std::string orderOnKey(std::string_view instance, Instant requested, std::string_view command) {
  return fmt::format("{}/{}", instance, orderKey(requested, command));
}

/// Id of an invocation's request to the agent.
inline std::string requestId(std::string_view command, std::string_view instance) { return fmt::format("cmd/{}/{}", command, instance); }

/// Gives an invocation its end; steps without one get the same.
void conclude(Invocation& invocation, std::string_view details, Instant now);

}  // namespace sp::services::ssm
