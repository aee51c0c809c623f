#include "services/backup/operations/service.h"

namespace sp::services::backup {
namespace {

/// The list goes back this far.
constexpr auto kShownFor = std::chrono::days(30);

struct Filter {
  std::optional<JobState> state;
  std::string vault, resource, type, account, parent, category;
  std::optional<Instant> created_before, created_after, complete_before, complete_after;

  bool accepts(const Job& job) const {
    if (state && job.state != *state) return false;
    if (!vault.empty() && job.vault != vault) return false;
    if (!resource.empty() && job.resource_arn != resource) return false;
    if (!type.empty() && type != "EC2") return false;
    if (!parent.empty()) return false;
    if (!category.empty() && category != messageCategory(job.state)) return false;
    if (complete_before && (!job.ended || shown(*job.ended) >= shown(*complete_before))) return false;
    return !complete_after || (job.ended && shown(*job.ended) > shown(*complete_after));
  }
};

std::expected<Filter, aws::ApiError> readFilter(const json::Object& input) {
  Filter out;
  if (const auto state = json::textOr(input, "ByState"); !state.empty()) {
    const auto parsed = parseJobState(state);
    if (!parsed) return std::unexpected(badValue("ByState", state, "a state of a backup job"));
    out.state = *parsed;
  }
  out.vault = json::textOr(input, "ByBackupVaultName");
  out.resource = json::textOr(input, "ByResourceArn");
  out.type = json::textOr(input, "ByResourceType");
  out.account = json::textOr(input, "ByAccountId");
  out.parent = json::textOr(input, "ByParentJobId");
  out.category = json::textOr(input, "ByMessageCategory");
  if (!out.resource.empty() && !Arn::parse(out.resource)) return std::unexpected(badValue("ByResourceArn", out.resource, "an ARN"));
  const std::array<std::pair<std::string_view, std::optional<Instant>*>, 4> times{{{"ByCreatedBefore", &out.created_before},
                                                                                   {"ByCreatedAfter", &out.created_after},
                                                                                   {"ByCompleteBefore", &out.complete_before},
                                                                                   {"ByCompleteAfter", &out.complete_after}}};
  for (const auto& [member, into] : times) {
    const auto time = timeFilter(input, member);
    if (!time) return std::unexpected(time.error());
    *into = *time;
  }
  return out;
}

}  // namespace

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html
aws::Outcome listBackupJobs(Service& service, const aws::Call& call) {
  const auto page = pageAsk(call, "ListBackupJobs");
  if (!page) return std::unexpected(page.error());
  const auto filter = readFilter(call.input);
  if (!filter) return std::unexpected(filter.error());
  auto ask = listAsk(*page, filter->created_after, filter->created_before);
  ask.least = std::max(ask.least, timeKey(call.now - kShownFor, ""));
  const bool account = filter->account.empty() || filter->account == "*" || filter->account == call.realm.account;
  const auto listed = service.jobs.list(*call.txn, ask, [&](const Job& job) { return account && filter->accepts(job); });
  return pageOf("BackupJobs", listed, *page, [&](const Job& job) { return jobShape(job, call.realm, service.points); });
}

}  // namespace sp::services::backup
