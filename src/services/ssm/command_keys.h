// Keys of the records and timers of Run Command, and the one way an invocation ends.
#pragma once
#include <optional>
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
/// {instance, command, plan} of what a machine may make a command of (key: the promise's id).
inline constexpr std::string_view kPromiseKind = "command_promise";
inline constexpr std::string_view kInvocationKind = "invocation";
inline constexpr std::string_view kInvocationOrder = "invocation_order";
/// Commands by SendSpec::dedup_key.
inline constexpr std::string_view kDedupIndex = "dedup";
/// Commands that have not ended, all under one value.
inline constexpr std::string_view kOpenIndex = "open";
inline constexpr std::string_view kOpenCommand = "1";
/// Commands of a machine's guard that have not ended, by the machine.
inline constexpr std::string_view kGuardIndex = "guardOn";
inline constexpr std::string_view kExpiryTimer = "ssm.expires";
inline constexpr std::string_view kForgetTimer = "ssm.forget";

/// Text order is time order.
inline std::string orderKey(Instant requested, std::string_view command) { return fmt::format("{:020}/{}", toMicros(requested), command); }
inline std::string orderOnKey(std::string_view instance, Instant requested, std::string_view command) {
  return fmt::format("{}/{}", instance, orderKey(requested, command));
}

/// Id of an invocation's request to the agent.
inline std::string requestId(std::string_view command, std::string_view instance) { return fmt::format("cmd/{}/{}", command, instance); }

/// The id of the command that an agent's message is about; nullopt if it is about none, or about another agent's.
std::optional<std::string> commandReported(const std::string& agent, const json::Object& message);

/// How long ago that began which an agent's result tells of.
Duration begunAgo(const json::Object& result);

/// Whether a machine made it by itself of what it was promised.
bool isGuards(const Command& command);
/// "freeze ID PHASE attempt N".
std::string freezeText(const json::Object& freeze);

/// Gives an invocation its end; steps without one get the same.
void conclude(Invocation& invocation, std::string_view details, Instant now);

}  // namespace sp::services::ssm
