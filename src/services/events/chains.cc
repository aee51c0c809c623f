#include "services/events/chains.h"

#include <utility>

#include "services/events/queue.h"
#include "services/events/records.h"

namespace sp::services::events {

Chain furthest(Chain a, Chain b) { return a.hops >= b.hops ? std::move(a) : std::move(b); }

ChainCounts::Verdict ChainCounts::count(const std::string& root, std::int64_t bytes) {
  if (counts_.size() >= chains_ && !counts_.contains(root)) counts_.clear();
  auto& count = counts_[root];
  if (count.stopped) return Verdict::over;
  count.stopped = count.deliveries + 1 > most_ || count.bytes + bytes > most_bytes_;
  if (count.stopped) return Verdict::stopped;
  ++count.deliveries;
  count.bytes += bytes;
  return Verdict::deliver;
}

std::int64_t ChainCounts::delivered(const std::string& root) const {
  const auto found = counts_.find(root);
  return found == counts_.end() ? 0 : found->second.deliveries;
}

Chains::Doing::Doing(Chains& chains, Chain chain, std::string execution)
    : chains_(chains),
      chain_(std::exchange(chains.chain_, std::move(chain))),
      execution_(std::exchange(chains.execution_, std::move(execution))) {}

Chains::Doing::~Doing() {
  chains_.chain_ = std::move(chain_);
  chains_.execution_ = std::move(execution_);
}

Chain Chains::now(store::Txn& txn) const { return execution_.empty() ? chain_ : furthest(chain_, of(txn, execution_)); }

Chain Chains::of(store::Txn& txn, std::string_view subject) {
  const auto kept = txn.records().get(kHops, subject);
  if (!kept) return {};
  const auto counted = decode(*kept);
  return {json::intOr(counted, "hops", 0), json::textOr(counted, "root")};
}

Chain Chains::inherit(store::Txn& txn, std::string_view subject, std::string_view execution) const {
  auto chain = furthest(of(txn, subject), now(txn));
  if (!execution.empty()) chain = furthest(std::move(chain), of(txn, execution));
  if (chain.hops > 0) txn.records().put(kHops, subject, json::toText(json::Object{{"hops", chain.hops}, {"root", chain.root}}));
  return chain;
}

void Chains::forget(store::Txn& txn, std::string_view subject) { txn.records().erase(kHops, subject); }

}  // namespace sp::services::events
