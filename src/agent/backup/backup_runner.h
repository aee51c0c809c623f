// backup.run: restic reads this machine's files, or a stopped machine's from outside it, into the server's vault.
#pragma once
#include "agent/power/power_handler.h"
#include "agent/request_handler.h"

namespace sp::agent {

class BackupRunner final : public RequestHandler {
 public:
  /// `power` outlives it: a machine whose volumes are read from this host must be off all the while.
  explicit BackupRunner(PowerHandler& power) : power_(power) {}
  std::vector<std::string> types() const override { return {"backup.run"}; }
  /// A killed agent takes its restic with it; the next one reads anew under the same job, and the server keeps the newer
  /// snapshot: what is reported always belongs to one whole run.
  json::Object run(RequestContext& context) override;

 private:
  PowerHandler& power_;
};

}  // namespace sp::agent
