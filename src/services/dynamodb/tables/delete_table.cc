// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html
#include <algorithm>

#include "base/failpoint.h"
#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {
namespace {

/// A deleted table of which items may be left; the key is its Table::items.
constexpr std::string_view kDroppedRecord = "dynamodb_dropped";
constexpr std::size_t kFetchItems = 8;
constexpr std::size_t kStepItems = 8192;
constexpr std::size_t kStepBytes = 1024UL * 1024;
constexpr auto kStepPause = std::chrono::milliseconds(10);

// The first items under a name, as many as one step takes. Whether any may be left.
bool eraseSome(store::ItemTable& table, std::string_view name) {
  std::size_t items = 0;
  std::size_t bytes = 0;
  while (items < kStepItems && bytes < kStepBytes) {
    const auto found = table.scan(name, std::nullopt, kFetchItems);
    for (const auto& item : found) {
      table.erase(name, item.partition, item.sort);
      bytes += item.body.size();
    }
    items += found.size();
    if (found.size() < kFetchItems) return false;
  }
  return true;
}

}  // namespace

void dropItems(store::Txn& txn, const Clock& clock) {
  const auto began = clock.boottime();
  const auto dropped = txn.records().scan(kDroppedRecord, "", "", 2);
  if (dropped.empty()) return txn.timers().drop(kDropTimer, "");
  const bool more = eraseSome(txn.items(), dropped[0].key);
  static_cast<void>(failpoint::hit("dynamodb.dropping"));
  if (!more) txn.records().erase(kDroppedRecord, dropped[0].key);
  if (!more && dropped.size() == 1) return txn.timers().drop(kDropTimer, "");
  const auto pause = std::max<Duration>(kStepPause, 4 * (clock.boottime() - began));
  txn.timers().set({std::string(kDropTimer), "", txn.now() + pause, ""});
}

aws::Outcome deleteTable(Service& service, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  SP_CHECK_OK(request.finish());
  SP_TRY(const auto table, existingTable(call, name));
  if (table.deletion_protected)
    return aws::refuse("ValidationException",
                       "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.");
  call.txn->records().erase(kTableRecord, name);
  service.tables->changed(*call.txn, name);
  service.extents.forget(table);
  call.txn->timers().drop(kExpiryTimer, name);
  // Millions of items take longer than other calls can wait.
  call.txn->records().put(kDroppedRecord, table.items, "{}");
  call.txn->timers().set({std::string(kDropTimer), "", call.txn->now(), ""});
  return json::Object{{"TableDescription", table.describe(service.realm, "DELETING", 0, 0)}};
}

}  // namespace sp::dynamodb
