// Who an agent is and where it finds the server: what a new machine is given before its first boot.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::runtime {

struct AgentIdentity {
  /// "HOST:PORT" of the agents' port as it is now.
  std::string server;
  /// PEM: the authority's certificate, the agent's own, and its private key (a secret).
  std::string ca;
  std::string cert;
  std::string key;
};

class AgentIdentities {
 public:
  virtual ~AgentIdentities() = default;
  /// A new certificate with a new key for the agent of that name. Any thread; about a millisecond.
  virtual Result<AgentIdentity> issue(std::string_view agent) = 0;
};

}  // namespace sp::runtime
