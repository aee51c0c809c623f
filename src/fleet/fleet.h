// The agents: who they are, how they connect, what they are asked. One object that the daemon makes and starts.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "fleet/agent_http.h"
#include "net/http_server.h"
#include "runtime/agent_identity.h"
#include "runtime/agent_registry.h"
#include "runtime/core.h"
#include "runtime/ports.h"

namespace sp::fleet {

struct FleetOptions {
  /// The server's data directory: DIR/ca, DIR/host-agent, DIR/machines are used.
  std::string data_dir;
  /// Where agents connect; port 0: any free one.
  net::Endpoint listen;
  /// False: no agent is started for the server's own host (tests of other parts).
  bool host_agent = true;
  /// What agents' certificates last; they are renewed at two thirds of it.
  std::chrono::seconds certificate_life{30 * 24 * 3600};
  /// HTTP connections that agents may have at once: of backups, restores, scripts and their outputs. Each is a thread.
  std::size_t http_connections = 256;
  /// Passed on to the host agent (--failpoints FILE); empty: none.
  std::string agent_failpoints;
};

class Fleet {
 public:
  /// Makes or loads the authority in DIR/ca and binds the agents' port; nothing is accepted yet. Errors: "net.bind",
  /// "ca.…", "os.…". All given outlive it.
  static Result<std::unique_ptr<Fleet>> open(FleetOptions options, runtime::Core& core, runtime::AgentReports& reports, const Clock& clock,
                                             Random& random);
  virtual ~Fleet() = default;

  /// For Context::agents; core thread.
  virtual runtime::AgentPort& agents() = 0;
  /// For Instances; any thread.
  virtual runtime::AgentIdentities& identities() = 0;
  virtual runtime::AgentAuthority& authority() = 0;
  /// Who may connect, enrol and renew. Before start(); outlives the fleet.
  virtual void setRegistry(runtime::AgentRegistry& registry) = 0;
  /// HTTP below `prefix` ("/vault/") on the agents' port. Before start(); outlives the fleet.
  virtual void route(std::string prefix, AgentHttpRoute& route) = 0;
  /// The real address.
  virtual net::Endpoint endpoint() const = 0;

  /// After the core has started: accepts agents, tells machines a changed port, starts the host's agent if none is alive.
  virtual Result<void> start() = 0;
  /// Before the core stops: closes the port and all sessions. The host's agent and the machines live on.
  virtual void stop() = 0;
};

}  // namespace sp::fleet
