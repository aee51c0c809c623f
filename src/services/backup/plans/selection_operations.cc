#include <fmt/format.h>

#include "services/backup/plans/operations.h"

namespace sp::services::backup {
namespace {

std::expected<PlanSelection, aws::ApiError> namedSelection(Service& service, const aws::Call& call) {
  const auto plan = requiredText(call.input, "BackupPlanId");
  if (!plan) return std::unexpected(plan.error());
  const auto id = requiredText(call.input, "SelectionId");
  if (!id) return std::unexpected(id.error());
  auto selection = service.plans.selection(*call.txn, *plan, *id);
  if (!selection)
    return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Backup plan {} has no selection {}.", *plan, *id)));
  return std::move(*selection);
}

}  // namespace

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupSelection.html
aws::Outcome createBackupSelection(Service& service, const aws::Call& call) {
  const auto plan = requiredText(call.input, "BackupPlanId");
  if (!plan) return std::unexpected(plan.error());
  const auto* given = json::find(call.input, "BackupSelection");
  if (given == nullptr || given->is_null())
    return std::unexpected(apiError("MissingParameterValueException", "BackupSelection is required."));
  if (!given->is_object()) return std::unexpected(badValue("BackupSelection", json::toText(*given), "an object"));
  const auto made = service.plans.select(*call.txn, *plan, given->get_object(), json::textOr(call.input, "CreatorRequestId"));
  if (!made) return std::unexpected(made.error());
  return json::Object{{"SelectionId", made->id}, {"BackupPlanId", made->plan}, {"CreationDate", toEpochSeconds(made->created)}};
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetBackupSelection.html
aws::Outcome getBackupSelection(Service& service, const aws::Call& call) {
  const auto selection = namedSelection(service, call);
  if (!selection) return std::unexpected(selection.error());
  json::Object out{{"BackupSelection", selection->given},
                   {"SelectionId", selection->id},
                   {"BackupPlanId", selection->plan},
                   {"CreationDate", toEpochSeconds(selection->created)}};
  if (!selection->creator_request_id.empty()) out["CreatorRequestId"] = selection->creator_request_id;
  return out;
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupSelections.html
aws::Outcome listBackupSelections(Service& service, const aws::Call& call) {
  const auto plan = requiredText(call.input, "BackupPlanId");
  if (!plan) return std::unexpected(plan.error());
  if (!service.plans.find(*call.txn, *plan))
    return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Backup plan {} does not exist.", *plan)));
  const auto page = pageAsk(call, "ListBackupSelections");
  if (!page) return std::unexpected(page.error());
  std::vector<std::pair<std::string, PlanSelection>> entries;
  for (auto& selection : service.plans.selections(*call.txn, *plan, page->after, page->limit + 1)) {
    auto key = selection.id;
    entries.emplace_back(std::move(key), std::move(selection));
  }
  return pageOf("BackupSelectionsList", std::move(entries), *page, [](const PlanSelection& selection) {
    json::Object out{{"SelectionId", selection.id},
                     {"SelectionName", json::textOr(selection.given, "SelectionName")},
                     {"BackupPlanId", selection.plan},
                     {"CreationDate", toEpochSeconds(selection.created)},
                     {"IamRoleArn", json::textOr(selection.given, "IamRoleArn")}};
    if (!selection.creator_request_id.empty()) out["CreatorRequestId"] = selection.creator_request_id;
    return out;
  });
}

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupSelection.html
aws::Outcome deleteBackupSelection(Service& service, const aws::Call& call) {
  const auto selection = namedSelection(service, call);
  if (!selection) return std::unexpected(selection.error());
  service.plans.removeSelection(*call.txn, *selection);
  return json::Object();
}

}  // namespace sp::services::backup
