// What this agent can do: its handlers, by what its options give it.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/request_handler.h"

namespace sp::agent {

struct Parts {
  std::vector<std::unique_ptr<RequestHandler>> handlers;
  /// Called after each welcome, on the session's thread.
  std::vector<std::function<void()>> on_welcome;
  /// Called with each "lease", on the session's thread.
  std::vector<std::function<void(const json::Object&)>> on_lease;
};

/// Makes the handlers and what they need on disk. All given outlive them.
Result<Parts> makeParts(const Identity& identity, Journal& journal, Outbox& outbox);

/// Only those for scripts: of an agent that thaws and does nothing else.
Result<Parts> makeScriptParts(const Identity& identity, Journal& journal);

}  // namespace sp::agent
