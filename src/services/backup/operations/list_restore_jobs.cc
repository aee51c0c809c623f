#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRestoreJobs.html
aws::Outcome listRestoreJobs(Service& service, const aws::Call& call) {
  const auto page = pageAsk(call, "ListRestoreJobs");
  if (!page) return std::unexpected(page.error());
  std::optional<RestoreStatus> status;
  if (const auto text = json::textOr(call.input, "ByStatus"); !text.empty()) {
    const auto parsed = parseRestoreStatus(text);
    if (!parsed) return std::unexpected(badValue("ByStatus", text, "a status of a restore job"));
    status = *parsed;
  }
  const auto account = json::textOr(call.input, "ByAccountId");
  std::optional<Instant> created_before, created_after, complete_before, complete_after;
  const std::array<std::pair<std::string_view, std::optional<Instant>*>, 4> times{{{"ByCreatedBefore", &created_before},
                                                                                   {"ByCreatedAfter", &created_after},
                                                                                   {"ByCompleteBefore", &complete_before},
                                                                                   {"ByCompleteAfter", &complete_after}}};
  for (const auto& [member, into] : times) {
    const auto time = timeFilter(call.input, member);
    if (!time) return std::unexpected(time.error());
    *into = *time;
  }
  const auto listed = service.restores.list(*call.txn, listAsk(*page, created_after, created_before), [&](const RestoreJob& job) {
    if (status && job.status != *status) return false;
    if (!account.empty() && account != call.realm.account) return false;
    if (complete_before && (!job.ended || shown(*job.ended) >= shown(*complete_before))) return false;
    return !complete_after || (job.ended && shown(*job.ended) > shown(*complete_after));
  });
  return pageOf("RestoreJobs", listed, *page, [&](const RestoreJob& job) { return restoreShape(job, call.realm, service.points); });
}

}  // namespace sp::services::backup
