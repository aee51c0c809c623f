// How a host becomes an agent of a server: with a one-time token it gets a certificate for a key that never leaves it.
#pragma once
#include <string>
#include <string_view>

#include "agent/agent.h"
#include "base/result.h"

namespace sp::agent {

/// A token's parts: "ID.SECRET.PIN", or "ID:SECRET.PIN" as an SSM activation's id and code. Error "agent.token".
struct Token {
  std::string id;
  std::string secret;
  /// SHA-256 of the authority's public key.
  std::string pin;
};
Result<Token> parseToken(std::string_view text);

/// Token given in options, its file or STILLPOINT_ENROL_TOKEN, in this order; empty: none. Takes the variable out of the environment, so
/// that no script inherits it. Error "agent.token".
Result<std::string> givenToken(const Options& options);

/// Makes the state directory that of an enrolled agent if it is not yet. Waits for a server that does not answer, until `stop_fd` is
/// readable (error "agent.stopped"). What was refused for good is an error with the server's code ("agent.token_spent" …), and changes
/// nothing. Of an enrolled one: a token is not used; another server is an error ("agent.enrolled"); a copy on other hardware is too
/// (checkHardware()), unless a new token says who it shall be: then what it was goes aside (former.h).
Result<void> enrolIfNeeded(const Options& options, int stop_fd);

/// Whether the agent whose enrolment was bound to the hardware `bound` (a hash of facts.h; empty: to none) may run where the hardware is
/// `here`. Errors "agent.cloned", and "agent.hardware_unknown": the hardware has no name, or the agent may not read it.
Result<void> checkHardware(const std::string& bound, const std::string& here, const std::string& state_dir, const std::string& agent);

/// The server will not have this agent as it is (code of agentwire): a new token may then replace its identity. Best effort.
void noteRejected(const std::string& state_dir, std::string_view code);
/// The opposite: it was welcomed.
void noteWelcomed(const std::string& state_dir);

}  // namespace sp::agent
