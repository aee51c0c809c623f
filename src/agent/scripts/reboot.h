// What a script asks for when it ends with exit code 194: its machine booted anew, then its step run again.
// AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/send-commands-reboot.html
#pragma once
#include <string>

#include "agent/request_handler.h"

namespace sp::agent {

/// Has the server reboot this machine for a script of the command; where the machine has no power driver, reboots it by its own init.
/// Success: it is on its way, and this agent is going to end. Tried again while the server cannot be reached, until the request is
/// cancelled. Errors: "reboot.refused" (the server says why it must not be), "reboot.failed" (this agent has not the right),
/// "reboot.cancelled".
Result<void> askForReboot(RequestContext& context, const std::string& command);

}  // namespace sp::agent
