// A program that dies with the agent and, if asked, sees a stopped machine's tree as "/".
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace sp::agent {

/// Where the folder given as `work` appears to a contained program that has a root of its own.
inline constexpr const char* kContainedWork = "/sys/stillpoint";

/// Arguments that start `command` through this program's own verb `agent-contain`: killed when the calling thread ends.
/// With `root` it runs in a private mount namespace in which that folder is "/", read-only, with this host's /usr, /proc
/// and /dev, and `work` writable below /sys: the places that are never part of a machine's volume.
std::vector<std::string> containedCommand(const std::string& root, const std::string& work, std::vector<std::string> command);

/// The verb's own main: argv[2…] as containedCommand() made them. Returns only if it failed, having said why.
int containMain(int argc, char** argv);

}  // namespace sp::agent
