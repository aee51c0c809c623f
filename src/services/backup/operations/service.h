// The operations of AWS Backup's API; one file each, named as the operation.
#pragma once
#include "aws/operation.h"
#include "services/backup/jobs.h"
#include "services/backup/quarantine.h"
#include "services/backup/recovery_points.h"
#include "services/backup/restores.h"
#include "services/backup/shapes.h"
#include "services/backup/table.h"
#include "services/backup/vaults.h"
#include "services/context.h"

namespace sp::services::backup {

class Plans;

/// What operations work with.
struct Service {
  Context& context;
  Vaults& vaults;
  RecoveryPoints& points;
  Jobs& jobs;
  Restores& restores;
  Quarantine& quarantine;
  Plans& plans;
};

/// A list's page from entries that were read with one more than the limit: shows `limit` of them, and NextToken for more.
template <class Entries, class Shape>
json::Object pageOf(std::string_view member, Entries entries, const PageAsk& page, const Shape& shape) {
  const bool more = entries.size() > page.limit;
  if (more) entries.resize(page.limit);
  json::Array shown;
  for (const auto& entry : entries) shown.push_back(shape(entry.second));
  json::Object out;
  out[member] = std::move(shown);
  putNextToken(out, page, entries.empty() ? std::string_view() : std::string_view(entries.back().first), more);
  return out;
}

template <class T, class Shape>
json::Object pageOf(std::string_view member, const Listed<T>& listed, const PageAsk& page, const Shape& shape) {
  json::Array shown;
  for (const auto& entry : listed.entries) shown.push_back(shape(entry.second));
  json::Object out;
  out[member] = std::move(shown);
  putNextToken(out, page, listed.next, !listed.next.empty());
  return out;
}

/// One page of a list of what was created between two moments, neither of them included; both count as they are shown.
ListAsk listAsk(const PageAsk& page, const std::optional<Instant>& created_after, const std::optional<Instant>& created_before);

aws::Outcome createBackupVault(Service& service, const aws::Call& call);
aws::Outcome deleteBackupVault(Service& service, const aws::Call& call);
aws::Outcome deleteRecoveryPoint(Service& service, const aws::Call& call);
aws::Outcome describeBackupJob(Service& service, const aws::Call& call);
aws::Outcome describeBackupVault(Service& service, const aws::Call& call);
aws::Outcome describeRecoveryPoint(Service& service, const aws::Call& call);
aws::Outcome describeRestoreJob(Service& service, const aws::Call& call);
aws::Outcome getRecoveryPointRestoreMetadata(Service& service, const aws::Call& call);
aws::Outcome listBackupJobs(Service& service, const aws::Call& call);
aws::Outcome listBackupVaults(Service& service, const aws::Call& call);
aws::Outcome listRecoveryPointsByBackupVault(Service& service, const aws::Call& call);
aws::Outcome listRecoveryPointsByResource(Service& service, const aws::Call& call);
aws::Outcome listRestoreJobs(Service& service, const aws::Call& call);
aws::Outcome startBackupJob(Service& service, const aws::Call& call);
aws::Outcome startRestoreJob(Service& service, const aws::Call& call);
aws::Outcome stopBackupJob(Service& service, const aws::Call& call);
aws::Outcome updateRecoveryPointLifecycle(Service& service, const aws::Call& call);

/// The vault named by member BackupVaultName: InvalidParameterValueException or ResourceNotFoundException.
std::expected<Vault, aws::ApiError> namedVault(Service& service, const aws::Call& call);
/// The recovery point of members BackupVaultName and RecoveryPointArn.
std::expected<RecoveryPoint, aws::ApiError> namedPoint(Service& service, const aws::Call& call);
/// The recovery points of a resource (its ARN; empty: of any) in a vault (empty: in any) that `wanted` accepts. Both must not be empty.
Listed<RecoveryPoint> pointsOfResource(Service& service, const aws::Call& call, std::string_view vault, std::string_view resource,
                                       const ListAsk& ask, const std::function<bool(const RecoveryPoint&)>& wanted);
/// Any text of the caller's that must be one of a state's words.
aws::ApiError badValue(std::string_view member, std::string_view value, std::string_view wanted);

}  // namespace sp::services::backup
