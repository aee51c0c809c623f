#include "runtime/longest_run.h"

#include <algorithm>

#include "base/log.h"

namespace sp::runtime {
namespace {

constexpr std::string_view kKind = "longest_run";
// Ended in one transaction; the rest follows at once.
constexpr std::size_t kAtOnce = 100;

// When an execution's time began anew, if it was redriven.
std::optional<Instant> redriven(store::Txn& txn, std::string_view arn) {
  const auto row = txn.executions().get(arn);
  const auto description = row ? json::parse(row->description) : Result<json::Value>(json::Value());
  if (!description || !description->is_object() || json::find(description->get_object(), "redriven") == nullptr) return std::nullopt;
  return fromMicros(json::intOr(description->get_object(), "redriven", 0));
}

}  // namespace

LongestRun::LongestRun(Core& core, ExecutionRuntime& executions, Duration longest) : executions_(executions), longest_(longest) {
  core.onTimer(std::string(kKind), [this](store::Txn& txn, const store::Timer&) { look(txn); });
}

void LongestRun::begin(store::Txn& txn) { txn.timers().set({std::string(kKind), "look", txn.now(), ""}); }

void LongestRun::look(store::Txn& txn) {
  const auto now = txn.now();
  // What is started from now on is due later than this.
  auto next = now + longest_;
  std::optional<store::ExecutionTable::Position> after;
  std::size_t ended = 0;
  while (true) {
    const auto oldest = txn.executions().oldestRunning(after, kAtOnce);
    for (const auto& one : oldest) {
      // Younger ones are due later still.
      if (one.started + longest_ > now) return txn.timers().set({std::string(kKind), "look", std::min(next, one.started + longest_), ""});
      if (const auto again = redriven(txn, one.arn); again && *again + longest_ > now) {
        next = std::min(next, *again + longest_);
        continue;
      }
      if (++ended > kAtOnce) return txn.timers().set({std::string(kKind), "look", now, ""});
      log::warn("an execution was open for as long as any may be: it is ended", {{"execution", one.arn}});
      executions_.overdue(txn, one.arn);
    }
    if (oldest.size() < kAtOnce) return txn.timers().set({std::string(kKind), "look", next, ""});
    after = oldest.back();
  }
}

}  // namespace sp::runtime
