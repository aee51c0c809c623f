// What an agent tells of its machine.
#pragma once
#include <string>

#include "base/result.h"
#include "json/json.h"

namespace sp::agent {

/// Where the hardware's own name is read, which no copy of the disks carries along: DMI's UUID, else the serial number in the device tree.
inline constexpr const char* kMachineIdFiles[] = {"/sys/class/dmi/id/product_uuid", "/proc/device-tree/serial-number"};

/// A hash of that name (64 hex digits): the name itself stays here. `file` empty: the first of kMachineIdFiles that can be read, and an
/// empty hash where there is none, or this user may not read it. A file that was named must be there and hold a name: error
/// "agent.machine_id".
Result<std::string> machineHash(const std::string& file);

/// Members of "hello" that do not depend on the connection: platformType, platformName, platformVersion, hostname, agentVersion, bootId,
/// initStart, machine.
json::Object machineFacts(const std::string& machine_hash);

/// NAME and VERSION_ID of os-release's text; quotes and escapes are undone.
struct Platform {
  std::string name;
  std::string version;
};
Platform readOsRelease(const std::string& text);

}  // namespace sp::agent
