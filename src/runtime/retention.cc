#include "runtime/retention.h"

#include "base/log.h"
#include "base/strings.h"
#include "runtime/definitions.h"

namespace sp::runtime {
namespace {

constexpr std::string_view kKind = "retention";
constexpr std::string_view kDefinitions = "definitions";
// About two milliseconds of work in each step, ten steps a second: 5,000 rows a second, and a fiftieth of the core's time.
constexpr std::size_t kRowsAtOnce = 500;
constexpr Duration kPause = std::chrono::milliseconds(100);
constexpr Duration kBetweenSweeps = std::chrono::hours(1);

}  // namespace

Retention::Retention(Core& core, Duration kept) : core_(core), kept_(kept) {
  core_.onTimer(std::string(kKind), [this](store::Txn& txn, const store::Timer& timer) { sweep(txn, timer); });
  core_.onTimer(std::string(kDefinitions), [](store::Txn& txn, const store::Timer& timer) {
    const auto after = definitions::collect(txn, timer.payload, kRowsAtOnce);
    txn.timers().set({std::string(kDefinitions), "sweep", txn.now() + (after.empty() ? kBetweenSweeps : kPause), after});
  });
  // A clock that was put forward by mistake has an hour to be put right before anything goes for it.
  core_.onDatesSet([](store::Txn& txn, Duration) { arm(txn, kBetweenSweeps); });
}

void Retention::begin(store::Txn& txn) { arm(txn, kPause); }

void Retention::arm(store::Txn& txn, Duration in) {
  txn.timers().set({std::string(kKind), "sweep", txn.now() + in, "0"});
  txn.timers().set({std::string(kDefinitions), "sweep", txn.now() + in, ""});
}

void Retention::sweep(store::Txn& txn, const store::Timer& timer) {
  const auto swept = txn.executions().expire(txn.now() - kept_, txn.now(), parseInt(timer.payload).value_or(0), kRowsAtOnce);
  for (const auto& arn : swept.gone)
    for (const auto& handler : gone_) handler(txn, arn);
  removed_ += swept.gone.size();
  if (swept.more) return txn.timers().set({std::string(kKind), "sweep", txn.now() + kPause, std::to_string(swept.position)});
  txn.timers().set({std::string(kKind), "sweep", txn.now() + kBetweenSweeps, "0"});
  if (removed_ == 0) return;
  const auto extent = txn.executions().extent();
  log::info("old executions were removed", {{"executions", removed_}, {"store_bytes", extent.bytes}, {"free_bytes", extent.free_bytes}});
  removed_ = 0;
}

}  // namespace sp::runtime
