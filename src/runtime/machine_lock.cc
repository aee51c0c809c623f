#include "runtime/machine_lock.h"

#include "json/json.h"

namespace sp::runtime {
namespace {

constexpr std::string_view kKind = "machine_lock";

// The record is the queue: a JSON list of holders, the first of which has the machine.
json::Array load(store::Txn& txn, std::string_view instance) {
  const auto body = txn.records().get(kKind, instance);
  if (!body) return {};
  auto parsed = json::parse(*body);
  return parsed && parsed->is_array() ? parsed->get_array() : json::Array{};
}

void save(store::Txn& txn, std::string_view instance, const json::Array& queue) {
  if (queue.empty()) txn.records().erase(kKind, instance);
  else txn.records().put(kKind, instance, json::toText(queue));
}

bool is(const json::Value& value, std::string_view holder) { return value.is_string() && json::toView(value.get_string()) == holder; }

}  // namespace

void MachineLock::acquire(store::Txn& txn, std::string_view instance, std::string_view holder) {
  auto queue = load(txn, instance);
  for (const auto& waiting : queue)
    if (is(waiting, holder)) return;
  queue.emplace_back(holder);
  save(txn, instance, queue);
  if (queue.size() == 1) grantNext(txn, instance);
}

void MachineLock::release(store::Txn& txn, std::string_view instance, std::string_view holder) {
  auto queue = load(txn, instance);
  for (auto place = queue.begin(); place != queue.end(); ++place) {
    if (!is(*place, holder)) continue;
    const bool held = place == queue.begin();
    queue.erase(place);
    save(txn, instance, queue);
    if (held && !queue.empty()) grantNext(txn, instance);
    return;
  }
}

std::optional<std::string> MachineLock::holder(store::Txn& txn, std::string_view instance) const {
  const auto queue = load(txn, instance);
  if (queue.empty() || !queue.front().is_string()) return std::nullopt;
  return json::toStd(queue.front().get_string());
}

std::vector<std::pair<std::string, std::string>> MachineLock::queued(store::Txn& txn) const {
  constexpr std::size_t kPage = 1000;
  std::vector<std::pair<std::string, std::string>> out;
  std::string after;
  while (true) {
    const auto records = txn.records().scan(kKind, "", after, kPage);
    for (const auto& record : records)
      for (const auto& waiting : load(txn, record.key))
        if (waiting.is_string()) out.emplace_back(record.key, json::toStd(waiting.get_string()));
    if (records.size() < kPage) return out;
    after = records.back().key;
  }
}

bool MachineLock::idle(store::Txn& txn, std::string_view instance) const { return ask(txn, instance, idle_); }

bool MachineLock::paying(store::Txn& txn, std::string_view instance) const { return ask(txn, instance, paying_); }

bool MachineLock::ask(store::Txn& txn, std::string_view instance, const Questions& questions) const {
  const auto name = holder(txn, instance);
  if (!name) return false;
  const auto asked = questions.find(std::string_view(*name).substr(0, name->find(':')));
  return asked != questions.end() && asked->second(txn, std::string(instance), *name);
}

void MachineLock::grantNext(store::Txn& txn, std::string_view instance) {
  const auto next = holder(txn, instance);
  if (!next) return;
  const auto handler = granted_.find(std::string_view(*next).substr(0, next->find(':')));
  if (handler != granted_.end()) handler->second(txn, std::string(instance), *next);
}

}  // namespace sp::runtime
