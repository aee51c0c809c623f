// What an agent keeps to thaw a freeze by itself: the whole post-script, fetched before anything was frozen, and for how long it waits
// for its server. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::agent {

struct GuardOrder {
  /// The command.run of the post-script without type, id and freeze; its commandId is the promise (agentwire::guardCommandId), and what
  /// its steps download lies on this machine ("kept": path).
  json::Object thaw;
  std::int64_t lease_ms = 300'000;
  /// After a boot that the run itself asks for the server comes first for so long.
  std::int64_t boot_ms = 120'000;
  /// The run stops the machine: its freeze is there to outlive that.
  bool stops = false;
  /// thisBoot() when it was armed.
  json::Object boot;
  /// Thaws that the agent has begun by itself.
  std::int64_t attempts = 0;
  /// How the pre-script ended (Success, Failed …); empty while it runs.
  std::string pre;

  json::Object encode() const;
  static GuardOrder decode(const json::Object& object);
  /// Of a freeze-phase request; nullopt if its run has no post-script or its server is older. Error "agent.guard": it cannot be carried
  /// out.
  static Result<std::optional<GuardOrder>> of(const json::Object& request);
};

/// The request of the agent's next thaw by itself, and the id that it has; `why` becomes its result's message.
json::Object thawRequest(const GuardOrder& order, const std::string& freeze_id, const std::string& why);

/// Pause after the `attempts`-th thaw of its own that failed: 10 s, doubling, at most an hour.
Duration retryPause(std::int64_t attempts);

/// "the lease of 300 s ended …": why the agent thaws by itself.
std::string leaseEnded(const GuardOrder& order);
std::string machineRebooted();

}  // namespace sp::agent
