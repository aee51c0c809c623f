// Pid 1 of a demo machine: `stillpoint machine-init`. Starts the machine's agent and its application, starts them again
// when they die, reaps orphans. SIGTERM: stops the application, then the agent, then everything, and ends; with it the
// machine is down.
#pragma once

namespace sp::agent {

int machineInit();

}  // namespace sp::agent
