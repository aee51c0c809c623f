// Scripts as another user than the agent's.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "agent/request_handler.h"
#include "agent/scripts/supervisor.h"
#include "base/result.h"

namespace sp::agent {

/// The user that a script runs as; nullopt: the agent's own. `allowed`: Identity::runAs(). `asked`: the command's wish, or empty. `own`:
/// the name of the agent's user. Error "agent.run_as" says who is allowed.
Result<std::optional<std::string>> chooseUser(const std::vector<std::string>& allowed, const std::string& asked, const std::string& own,
                                              bool is_root);

/// Makes the script of `spec` one of the user that chooseUser() says. What it needs of the agent's state directory, which is root's alone
/// (itself, and the downloads where it runs), is copied to a folder of that user's: STATE_DIR-users/NAME. Errors "agent.run_as", "os.…".
Result<void> runAs(SuperviseSpec& spec, const Identity& identity, const std::string& asked, const std::string& name);

/// STATE_DIR-users.
std::string usersFolder(const std::string& state_dir);

/// Removes folders whose run (STATE_DIR/runs/…) is gone.
void tidyRunAs(const std::string& state_dir);

}  // namespace sp::agent
