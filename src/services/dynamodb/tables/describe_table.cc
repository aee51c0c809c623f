// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {

aws::Outcome describeTable(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto table, existingTable(call, name));
  const auto extent = service.extents.of(*call.txn, table);
  return json::Object{{"Table", table.describe(service.realm, "ACTIVE", extent.items, extent.bytes)}};
}

}  // namespace sp::dynamodb
