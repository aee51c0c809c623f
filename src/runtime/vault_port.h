// Between the backup service, which decides who may read and write which repository, and the parts that hold the bytes:
// the vault's HTTP route on the agents' port and the keeper of the repositories' folders.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sp::runtime {

/// backup: reads what restic needs to write one snapshot, adds files. restore: reads only. Both make and drop own locks.
enum class VaultDirection { backup, restore };

/// What one credential allows: one agent, one repository, one direction, while its job is open.
struct VaultGrant {
  /// The credential's user: id of the backup or restore job.
  std::string job;
  std::string agent;
  std::string vault;
  std::string repository;
  VaultDirection direction = VaultDirection::restore;
};

/// Asked by the HTTP route for every request, from many threads at once.
class VaultAccess {
 public:
  virtual ~VaultAccess() = default;
  /// The grant of that credential, if it is open, belongs to that agent and the secret is right. Does not block.
  virtual std::optional<VaultGrant> admit(std::string_view agent, std::string_view user, std::string_view secret) = 0;
  /// A snapshot file is about to become durable in the repository. Returns once this is recorded, so that one that nobody
  /// hears of again is removed in the end; an error keeps it from being stored.
  virtual Result<void> snapshotComing(const VaultGrant& grant, std::string_view snapshot_id) = 0;
  /// A snapshot file is durable in the repository. Returns once this is recorded durably against the job; an error keeps
  /// the client from being told.
  virtual Result<void> snapshotStored(const VaultGrant& grant, std::string_view snapshot_id) = 0;
  /// Nothing more can be stored under this grant: `why` names the place and says that its disk is full. Does not block.
  virtual void full(const VaultGrant& grant, const std::string& why) = 0;
  /// Bytes of files that went up or down under this grant.
  virtual void moved(const VaultGrant& grant, std::uint64_t received, std::uint64_t sent) = 0;
};

/// A restic repository in DATA/vaults/VAULT/NAME and the password that opens it.
struct VaultRepository {
  std::string vault;
  std::string name;
  std::string key;
};

/// Does the slow work on repositories' folders, on threads of its own. `done` is called on one of them, once.
class VaultKeeper {
 public:
  using Done = std::function<void(Result<void>)>;
  virtual ~VaultKeeper() = default;
  /// Makes the repository (about 2.5 s: restic calibrates its key derivation). One that exists and opens with the key is
  /// success; a half-made one is made anew.
  virtual void create(const VaultRepository& repository, Done done) = 0;
  /// Forgets the snapshots and gives back their space. Snapshots that are not there are no error. Only while nobody else
  /// uses the repository: locks found in it are stale and removed.
  virtual void forget(const VaultRepository& repository, const std::vector<std::string>& snapshot_ids, Done done) = 0;
  /// Removes a vault's folder with all its repositories.
  virtual void removeVault(const std::string& vault, Done done) = 0;
  /// Where a repository lies: what plain restic takes as -r.
  virtual std::string pathOf(std::string_view vault, std::string_view name) const = 0;
};

}  // namespace sp::runtime
