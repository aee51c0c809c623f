// What this program tells systemd, and what it has systemd keep apart. Without systemd nothing happens.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace sp::os {

/// "READY=1", "STATUS=…" and their like.
void notifySystemd(const std::string& state);
/// How often this process has to say that it lives (half of WatchdogSec); 0: nobody waits for it.
std::chrono::milliseconds watchdogInterval();
/// Says so, at most once in a quarter of WatchdogSec: cheap to call in a loop. One thread only.
void beatWatchdog();
/// Waits for a descriptor to become readable, as waitReadable does, and beats meanwhile.
bool waitBeating(int fd, std::chrono::milliseconds limit);
/// The variables by which systemd speaks to one process, taken out of this environment for a child that is not that process.
std::vector<std::string> environmentForChildren();

/// The command, run in a scope of its own where this process is a unit of systemd: what ends that unit's processes does not end it.
/// `name` becomes "stillpoint-NAME-PID.scope". Elsewhere the command itself.
std::vector<std::string> inScope(const std::string& name, std::vector<std::string> command);
/// `stillpoint in-scope NAME COMMAND…`: moves this process there, then becomes the command. If it cannot be moved (no rights), it says
/// so on standard error and goes on where it is. Returns only when the command cannot be started: 127.
int inScopeMain(int argc, char** argv);
/// This process's cgroup as /proc/self/cgroup names it for systemd; empty without.
std::string ownCgroup();

}  // namespace sp::os
