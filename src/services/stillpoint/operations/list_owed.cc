// ListOwed: docs/api/stillpoint.md.
#include "base/time_format.h"
#include "services/stillpoint/operations.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {

json::Object debtShape(const quiesce::Debt& debt) {
  json::Object out;
  out["InstanceId"] = debt.instance;
  out["Kind"] = toText(debt.kind);
  out["State"] = toText(debt.state);
  out["ExecutionArn"] = debt.execution;
  out["Since"] = toIso8601Millis(debt.since);
  out["Attempts"] = debt.attempts;
  if (!debt.freeze_id.empty()) out["FreezeId"] = debt.freeze_id;
  if (!debt.command.empty()) out["CommandId"] = debt.command;
  if (!debt.last_error.empty()) {
    out["LastError"] = debt.last_error;
    out["NextAttempt"] = toIso8601Millis(debt.not_before);
  }
  if (!debt.by.empty()) out["By"] = debt.by;
  return out;
}

aws::Operation listOwed() {
  return {"ListOwed",
          [](const aws::Call& call) -> aws::Outcome {
            json::Array debts;
            for (const auto& debt : owed(*call.txn, json::textOr(call.input, "InstanceId"))) debts.emplace_back(debtShape(debt));
            json::Object out;
            out["Debts"] = std::move(debts);
            return out;
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
