#include <fmt/format.h>

#include "services/backup/plans/operations.h"

namespace sp::services::backup {
namespace {

std::expected<PlanDocument, aws::ApiError> documentOf(const aws::Call& call) {
  const auto* plan = json::find(call.input, "BackupPlan");
  if (plan == nullptr || plan->is_null()) return std::unexpected(apiError("MissingParameterValueException", "BackupPlan is required."));
  if (!plan->is_object()) return std::unexpected(badValue("BackupPlan", json::toText(*plan), "an object"));
  return parsePlan(plan->get_object());
}

std::expected<Plan, aws::ApiError> namedPlan(Service& service, const aws::Call& call) {
  const auto id = requiredText(call.input, "BackupPlanId");
  if (!id) return std::unexpected(id.error());
  auto plan = service.plans.find(*call.txn, *id);
  if (!plan) return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Backup plan {} does not exist.", *id)));
  return std::move(*plan);
}

json::Object named(Service& service, const Plan& plan) {
  json::Object out{{"BackupPlanId", plan.id},
                   {"BackupPlanArn", service.plans.arn(plan.id)},
                   {"CreationDate", toEpochSeconds(plan.created)},
                   {"VersionId", plan.version}};
  auto shape = plan.document.shape();
  if (const auto* settings = json::find(shape, "AdvancedBackupSettings")) out["AdvancedBackupSettings"] = *settings;
  return out;
}

json::Object member(Service& service, const Plan& plan) {
  auto out = named(service, plan);
  out["BackupPlanName"] = plan.document.name;
  if (!plan.creator_request_id.empty()) out["CreatorRequestId"] = plan.creator_request_id;
  if (plan.deleted) out["DeletionDate"] = toEpochSeconds(*plan.deleted);
  if (plan.last_run) out["LastExecutionDate"] = toEpochSeconds(*plan.last_run);
  return out;
}

}  // namespace

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupPlan.html
aws::Outcome createBackupPlan(Service& service, const aws::Call& call) {
  auto document = documentOf(call);
  if (!document) return std::unexpected(document.error());
  auto tags = tagMap(call.input, "BackupPlanTags");
  if (!tags) return std::unexpected(tags.error());
  const auto plan = service.plans.create(*call.txn, std::move(*document), json::textOr(call.input, "CreatorRequestId"), std::move(*tags));
  if (!plan) return std::unexpected(plan.error());
  return named(service, *plan);
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetBackupPlan.html
aws::Outcome getBackupPlan(Service& service, const aws::Call& call) {
  auto plan = namedPlan(service, call);
  if (!plan) return std::unexpected(plan.error());
  if (const auto version = json::textOr(call.input, "VersionId"); !version.empty() && version != plan->version) {
    auto older = service.plans.version(*call.txn, plan->id, version);
    if (!older)
      return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Backup plan {} has no version {}.", plan->id, version)));
    plan = std::move(*older);
  }
  auto out = member(service, *plan);
  out.erase("BackupPlanName");
  out["BackupPlan"] = plan->document.shape();
  return out;
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupPlans.html
aws::Outcome listBackupPlans(Service& service, const aws::Call& call) {
  const auto page = pageAsk(call, "ListBackupPlans");
  if (!page) return std::unexpected(page.error());
  const bool deleted = json::textOr(call.input, "IncludeDeleted") == "true";
  std::vector<std::pair<std::string, Plan>> entries;
  for (auto& plan : service.plans.list(*call.txn, page->after, page->limit + 1, deleted)) {
    auto key = plan.id;
    entries.emplace_back(std::move(key), std::move(plan));
  }
  return pageOf("BackupPlansList", std::move(entries), *page, [&](const Plan& plan) { return member(service, plan); });
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupPlanVersions.html
aws::Outcome listBackupPlanVersions(Service& service, const aws::Call& call) {
  const auto plan = namedPlan(service, call);
  if (!plan) return std::unexpected(plan.error());
  const auto page = pageAsk(call, "ListBackupPlanVersions");
  if (!page) return std::unexpected(page.error());
  return pageOf("BackupPlanVersionsList", service.plans.versions(*call.txn, plan->id, page->after, page->limit + 1), *page,
                [&](const Plan& version) { return member(service, version); });
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateBackupPlan.html
aws::Outcome updateBackupPlan(Service& service, const aws::Call& call) {
  const auto before = namedPlan(service, call);
  if (!before) return std::unexpected(before.error());
  auto document = documentOf(call);
  if (!document) return std::unexpected(document.error());
  const auto plan = service.plans.update(*call.txn, before->id, std::move(*document));
  if (!plan) return std::unexpected(plan.error());
  return named(service, *plan);
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupPlan.html
aws::Outcome deleteBackupPlan(Service& service, const aws::Call& call) {
  const auto before = namedPlan(service, call);
  if (!before) return std::unexpected(before.error());
  const auto plan = service.plans.remove(*call.txn, before->id);
  if (!plan) return std::unexpected(plan.error());
  return json::Object{{"BackupPlanId", plan->id},
                      {"BackupPlanArn", service.plans.arn(plan->id)},
                      {"DeletionDate", toEpochSeconds(*plan->deleted)},
                      {"VersionId", plan->version}};
}

}  // namespace sp::services::backup
