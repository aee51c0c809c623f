// The process that sees to a freeze's end although its agent is dead, stopped or hangs. It lives in a scope of its own, waits for the
// leases' ends (lease_files.h), and when one has ended and no agent has taken note of it, it has a stand-in of the agent thaw.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "os/file.h"

namespace sp::agent {

/// `stillpoint agent-guard STATE_DIR`: until there is no lease; its exit code. Where another one waits already: 0 at once.
int guardMain(const std::string& state_dir);

/// `stillpoint agent-stand-in STATE_DIR`: is the agent, without a server, until every thaw that is due has ended; its exit code. 3: an
/// agent lives.
int standInMain(const std::string& state_dir);

/// The agent's lock on its state directory. Of a stand-in it is taken over: that ends at once, its script goes on and is adopted.
/// Error "os.locked": another agent holds it.
Result<os::Fd> lockState(const std::string& state_dir);

/// Writes down, durably, as whom scripts may run here (Identity::runAs): a stand-in is given no options.
Result<void> keepRunAs(const std::string& state_dir, const std::vector<std::string>& users);

/// Writes DIR/pid, which names who holds the lock.
Result<void> writePid(const std::string& state_dir, bool stand_in);

}  // namespace sp::agent
