// How long an agent waits before it dials its server again.
#pragma once
#include <chrono>

#include "base/random.h"

namespace sp::agent {

/// The longest pause after so many failures in a row: 100 ms, half as much again with each, up to 5 s where the server is on this host
/// (`loopback`) and 30 s elsewhere.
std::chrono::milliseconds backoffLimit(int failures, bool loopback);
/// Full jitter: anything from 1 ms to that limit, so that the agents of a server that restarts do not come all at once.
std::chrono::milliseconds backoffDelay(int failures, bool loopback, Random& random);

}  // namespace sp::agent
