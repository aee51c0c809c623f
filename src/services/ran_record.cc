#include "services/ran_record.h"

#include "json/json.h"

namespace sp::services {
namespace {

constexpr std::size_t kMostCome = 10'000;

}  // namespace

schedule::Ran readRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression) {
  const auto body = txn.records().get(kind, key);
  const auto record = body ? json::parse(*body) : Result<json::Value>(json::Object());
  if (!record || !record->is_object() || json::textOr(record->get_object(), "expression") != expression) return {};
  return schedule::Ran::parse(json::textOr(record->get_object(), "ran"));
}

void saveRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression, const schedule::Ran& ran) {
  txn.records().put(kind, key, json::toText(json::Object{{"expression", expression}, {"ran", ran.text()}}));
}

std::vector<std::string> comeTimers(store::Txn& txn, std::string_view kind) {
  std::vector<std::string> out;
  for (const auto& timer : txn.timers().due(txn.now(), kMostCome))
    if (timer.kind == kind) out.push_back(timer.id);
  return out;
}

}  // namespace sp::services
