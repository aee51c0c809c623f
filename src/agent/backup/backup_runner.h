// backup.run: restic reads this machine's files, or a stopped machine's from outside it, into the server's vault.
#pragma once
#include "agent/power/power_handler.h"
#include "agent/request_handler.h"

namespace sp::agent {

class BackupRunner final : public RequestHandler {
 public:
  /// Both outlive it. `power`: a machine whose volumes are read from this host must be off all the while.
  BackupRunner(const Identity& identity, PowerHandler& power) : identity_(identity), power_(power) {}
  std::vector<std::string> types() const override { return {"backup.run"}; }
  /// restic outlives the agent, and the next one follows it. Where both were killed it reads anew under the same job, and the server
  /// keeps the newer snapshot: what is reported always belongs to one whole run.
  json::Object run(RequestContext& context) override;
  std::vector<std::string_view> secrets() const override { return {"secret", "key"}; }
  void settled(const std::string& id) override;

 private:
  const Identity& identity_;
  PowerHandler& power_;
};

}  // namespace sp::agent
