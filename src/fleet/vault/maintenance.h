// Removing snapshots from a repository and giving back their space, by the server's own restic.
//
// The core sees to it that no credential for the repository is open meanwhile. What is left to see to here: one maintenance at a
// time, also over a kill of the server (a lease that each restic it starts holds too); and locks in the repository, which restic's
// own rules keep from being used together. A maintenance that was cut short is done again from the start: forgetting what is gone and
// pruning what is pruned changes nothing.
#pragma once
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "fleet/vault/restic.h"
#include "os/file.h"
#include "runtime/vault_port.h"

namespace sp::fleet {

class Maintenance {
 public:
  /// `directory` is DATA/vaults. All given outlive it.
  Maintenance(std::string directory, runtime::VaultRepository repository, const Restic& restic, const std::atomic<bool>& stopping);

  /// Removes the snapshots, then all data that no snapshot needs. Blocks.
  Result<void> forget(const std::vector<std::string>& snapshots) const;
  /// The snapshots that are not in `known`, with what they say of themselves. Blocks, for a listing or a run of restic.
  Result<std::vector<runtime::VaultSnapshot>> look(const std::set<std::string>& known) const;
  /// Keeps every maintenance out as long as the descriptor is open; one that a killed server left is ended. Blocks.
  Result<os::Fd> hold() const;

 private:
  /// The restic that last ran under the lease.
  struct Process {
    pid_t pid = 0;
    std::uint64_t start = 0;
    std::string boot;
    /// Whether it runs.
    bool alive() const;
    /// As the lease's file names it.
    static Process noted(const os::Fd& fd);
  };
  struct Lease {
    os::Fd fd;
    Process last;
    std::chrono::steady_clock::time_point until;
  };
  /// Blocks until no other maintenance runs there: one that a killed server left is ended.
  Result<Lease> lease() const;
  Result<std::string> restic(const Lease& lease, std::vector<std::string> arguments) const;
  Result<void> clearLocks(const Lease& lease) const;
  Result<void> removeLock(const std::string& id) const;
  Result<void> clearLock(const Lease& lease, const std::string& id) const;
  Result<void> prune(const Lease& lease) const;
  std::set<std::string> listing(std::string_view folder) const;

  std::string path_;
  std::string aside_;
  runtime::VaultRepository repository_;
  const Restic& restic_;
  const std::atomic<bool>& stopping_;
};

}  // namespace sp::fleet
