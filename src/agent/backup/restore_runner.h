// restore.run: a snapshot's files into a folder of this machine, or of a stopped machine from outside it.
#pragma once
#include "agent/request_handler.h"

namespace sp::agent {

class RestoreRunner final : public RequestHandler {
 public:
  /// `identity` outlives it.
  explicit RestoreRunner(const Identity& identity) : identity_(identity) {}
  std::vector<std::string> types() const override { return {"restore.run"}; }
  /// restic writes into a folder of its own beside the target's files, verifies, and only then everything is moved into
  /// place: what fails or is cancelled leaves the target as it was. The agent's own state is neither a target nor replaced. restic outlives
  /// the agent, as a backup's does.
  json::Object run(RequestContext& context) override;
  std::vector<std::string_view> secrets() const override { return {"secret", "key"}; }
  void settled(const std::string& id) override;

 private:
  const Identity& identity_;
};

}  // namespace sp::agent
