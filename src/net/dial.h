// A TCP connection within a deadline. Inside net only.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace sp::net {

using SteadyTime = std::chrono::steady_clock::time_point;

/// True when `fd` is ready for `events` (poll's) in time.
bool waitFor(int fd, short events, SteadyTime deadline);

/// A connected non-blocking socket, the caller's. Errors "net.connect", "net.timeout": of the last address tried.
Result<int> dialTcp(const std::string& host, std::uint16_t port, SteadyTime deadline);

}  // namespace sp::net
