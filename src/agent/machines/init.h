// Pid 1 of a demo machine: `stillpoint machine-init`. Starts the machine's agent and its application, starts them again
// when they die, reaps orphans. SIGTERM: stops the application, then the agent, then everything, and ends; with it the
// machine is down.
#pragma once
#include <csignal>

namespace sp::agent {

/// Tells a pid 1 that the stop it was asked for was given up: if it has not yet begun to end everything it stays up. Its
/// number is above SIGTERM's, so a pid 1 that finds both takes the stop first.
inline constexpr int kStaySignal = SIGPWR;
static_assert(kStaySignal > SIGTERM);

int machineInit();

}  // namespace sp::agent
