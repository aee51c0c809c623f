// Between the backup service, which decides who may read and write which repository, and the parts that hold the bytes:
// the vault's HTTP route on the agents' port and the keeper of the repositories' folders.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
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
  /// A file is about to be put under its name in the repository, or to be removed from it. False: the grant is open no more, and
  /// nothing may be changed. After true no maintenance of the repository begins until changed() was called, once, whatever became
  /// of the file. Does not block.
  virtual bool beginChange(const VaultGrant& grant) = 0;
  virtual void changed(const VaultGrant& grant) = 0;
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

/// A snapshot as restic tells it. Texts are restic's own.
struct VaultSnapshot {
  /// 64 hex digits: the file's name.
  std::string id;
  /// RFC 3339, when the backup began.
  std::string time;
  std::string host;
  std::string user;
  std::vector<std::string> paths;
  std::vector<std::string> tags;
  /// Why nothing but the id is known; empty if all is.
  std::string problem;
};

/// Does the slow work on repositories' folders, on threads of its own. `done` is called on one of them, once.
class VaultKeeper {
 public:
  /// The longest that one maintenance takes, and with it the longest that a job waits for it: less than the least start window.
  static constexpr auto kMaintenanceLimit = std::chrono::minutes(45);
  /// So many repositories are maintained at once at most; making one never waits for them.
  static constexpr std::size_t kMaintainedAtOnce = 2;
  using Done = std::function<void(Result<void>)>;
  virtual ~VaultKeeper() = default;
  /// Makes the repository (about 2.5 s: restic calibrates its key derivation). One that exists and opens with the key is
  /// success; a half-made one is made anew.
  virtual void create(const VaultRepository& repository, Done done) = 0;
  /// Forgets the snapshots and gives back their space, within kMaintenanceLimit. Snapshots that are not there are no error. Only while
  /// no credential for the repository is open. Locks of clients and of maintenance that died are removed, each by its own id; a
  /// restic of somebody else's that holds one is an error.
  virtual void forget(const VaultRepository& repository, const std::vector<std::string>& snapshot_ids, Done done) = 0;
  /// The snapshots in the repository that are not in `known`, by id.
  using Found = std::function<void(Result<std::vector<VaultSnapshot>>)>;
  virtual void look(const VaultRepository& repository, std::set<std::string> known, Found done) = 0;
  /// "NAME/ID" of every snapshot in a vault's folder, also in repositories that nobody asked for; none where there is no folder. Lists a
  /// folder for each repository and reads nothing. Any thread.
  virtual Result<std::set<std::string>> snapshots(const std::string& vault) const = 0;
  /// Removes a vault's folder with all its repositories; one that is not there is success, and then its name is free also after a loss
  /// of power. `known` as snapshots() says them. Not while a repository of it is made or maintained. Errors: "vault.strange", there is
  /// a snapshot that is not in `known`, and all is as it was; "vault.left", the name is free, but not all of the space: the next removal
  /// or start tries again; any other: all is as it was.
  virtual void removeVault(const std::string& vault, std::set<std::string> known, Done done) = 0;
  /// Where a repository lies: what plain restic takes as -r.
  virtual std::string pathOf(std::string_view vault, std::string_view name) const = 0;
};

}  // namespace sp::runtime
