#include "services/ran_record.h"

#include "json/json.h"

namespace sp::services {
schedule::Ran readRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression) {
  const auto body = txn.records().get(kind, key);
  const auto record = body ? json::parse(*body) : Result<json::Value>(json::Object());
  if (!record || !record->is_object() || json::textOr(record->get_object(), "expression") != expression) return {};
  return schedule::Ran::parse(json::textOr(record->get_object(), "ran"));
}

void saveRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression, const schedule::Ran& ran) {
  txn.records().put(kind, key, json::toText(json::Object{{"expression", expression}, {"ran", ran.text()}}));
}

std::optional<store::Timer> comeTimer(store::Txn& txn, std::string_view kind, std::string_view id) {
  auto timer = txn.timers().find(kind, id);
  if (timer && timer->due > txn.now()) timer.reset();
  return timer;
}

}  // namespace sp::services
