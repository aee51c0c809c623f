#include "services/backup/backup.h"

#include "services/backup/grants.h"
#include "services/backup/lifecycle.h"
#include "services/backup/operations/service.h"
#include "services/backup/places.h"
#include "services/backup/plans/operations.h"

namespace sp::services::backup {

struct Backup::Parts {
  Parts(Context& context, ec2::Instances& instances, runtime::VaultKeeper& keeper)
      : grants(context.core),
        vaults(context, keeper, grants),
        points(context, vaults),
        places(context.core),
        jobs(context, instances, vaults, grants, points, places),
        restores(context, instances, vaults, grants, points),
        quarantine(context, keeper, vaults, points),
        lifecycle(context, points, restores, quarantine),
        plans(context, instances, vaults),
        service{context, vaults, points, jobs, restores, quarantine, plans} {}
  Grants grants;
  Vaults vaults;
  RecoveryPoints points;
  Places places;
  Jobs jobs;
  Restores restores;
  Quarantine quarantine;
  Lifecycle lifecycle;
  Plans plans;
  Service service;
};

namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

const Query kPaging{{"nextToken", "NextToken"}, {"maxResults", "MaxResults"}};

Query with(Query more) {
  more.insert(more.end(), kPaging.begin(), kPaging.end());
  return more;
}

const Query kJobFilters = with({{"resourceArn", "ByResourceArn"},
                                {"state", "ByState"},
                                {"backupVaultName", "ByBackupVaultName"},
                                {"createdBefore", "ByCreatedBefore"},
                                {"createdAfter", "ByCreatedAfter"},
                                {"resourceType", "ByResourceType"},
                                {"accountId", "ByAccountId"},
                                {"completeAfter", "ByCompleteAfter"},
                                {"completeBefore", "ByCompleteBefore"},
                                {"parentJobId", "ByParentJobId"},
                                {"messageCategory", "ByMessageCategory"}});
const Query kPointFilters = with({{"resourceArn", "ByResourceArn"},
                                  {"resourceType", "ByResourceType"},
                                  {"backupPlanId", "ByBackupPlanId"},
                                  {"createdBefore", "ByCreatedBefore"},
                                  {"createdAfter", "ByCreatedAfter"},
                                  {"parentRecoveryPointArn", "ByParentRecoveryPointArn"}});
const Query kRestoreFilters = with({{"accountId", "ByAccountId"},
                                    {"createdBefore", "ByCreatedBefore"},
                                    {"createdAfter", "ByCreatedAfter"},
                                    {"status", "ByStatus"},
                                    {"completeBefore", "ByCompleteBefore"},
                                    {"completeAfter", "ByCompleteAfter"}});

struct Row {
  std::string_view name;
  aws::Outcome (*handler)(Service&, const aws::Call&);
  std::string_view method;
  std::string_view pattern;
  Query query;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows{
      {"CreateBackupVault", createBackupVault, "PUT", "/backup-vaults/{BackupVaultName}", {}},
      {"DescribeBackupVault",
       describeBackupVault,
       "GET",
       "/backup-vaults/{BackupVaultName}",
       {{"backupVaultAccountId", "BackupVaultAccountId"}}},
      {"DeleteBackupVault", deleteBackupVault, "DELETE", "/backup-vaults/{BackupVaultName}", {}},
      {"ListBackupVaults", listBackupVaults, "GET", "/backup-vaults", kPaging},
      {"StartBackupJob", startBackupJob, "PUT", "/backup-jobs", {}},
      {"ListBackupJobs", listBackupJobs, "GET", "/backup-jobs", kJobFilters},
      {"DescribeBackupJob", describeBackupJob, "GET", "/backup-jobs/{BackupJobId}", {}},
      {"StopBackupJob", stopBackupJob, "POST", "/backup-jobs/{BackupJobId}", {}},
      {"ListRecoveryPointsByBackupVault", listRecoveryPointsByBackupVault, "GET", "/backup-vaults/{BackupVaultName}/recovery-points",
       kPointFilters},
      {"DescribeRecoveryPoint",
       describeRecoveryPoint,
       "GET",
       "/backup-vaults/{BackupVaultName}/recovery-points/{RecoveryPointArn}",
       {{"backupVaultAccountId", "BackupVaultAccountId"}}},
      {"DeleteRecoveryPoint", deleteRecoveryPoint, "DELETE", "/backup-vaults/{BackupVaultName}/recovery-points/{RecoveryPointArn}", {}},
      {"GetRecoveryPointRestoreMetadata",
       getRecoveryPointRestoreMetadata,
       "GET",
       "/backup-vaults/{BackupVaultName}/recovery-points/{RecoveryPointArn}/restore-metadata",
       {{"backupVaultAccountId", "BackupVaultAccountId"}}},
      {"ListRecoveryPointsByResource", listRecoveryPointsByResource, "GET", "/resources/{ResourceArn}/recovery-points", kPaging},
      {"UpdateRecoveryPointLifecycle",
       updateRecoveryPointLifecycle,
       "POST",
       "/backup-vaults/{BackupVaultName}/recovery-points/{RecoveryPointArn}",
       {}},
      {"StartRestoreJob", startRestoreJob, "PUT", "/restore-jobs", {}},
      {"ListRestoreJobs", listRestoreJobs, "GET", "/restore-jobs", kRestoreFilters},
      {"DescribeRestoreJob", describeRestoreJob, "GET", "/restore-jobs/{RestoreJobId}", {}},
      {"CreateBackupPlan", createBackupPlan, "PUT", "/backup/plans", {}},
      {"GetBackupPlan", getBackupPlan, "GET", "/backup/plans/{BackupPlanId}", {{"versionId", "VersionId"}}},
      {"ListBackupPlans", listBackupPlans, "GET", "/backup/plans", with({{"includeDeleted", "IncludeDeleted"}})},
      {"ListBackupPlanVersions", listBackupPlanVersions, "GET", "/backup/plans/{BackupPlanId}/versions", kPaging},
      {"UpdateBackupPlan", updateBackupPlan, "POST", "/backup/plans/{BackupPlanId}", {}},
      {"DeleteBackupPlan", deleteBackupPlan, "DELETE", "/backup/plans/{BackupPlanId}", {}},
      {"CreateBackupSelection", createBackupSelection, "PUT", "/backup/plans/{BackupPlanId}/selections", {}},
      {"GetBackupSelection", getBackupSelection, "GET", "/backup/plans/{BackupPlanId}/selections/{SelectionId}", {}},
      {"ListBackupSelections", listBackupSelections, "GET", "/backup/plans/{BackupPlanId}/selections", kPaging},
      {"DeleteBackupSelection", deleteBackupSelection, "DELETE", "/backup/plans/{BackupPlanId}/selections/{SelectionId}", {}},
  };
  return kRows;
}

}  // namespace

Backup::Backup(Context& context, ec2::Instances& instances, runtime::VaultKeeper& keeper)
    : parts_(std::make_unique<Parts>(context, instances, keeper)) {}

Backup::~Backup() = default;

aws::ServiceTable Backup::makeBackup() {
  aws::ServiceTable table;
  table.signing_name = "backup";
  table.protocol = aws::Protocol::restJson;
  for (const auto& row : rows()) {
    aws::Operation operation;
    operation.name = row.name;
    operation.handler = [service = &parts_->service, handler = row.handler](const aws::Call& call) { return handler(*service, call); };
    operation.route.method = row.method;
    operation.route.pattern = row.pattern;
    operation.route.query = row.query;
    operation.route.integers = {"maxResults"};
    table.operations.push_back(std::move(operation));
  }
  return table;
}

Jobs& Backup::jobs() { return parts_->jobs; }
Vaults& Backup::vaults() { return parts_->vaults; }
RecoveryPoints& Backup::recoveryPoints() { return parts_->points; }
Restores& Backup::restores() { return parts_->restores; }
Quarantine& Backup::quarantine() { return parts_->quarantine; }
Plans& Backup::plans() { return parts_->plans; }
Places& Backup::places() { return parts_->places; }
runtime::VaultAccess& Backup::access() { return parts_->grants; }

void Backup::recover(store::Txn& txn) {
  // Grants first: what a repository is used for decides whether it may be cleared now.
  parts_->jobs.recover(txn);
  parts_->restores.recover(txn);
  parts_->vaults.recover(txn);
  parts_->points.recover(txn);
  parts_->lifecycle.recover(txn);
  parts_->places.recover(txn);
}

std::expected<std::vector<VaultKey>, aws::ApiError> exportVaultKeys(store::Txn& txn, Backup& backup, std::string_view vault) {
  if (!vault.empty() && !backup.vaults().find(txn, vault)) return std::unexpected(noVault(vault));
  std::vector<VaultKey> out;
  for (const auto& repository : backup.vaults().repositories(txn, vault)) {
    out.push_back({repository.vault, repository.name, backup.vaults().pathOf(repository), repository.key});
  }
  return out;
}

}  // namespace sp::services::backup
