// Thaw and Start: a person asks for what is owed to a machine, now. docs/api/stillpoint.md.
#include "services/stillpoint/operations.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {
namespace {

aws::Outcome pay(const aws::Call& call, Ledger& ledger, const Ports& ports) {
  const auto instance = json::textOr(call.input, "InstanceId");
  if (instance.empty()) return std::unexpected(aws::ApiError::validation("InstanceId is missing"));
  if (!ports.targets.find(*call.txn, instance)) return aws::refuse("ResourceNotFoundException", "there is no machine " + instance);
  json::Array debts;
  for (const auto& debt : ledger.payNow(*call.txn, instance, call.principal.arn)) debts.emplace_back(debtShape(debt));
  json::Object out;
  out["Debts"] = std::move(debts);
  return out;
}

}  // namespace

aws::Operation thaw(Ledger& ledger, const Ports& ports) {
  return {"Thaw", [&ledger, ports](const aws::Call& call) { return pay(call, ledger, ports); }, {}, false};
}

aws::Operation start(Ledger& ledger, const Ports& ports) {
  return {"Start", [&ledger, ports](const aws::Call& call) { return pay(call, ledger, ports); }, {}, false};
}

}  // namespace sp::services::stillpoint
