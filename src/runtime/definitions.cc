#include "runtime/definitions.h"

#include "base/hash.h"
#include "json/json.h"

namespace sp::runtime::definitions {
namespace {

constexpr std::string_view kKind = "definition";
// {"machines": how many have it, "since": the last execution's number when the last of them gave it up}. Definitions from before
// uses were counted have none, and stay.
constexpr std::string_view kUseKind = "definition_use";

struct Use {
  std::int64_t machines = 0;
  /// -1: a machine has it, or is about to.
  std::int64_t since = -1;
};

std::optional<Use> decode(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  return Use{json::intOr(value->get_object(), "machines", 0), json::intOr(value->get_object(), "since", -1)};
}

void put(store::Txn& txn, std::string_view name, const Use& use) {
  txn.records().put(kUseKind, name, json::toText(json::Object{{"machines", use.machines}, {"since", use.since}}));
}

std::optional<Use> useOf(store::Txn& txn, std::string_view name) {
  const auto record = txn.records().get(kUseKind, name);
  return record ? decode(*record) : std::nullopt;
}

}  // namespace

std::string add(store::Txn& txn, const std::string& text) {
  auto name = sha256Hex(text);
  if (txn.records().get(kKind, name)) return name;
  txn.records().put(kKind, name, text);
  put(txn, name, {});
  return name;
}

std::optional<std::string> textOf(store::Txn& txn, std::string_view name) { return txn.records().get(kKind, name); }

void adopt(store::Txn& txn, std::string_view name) {
  if (const auto use = useOf(txn, name)) put(txn, name, {use->machines + 1, -1});
}

void release(store::Txn& txn, std::string_view name) {
  const auto use = useOf(txn, name);
  if (!use) return;
  const auto left = use->machines - 1;
  put(txn, name, {left, left > 0 ? -1 : txn.executions().numbers().last});
}

std::string collect(store::Txn& txn, std::string_view after, std::size_t limit) {
  const auto page = txn.records().scan(kUseKind, "", after, limit);
  const auto executions = txn.executions().numbers();
  for (const auto& record : page) {
    const auto use = decode(record.body);
    if (!use || use->machines > 0 || use->since < 0) continue;
    // What began later began with another one.
    if (executions.first != 0 && executions.first <= use->since) continue;
    txn.records().erase(kKind, record.key);
    txn.records().erase(kUseKind, record.key);
  }
  return page.size() < limit ? std::string() : page.back().key;
}

}  // namespace sp::runtime::definitions
