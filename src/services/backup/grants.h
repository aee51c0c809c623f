// Which credentials are open now. A mirror in memory of what the open jobs' records say, so that the vault's HTTP threads
// never wait for the core; rebuilt from the records at start.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core.h"
#include "runtime/vault_port.h"

namespace sp::services::backup {

class Grants final : public runtime::VaultAccess {
 public:
  explicit Grants(runtime::Core& core) : core_(core) {}

  /// `secret_hash` is the SHA-256 of the secret in hex. Opening again replaces the secret, not the counts. Core thread.
  void open(const runtime::VaultGrant& grant, std::string secret_hash);
  void close(std::string_view job);
  /// Whether anybody may be using that repository: under an open grant, or for a change that began under one.
  bool used(std::string_view vault, std::string_view repository) const;
  /// Whether files of any repository of that vault are being changed.
  bool changing(std::string_view vault) const;
  struct Moved {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
  };
  /// Since the grant was opened by this process.
  Moved movedBy(std::string_view job) const;

  /// What a stored snapshot does to its job; before the core starts.
  void onSnapshot(std::function<void(store::Txn&, const std::string& job, const std::string& snapshot)> handler) {
    on_snapshot_ = std::move(handler);
  }
  /// The same before it is stored; false: the job wants none any more.
  void onSnapshotComing(std::function<bool(store::Txn&, const std::string& job, const std::string& snapshot)> handler) {
    on_coming_ = std::move(handler);
  }
  /// Who hears that the last change of a repository has ended that no grant is open for any more. Called on any thread, under no lock.
  void onIdle(std::function<void(const std::string& vault, const std::string& repository)> handler) { on_idle_ = std::move(handler); }
  /// What a full disk does to the job that needs it; several may ask, each knows its own jobs.
  void onFull(std::function<void(store::Txn&, const std::string& job, const std::string& why)> handler) {
    on_full_.push_back(std::move(handler));
  }

  std::optional<runtime::VaultGrant> admit(std::string_view agent, std::string_view user, std::string_view secret) override;
  bool beginChange(const runtime::VaultGrant& grant) override;
  void changed(const runtime::VaultGrant& grant) override;
  Result<void> snapshotComing(const runtime::VaultGrant& grant, std::string_view snapshot_id) override;
  Result<void> snapshotStored(const runtime::VaultGrant& grant, std::string_view snapshot_id) override;
  void full(const runtime::VaultGrant& grant, const std::string& why) override;
  void moved(const runtime::VaultGrant& grant, std::uint64_t received, std::uint64_t sent) override;

 private:
  struct Open {
    runtime::VaultGrant grant;
    std::string secret_hash;
    Moved moved;
  };
  bool isOpen(std::string_view vault, std::string_view repository) const;
  /// Runs a job on the core and waits until it is durable.
  Result<void> record(store::Job job);

  runtime::Core& core_;
  mutable std::mutex mutex_;
  std::map<std::string, Open, std::less<>> open_;
  /// Changes under way, by vault and repository. Under the same lock as the grants: a change begins under an open grant or not at all.
  std::map<std::pair<std::string, std::string>, int> changing_;
  std::function<void(const std::string&, const std::string&)> on_idle_;
  std::function<void(store::Txn&, const std::string&, const std::string&)> on_snapshot_;
  std::function<bool(store::Txn&, const std::string&, const std::string&)> on_coming_;
  std::vector<std::function<void(store::Txn&, const std::string&, const std::string&)>> on_full_;
};

}  // namespace sp::services::backup
