// backup.run: restic reads this machine's files, or a stopped machine's from outside it, into the server's vault.
#pragma once
#include "agent/request_handler.h"

namespace sp::agent {

class BackupRunner final : public RequestHandler {
 public:
  std::vector<std::string> types() const override { return {"backup.run"}; }
  /// A killed agent takes its restic with it; the next one reads anew under the same job, and the server keeps the newer
  /// snapshot: what is reported always belongs to one whole run.
  json::Object run(RequestContext& context) override;
};

}  // namespace sp::agent
