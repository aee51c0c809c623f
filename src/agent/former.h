// What an agent was before its machine is enrolled anew, and what becomes of what it had been asked.
//
// Its identity goes aside at once, its journal and runs stay where they are until it is known who the machine is now: the same instance of
// the same server goes on with them as after any restart, so that a script that runs still is named, told as it ends, and comes before its
// thaw. Anybody else gets none of it: what runs is ended first.
#pragma once
#include <string>

#include "base/result.h"

namespace sp::agent {

/// Moves the identity in the state directory, that of `agent`, to a folder "former-…" there. `same_machine`: it may go on with what it was
/// asked; false where the files are a copy's.
Result<void> setIdentityAside(const std::string& state_dir, const std::string& agent, bool same_machine);

/// The machine is `agent` of the server with that authority (PEM) from now on; before that stands in the state directory. Where it was not
/// before: ends and awaits what runs, and puts it aside with the journal. Nothing where no identity was set aside. Error "agent.stopped":
/// `stop_fd` was readable first.
Result<void> settleFormer(const std::string& state_dir, const std::string& agent, const std::string& authority, int stop_fd);

/// The new identity stands: the former one is history.
void forgetFormer(const std::string& state_dir);

}  // namespace sp::agent
