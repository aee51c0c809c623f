// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
#include <fmt/format.h>

#include "base/strings.h"
#include "runtime/description.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

std::int64_t redriveCount(const store::ExecutionRow& row) { return json::intOr(runtime::descriptionOf(row), "redriveCount", 0); }

}  // namespace

// Newest first. A position is "START_MICROSECONDS ARN" of the last one shown.
aws::Outcome listExecutions(const Service& service, const aws::Call& call) {
  Input input(call.input);
  input.refuseMembers({"mapRunArn"}, "distributed Map runs are not available on this server");
  const auto arn = input.text("stateMachineArn", kArnLength);
  const auto status =
      input.choiceIf("statusFilter", {"RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"}).value_or("");
  const auto redriven = input.choiceIf("redriveFilter", {"REDRIVEN", "NOT_REDRIVEN"}).value_or("");
  const auto size = input.pageSize();
  const auto token = input.textIf("nextToken", kTokenLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto machine, service.machine(*call.txn, arn));
  const auto bound = fmt::format("ListExecutions {} {} {}", arn, status, redriven);
  SP_TRY(const auto position, positionOf(token, bound));
  std::optional<store::ExecutionTable::Position> after;
  if (!position.empty()) {
    const auto blank = position.find(' ');
    after = {fromMicros(parseInt(position.substr(0, blank)).value_or(0)), position.substr(blank + 1)};
  }
  // Redriven ones are told by their description alone: pages are read until enough are found.
  std::vector<store::ExecutionRow> rows;
  while (rows.size() <= size) {
    auto read = call.txn->executions().list(machine.arn, status, after, size + 1);
    const bool last = read.size() <= size;
    if (!read.empty()) after = {read.back().started, read.back().arn};
    for (auto& row : read)
      if (redriven.empty() || (redriveCount(row) > 0) == (redriven == "REDRIVEN")) rows.push_back(std::move(row));
    if (last) break;
  }
  const bool more = rows.size() > size;
  rows.resize(std::min(rows.size(), size));
  json::Array executions;
  for (const auto& row : rows) {
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
  if (more) out["nextToken"] = aws::makePageToken(bound, fmt::format("{} {}", toMicros(rows.back().started), rows.back().arn));
  return out;
}

}  // namespace sp::services::states
