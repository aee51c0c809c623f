// What a script finds in its environment: the agent's own, Run Command's variables, what the command gives.
#pragma once
#include <string>
#include <vector>

#include "json/json.h"

namespace sp::agent {

/// "NAME=value" of each variable for a script of `command` (a command.run) that runs in `cwd`, which ends its PATH. `agent`: the machine
/// where the command does not say. Reads /etc/os-release and this process's environment.
std::vector<std::string> scriptEnvironment(const json::Object& command, const std::string& agent, const std::string& cwd);

}  // namespace sp::agent
