// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
#include "services/dynamodb/service.h"

namespace sp::dynamodb {

aws::Outcome describeTable(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  SP_CHECK_OK(request.finish());
  const auto table = loadTable(*call.txn, name);
  if (!table) return table.error().code == "ResourceNotFoundException" ? noSuchTable(name) : std::unexpected(table.error());
  const auto extent = service.extents.of(*call.txn, name);
  return json::Object{{"Table", table->describe(service.realm, "ACTIVE", extent.items, extent.bytes)}};
}

}  // namespace sp::dynamodb
