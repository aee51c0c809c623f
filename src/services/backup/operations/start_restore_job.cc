#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html
aws::Outcome startRestoreJob(Service& service, const aws::Call& call) {
  const auto arn = requiredText(call.input, "RecoveryPointArn");
  if (!arn) return std::unexpected(arn.error());
  if (json::find(call.input, "Metadata") == nullptr) {
    return std::unexpected(apiError("MissingParameterValueException", "Metadata is required: targetInstanceId and targetPath"));
  }
  auto metadata = textMap(call.input, "Metadata");
  if (!metadata) return std::unexpected(metadata.error());
  if (!Arn::parse(*arn)) return std::unexpected(badValue("RecoveryPointArn", *arn, "an ARN"));
  const auto type = json::textOr(call.input, "ResourceType", "EC2");
  if (type != "EC2") return std::unexpected(badValue("ResourceType", type, "EC2"));
  if (auto refused = refuseMember(call.input, "CopySourceTagsToRestoredResource", "a restore changes no tags"))
    return std::unexpected(std::move(*refused));
  const auto id = service.points.idOf(*arn);
  if (!id) return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Recovery point {} does not exist.", *arn)));
  const auto job = service.restores.start(
      *call.txn, {*id, json::textOr(call.input, "IamRoleArn"), json::textOr(call.input, "IdempotencyToken"), std::move(*metadata)});
  if (!job) return std::unexpected(job.error());
  return json::Object{{"RestoreJobId", job->id}};
}

}  // namespace sp::services::backup
