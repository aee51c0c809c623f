// The file tree of a new demo machine: folders, links into the host's /usr (bound read-only when it runs), a minimal /etc.
#pragma once
#include <string>

#include "agent/machines/machine.h"

namespace sp::agent {

/// Makes it at `root`, which must not exist. Error "machine.image" for an image this host cannot serve, saying why.
Result<void> makeTree(const std::string& root, const MachineSpec& spec);

}  // namespace sp::agent
