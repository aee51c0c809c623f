// Pid 1 of a demo machine: `stillpoint machine-init`. Starts the machine's agent and its application, starts them again
// when they die, reaps orphans. SIGTERM: stops the application, then the agent, then everything, and ends; with it the
// machine is down.
#pragma once
#include <chrono>
#include <csignal>

namespace sp::agent {

/// Tells a pid 1 that the stop it was asked for was given up: if it has not yet begun to end everything it stays up. Its
/// number is above SIGTERM's, so a pid 1 that finds both takes the stop first.
inline constexpr int kStaySignal = SIGPWR;
static_assert(kStaySignal > SIGTERM);

/// How long a service that lived for `lived` waits for its next start, when it waited for `last` before: it grows while the service
/// does not come up, from 200 ms to 5 s, and is 100 ms for one that was up.
std::chrono::milliseconds restartDelay(std::chrono::milliseconds last, std::chrono::milliseconds lived);

int machineInit();

}  // namespace sp::agent
