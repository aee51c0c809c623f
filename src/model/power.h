// How a machine that Stillpoint did not make is started, stopped and looked at: the description that its record carries, that
// travels to the agent which holds the driver, and that this agent keeps. docs/power.md has recipes.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/json.h"

namespace sp {

/// Demo machines: made, powered and removed by Stillpoint itself.
inline constexpr std::string_view kSandbox = "sandbox";
/// Three commands of the administrator's.
inline constexpr std::string_view kExec = "exec";
/// A virtual machine that the holder runs itself and speaks QMP with.
inline constexpr std::string_view kQemu = "qemu";
/// Nobody can stop or start it: scripts and backups only.
inline constexpr std::string_view kNoPower = "none";
/// The drivers a machine can be added with.
inline constexpr std::array kAddedDrivers = {kExec, kQemu, kNoPower};

/// One driver's description. Which members count depends on the driver; the others are empty.
struct PowerDescription {
  std::string driver{kNoPower};

  /// exec: argument lists, no shell. The first word is an absolute path. `force_stop` may be empty: then Force asks as any stop does.
  std::vector<std::string> start, stop, status, force_stop;
  /// exec: what `status` prints for a machine that runs, or that is off; compared without case (readStatus).
  std::vector<std::string> running_words, stopped_words;
  /// exec: seconds that one command may take (1..3600).
  std::int64_t command_timeout = 60;
  /// exec: seconds between two looks at a machine of which nothing is asked (0: none; else 5..86400).
  std::int64_t poll = 30;

  /// qemu: the whole command line without -qmp and -daemonize, which are the driver's, and -no-shutdown.
  std::vector<std::string> argv;
  /// qemu: the socket of the guest agent's port on the host; empty: shut down by the ACPI power button alone.
  std::string guest_agent;

  /// Seconds a graceful stop may take (1..86400); 0: the server's stop limit.
  std::int64_t stop_timeout = 0;
  /// Seconds a start may take until the machine runs (1..86400).
  std::int64_t start_timeout = 300;

  /// The members as the API shows them ("Start", "Status" …), without the driver's name.
  json::Object encode() const;
};

/// Reads and checks the API's form. Error "power.description": names the member, its value, its limit.
Result<PowerDescription> parsePower(std::string_view driver, const json::Object& members);

/// What a status command said.
enum class Seen { running, stopped, neither };
/// By the last line that is not empty: it is one of the words, or ends with one behind a blank or a colon ("domain state: shut off",
/// "Chassis Power is on"). Anything else is neither: the machine is on its way, or the output was not understood.
Seen readStatus(const PowerDescription& power, std::string_view output);

}  // namespace sp
