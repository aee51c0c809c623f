#include "services/backup/grants.h"

#include <future>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/hash.h"

namespace sp::services::backup {

void Grants::open(const runtime::VaultGrant& grant, std::string secret_hash) {
  const std::lock_guard lock(mutex_);
  auto& entry = open_[grant.job];
  entry.grant = grant;
  entry.secret_hash = std::move(secret_hash);
}

void Grants::close(std::string_view job) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(job);
  if (found != open_.end()) open_.erase(found);
}

// Under the lock.
bool Grants::isOpen(std::string_view vault, std::string_view repository) const {
  return std::ranges::any_of(
      open_, [&](const auto& entry) { return entry.second.grant.vault == vault && entry.second.grant.repository == repository; });
}

bool Grants::used(std::string_view vault, std::string_view repository) const {
  const std::lock_guard lock(mutex_);
  return isOpen(vault, repository) || changing_.contains({std::string(vault), std::string(repository)});
}

bool Grants::changing(std::string_view vault) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(changing_, [&](const auto& entry) { return entry.first.first == vault; });
}

Grants::Moved Grants::movedBy(std::string_view job) const {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(job);
  return found == open_.end() ? Moved{} : found->second.moved;
}

std::optional<runtime::VaultGrant> Grants::admit(std::string_view agent, std::string_view user, std::string_view secret) {
  const auto hash = sha256Hex(secret);
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(user);
  if (found == open_.end() || found->second.grant.agent != agent || !equalConstantTime(found->second.secret_hash, hash))
    return std::nullopt;
  return found->second.grant;
}

bool Grants::beginChange(const runtime::VaultGrant& grant) {
  const std::lock_guard lock(mutex_);
  if (!open_.contains(grant.job)) return false;
  ++changing_[{grant.vault, grant.repository}];
  return true;
}

// Whoever closed the grant meanwhile found the repository in use and went away: it is told now.
void Grants::changed(const runtime::VaultGrant& grant) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = changing_.find({grant.vault, grant.repository});
    if (--found->second > 0) return;
    changing_.erase(found);
    if (isOpen(grant.vault, grant.repository)) return;
  }
  if (on_idle_) on_idle_(grant.vault, grant.repository);
}

Result<void> Grants::record(store::Job job) {
  std::promise<Result<void>> outcome;
  auto waiting = outcome.get_future();
  core_.post(std::move(job),
             [&outcome](const Error* error) { outcome.set_value(error == nullptr ? Result<void>() : std::unexpected(*error)); });
  return waiting.get();
}

Result<void> Grants::snapshotComing(const runtime::VaultGrant& grant, std::string_view snapshot_id) {
  bool wanted = true;
  SP_CHECK_OK(record([&](store::Txn& txn) {
    if (on_coming_) wanted = on_coming_(txn, grant.job, std::string(snapshot_id));
    return true;
  }));
  if (!wanted) return fail("backup.ended", fmt::format("job {} has ended", grant.job));
  return {};
}

Result<void> Grants::snapshotStored(const runtime::VaultGrant& grant, std::string_view snapshot_id) {
  if (failpoint::hit("backup.before_snapshot")) return fail("backup.failpoint", "made to fail");
  auto result = record([&](store::Txn& txn) {
    if (on_snapshot_) on_snapshot_(txn, grant.job, std::string(snapshot_id));
    return true;
  });
  if (failpoint::hit("backup.after_snapshot")) return fail("backup.failpoint", "made to fail");
  return result;
}

// Told again with each upload that finds no room: if the core's own disk is the full one, a later one gets through.
void Grants::full(const runtime::VaultGrant& grant, const std::string& why) {
  core_.post([this, job = grant.job, why](store::Txn& txn) {
    for (const auto& handler : on_full_) handler(txn, job, why);
    return true;
  });
}

void Grants::moved(const runtime::VaultGrant& grant, std::uint64_t received, std::uint64_t sent) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(grant.job);
  if (found == open_.end()) return;
  found->second.moved.received += received;
  found->second.moved.sent += sent;
}

}  // namespace sp::services::backup
