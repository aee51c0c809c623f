// From the host into a machine: `stillpoint machine-launch MACHINE_DIR GENERATION`, a process that lives for milliseconds.
#pragma once
#include <string>

namespace sp::agent {

/// Makes the namespaces, writes state.json, lets the machine's pid 1 go and ends: 0 when that runs `machine-init`, else 1 with
/// the reason on standard error. Descriptor 3 is the machine's lock and is handed to its pid 1.
int launchMachine(const std::string& directory, const std::string& generation);

}  // namespace sp::agent
