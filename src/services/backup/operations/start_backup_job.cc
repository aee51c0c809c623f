#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kNoIndex = "DISABLED";

}  // namespace

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartBackupJob.html
aws::Outcome startBackupJob(Service& service, const aws::Call& call) {
  StartSpec spec;
  const auto vault = requiredText(call.input, "BackupVaultName");
  if (!vault) return std::unexpected(vault.error());
  const auto resource = requiredText(call.input, "ResourceArn");
  if (!resource) return std::unexpected(resource.error());
  const auto role = requiredText(call.input, "IamRoleArn");
  if (!role) return std::unexpected(role.error());
  spec.vault = *vault;
  spec.resource_arn = *resource;
  spec.role_arn = *role;
  spec.token = json::textOr(call.input, "IdempotencyToken");
  const auto start_window = integer(call.input, "StartWindowMinutes");
  if (!start_window) return std::unexpected(start_window.error());
  const auto complete_window = integer(call.input, "CompleteWindowMinutes");
  if (!complete_window) return std::unexpected(complete_window.error());
  spec.start_window_minutes = *start_window;
  spec.complete_window_minutes = *complete_window;
  const auto kept_days = deleteAfterDays(call.input);
  if (!kept_days) return std::unexpected(kept_days.error());
  spec.delete_after_days = *kept_days;
  auto tags = tagMap(call.input, "RecoveryPointTags");
  if (!tags) return std::unexpected(tags.error());
  auto options = textMap(call.input, "BackupOptions");
  if (!options) return std::unexpected(options.error());
  if (auto refused = refuseMember(call.input, "LogicallyAirGappedBackupVaultArn", "there are no logically air-gapped vaults"))
    return std::unexpected(std::move(*refused));
  const auto index = optionalText(call.input, "Index", kNoIndex);
  if (!index) return std::unexpected(index.error());
  if (*index != kNoIndex) return std::unexpected(badValue("Index", *index, fmt::format("{}: recovery points are not indexed", kNoIndex)));
  spec.recovery_point_tags = std::move(*tags);
  spec.options = std::move(*options);
  const auto job = service.jobs.start(*call.txn, spec);
  if (!job) return std::unexpected(job.error());
  return json::Object{{"BackupJobId", job->id}, {"CreationDate", toEpochSeconds(job->created)}, {"IsParent", false}};
}

}  // namespace sp::services::backup
