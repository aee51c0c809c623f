// A supervised program that dies with its supervisor, has a relay to the server beside it and, if asked, sees a stopped machine's tree
// as "/".
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace sp::agent {

/// Where the folder given as `work` appears to a contained program that has a root of its own.
inline constexpr const char* kContainedWork = "/sys/stillpoint";
/// Where a listening socket for the relay is given to it; not handed on to the program.
inline constexpr int kRelayFd = 8;

struct Containment {
  /// Of its supervised run, whose supervisor it must be a child of.
  std::string folder;
  /// Empty: this host's own "/". Else the program runs in a private mount namespace in which that folder is "/", read-only, with this
  /// host's /usr, /proc and /dev, and `work` writable below /sys: the places that are never part of a machine's volume.
  std::string root;
  std::string work;
  /// "HOST:PORT" that connections to descriptor kRelayFd go on to, by a process of its own that ends with the program; empty: none.
  std::string relay;
};

/// Arguments that start `command` through this program's own verb `agent-contain`.
std::vector<std::string> containedCommand(const Containment& how, std::vector<std::string> command);

/// The verb's own main: argv[2…] as containedCommand() made them. Returns only if it failed, having said why.
int containMain(int argc, char** argv);
/// `agent-relay PARENT HOST:PORT`, with the listening socket as descriptor 3: until the process PARENT, which started it, ends.
int relayMain(int argc, char** argv);

}  // namespace sp::agent
