// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
#include <fmt/format.h>

#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {

aws::Outcome updateTable(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  auto billing = request.choice("BillingMode", {"PROVISIONED", "PAY_PER_REQUEST"});
  const auto storage = request.choice("TableClass", {"STANDARD", "STANDARD_INFREQUENT_ACCESS"});
  for (const auto* member : {"GlobalSecondaryIndexUpdates", "StreamSpecification", "SSESpecification", "ReplicaUpdates"})
    if (request.has(member))
      request.refuse(fmt::format("{} is not served: a table has no indexes, streams, keys or replicas here", member));
  const bool throughput = request.has("ProvisionedThroughput");
  const bool protection = request.has("DeletionProtectionEnabled");
  const bool protect = request.boolean("DeletionProtectionEnabled", false);
  if (billing.empty() && storage.empty() && !throughput && !protection)
    request.refuse("At least one of ProvisionedThroughput, BillingMode, TableClass or DeletionProtectionEnabled is required");
  SP_CHECK_OK(request.finish());
  SP_TRY(auto table, existingTable(call, name));
  if (!billing.empty() || throughput) {
    const auto before = std::pair(table.read_units, table.write_units);
    if (billing.empty()) billing = table.onDemand() ? "PAY_PER_REQUEST" : "PROVISIONED";
    SP_CHECK_OK(readBilling(request, billing, table));
    if (!table.onDemand() && before == std::pair(table.read_units, table.write_units))
      return aws::refuse("ValidationException",
                         fmt::format("The provisioned throughput for the table will not change. The requested value equals the current "
                                     "value. Current ReadCapacityUnits provisioned for the table: {}. Requested ReadCapacityUnits: {}. "
                                     "Current WriteCapacityUnits provisioned for the table: {}. Requested WriteCapacityUnits: {}.",
                                     before.first, table.read_units, before.second, table.write_units));
  }
  if (protection) table.deletion_protected = protect;
  storeTable(service, call, table);
  const auto extent = service.extents.of(*call.txn, table);
  return json::Object{{"TableDescription", table.describe(service.realm, "UPDATING", extent.items, extent.bytes)}};
}

}  // namespace sp::dynamodb
