// The server: everything made, wired, started and stopped in the right order.
#pragma once
#include "daemon/config.h"

namespace sp::daemon {

/// Runs until SIGTERM or SIGINT. Returns the process's exit status: 0 stopped in order, 1 could not start (said on standard
/// error, nothing changed).
int serve(Config config);

}  // namespace sp::daemon
