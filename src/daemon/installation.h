// Everything behind the ports, made once and wired: store, core, services, engine, workflow, fleet.
#pragma once
#include <functional>
#include <memory>

#include "base/random.h"
#include "daemon/config.h"
#include "daemon/credentials.h"
#include "net/http.h"
#include "net/http_server.h"

namespace sp::daemon {

class Installation {
 public:
  /// Opens the store and the agents' port; nothing runs yet. `random` outlives it. Errors name what could not be opened.
  static Result<std::unique_ptr<Installation>> open(const Config& config, const net::Endpoint& agents_at, const RootKey& key,
                                                    Random& random);
  virtual ~Installation() = default;

  /// Answers the API port's requests.
  virtual net::Handler& apiHandler() = 0;
  virtual net::Endpoint agentsEndpoint() const = 0;
  /// Where the API is found, "HOST:PORT": before start().
  virtual void serving(std::string address) = 0;
  /// Who makes room on a full disk for what deletes (runtime::Core::onFull): before start().
  virtual void onFull(std::function<bool()> make_room) = 0;
  /// Takes up what was under way, then accepts agents.
  virtual Result<void> start() = 0;
  /// Answers the long polls: before the server waits for the answers under way.
  virtual void endWaiting() = 0;
  /// Has `told` called by the core thread, after all that waits for it now.
  virtual void whenAnswering(std::function<void()> told) = 0;
  /// After the API port has closed. Machines and the host's agent live on.
  virtual void stop() = 0;
};

}  // namespace sp::daemon
