// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html
#include <fmt/format.h>

#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {

aws::Outcome deleteTable(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto table, existingTable(call, name));
  if (table.deletion_protected)
    return aws::refuse("ValidationException",
                       "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.");
  call.txn->items().eraseTable(name);
  call.txn->records().erase(kTableRecord, name);
  service.tables->changed(*call.txn, name);
  service.extents.forget(name);
  call.txn->timers().drop(kExpiryTimer, name);
  return json::Object{{"TableDescription", table.describe(service.realm, "DELETING", 0, 0)}};
}

}  // namespace sp::dynamodb
