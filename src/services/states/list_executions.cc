// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
#include <fmt/format.h>

#include "base/strings.h"
#include "runtime/description.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

// Rows of one request: all other work stands still meanwhile.
constexpr std::size_t kLookedAt = 5'000;

bool isRedriven(const store::ExecutionRow& row) {
  constexpr const char* kCount = "redriveCount";
  return row.description.contains(kCount) && json::intOr(runtime::descriptionOf(row), kCount, 0) > 0;
}

}  // namespace

// Newest first. A position is "START_MICROSECONDS ARN" of the last one looked at. With a filter a page may be short, or empty, and more
// come after it.
aws::Outcome listExecutions(const Service& service, const aws::Call& call) {
  Input input(call.input);
  input.refuseMembers({"mapRunArn"}, "distributed Map runs are not available on this server");
  const auto arn = input.arn("stateMachineArn");
  const auto status =
      input.choiceIf("statusFilter", {"RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"}).value_or("");
  const auto redriven = input.choiceIf("redriveFilter", {"REDRIVEN", "NOT_REDRIVEN"}).value_or("");
  const auto size = input.pageSize();
  const auto token = input.filledIf("nextToken", kExecutionsTokenLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto machine, service.machine(*call.txn, arn));
  const auto bound = fmt::format("ListExecutions {} {} {}", arn, status, redriven);
  SP_TRY(const auto position, positionOf(token, bound));
  store::ExecutionTable::Listing asked{.machine_arn = machine.arn, .status = status, .limit = size, .looked_at = kLookedAt};
  if (!position.empty()) {
    const auto blank = position.find(' ');
    asked.after = {fromMicros(parseInt(position.substr(0, blank)).value_or(0)), position.substr(blank + 1)};
  }
  if (!redriven.empty())
    asked.wanted = [wanted = redriven == "REDRIVEN"](const store::ExecutionRow& row) { return isRedriven(row) == wanted; };
  // Only runs of a distributed Map's iterations come to wait for their redrive.
  const auto page = status == "PENDING_REDRIVE" ? store::ExecutionTable::Page() : call.txn->executions().list(asked);
  json::Array executions;
  for (const auto& row : page.rows) {
    json::Object one{{"executionArn", row.arn},
                     {"stateMachineArn", row.machine_arn},
                     {"name", row.name},
                     {"status", row.status},
                     {"startDate", toEpochSeconds(row.started)}};
    if (row.stopped) one["stopDate"] = toEpochSeconds(*row.stopped);
    const auto description = runtime::descriptionOf(row);
    const auto count = json::intOr(description, "redriveCount", 0);
    one["redriveCount"] = count;
    if (count > 0) one["redriveDate"] = toEpochSeconds(fromMicros(json::intOr(description, "redriven", 0)));
    executions.push_back(std::move(one));
  }
  json::Object out{{"executions", std::move(executions)}};
  if (page.rest) out["nextToken"] = aws::makePageToken(bound, fmt::format("{} {}", toMicros(page.rest->started), page.rest->arn));
  return out;
}

}  // namespace sp::services::states
