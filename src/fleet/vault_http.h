// restic's REST protocol (version 2) on the agents' port: /vault/VAULT/REPOSITORY/… over plain restic folders.
//
// The client certificate and a credential for one job must agree; a backup may add data, index and snapshot files and
// read what restic needs, a restore only reads; nothing is overwritten, nothing deleted but locks made under the same
// credential. A stored file is fsynced and its name is the SHA-256 of its bytes.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "fleet/agent_http.h"
#include "runtime/vault_port.h"

namespace sp::fleet {

class VaultHttp final : public AgentHttpRoute {
 public:
  /// `directory` is DATA/vaults; `access` outlives it. Route prefix "/vault/".
  VaultHttp(std::string directory, runtime::VaultAccess& access) : directory_(std::move(directory)), access_(access) {}
  void serve(AgentHttpStream& stream) override;

 private:
  std::string directory_;
  runtime::VaultAccess& access_;
};

/// The keeper of DATA/vaults: runs `restic` on `threads` threads of its own, more than maintenance ever takes.
std::unique_ptr<runtime::VaultKeeper> makeVaultKeeper(std::string directory,
                                                      unsigned threads = 2 + runtime::VaultKeeper::kMaintainedAtOnce);

}  // namespace sp::fleet
