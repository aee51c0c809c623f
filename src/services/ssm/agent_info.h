// What machines' agents say of themselves when they connect: what DescribeInstanceInformation and ListAgents show.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "services/context.h"
#include "services/ec2/instances.h"

namespace sp::services::ssm {

/// Record kind "agent_info", key: the instance's id. There is one once its agent has connected.
struct AgentInfo {
  std::string version;
  std::string hostname;
  std::string platform_name;
  std::string platform_version;
  /// Its own address towards the server.
  std::string address;
  std::string boot_id;
  /// As bootOf() has it.
  std::string boot;
  /// How far its clock was ahead of the server's when it last told, the way of the message included.
  Duration clock_offset{0};
  std::int64_t protocol = 1;
  /// Last sign of life that was recorded: hello, or the end of the session.
  Instant heard;
  Instant registered;
};

/// Names the boot of the machine whose agent says this hello; empty: it does not tell. The agent's restart does not change it.
std::string bootOf(const json::Object& hello);
/// Whether a machine has been booted between the two; no if one of them is empty.
bool rebooted(std::string_view before, std::string_view now);

/// Registers for hello and the end of sessions; before the core starts.
void keepAgentInfo(Context& context, ec2::Instances& instances);
std::optional<AgentInfo> findAgentInfo(store::Txn& txn, std::string_view instance);
/// When it was last heard: of one that is connected whatever came last, of any other what is recorded.
Instant lastHeard(const Context& context, std::string_view instance, const AgentInfo& info, Instant now);

}  // namespace sp::services::ssm
