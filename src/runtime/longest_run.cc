#include "runtime/longest_run.h"

#include <algorithm>

#include "base/log.h"

namespace sp::runtime {
namespace {

constexpr std::string_view kKind = "longest_run";
// By how much the clock was put forward while what was open then may be open still: {"by": microseconds, "until": microseconds}.
constexpr std::string_view kForward = "forward";
// Ended in one transaction; the rest follows at once.
constexpr std::size_t kAtOnce = 100;

// When an execution's time began anew, if it was redriven.
std::optional<Instant> redriven(store::Txn& txn, std::string_view arn) {
  const auto row = txn.executions().get(arn);
  const auto description = row ? json::parse(row->description) : Result<json::Value>(json::Value());
  if (!description || !description->is_object() || json::find(description->get_object(), "redriven") == nullptr) return std::nullopt;
  return fromMicros(json::intOr(description->get_object(), "redriven", 0));
}

struct Forward {
  Duration by{0};
  Instant until;
};

Forward forwardOf(store::Txn& txn) {
  const auto record = txn.records().get(kKind, kForward);
  const auto value = record ? json::parse(*record) : Result<json::Value>(json::Value());
  if (!value || !value->is_object()) return {};
  return {Duration(json::intOr(value->get_object(), "by", 0)), fromMicros(json::intOr(value->get_object(), "until", 0))};
}

}  // namespace

LongestRun::LongestRun(Core& core, ExecutionRuntime& executions, Duration longest) : executions_(executions), longest_(longest) {
  core.onTimer(std::string(kKind), [this](store::Txn& txn, const store::Timer&) { look(txn); });
  core.onClockSet([this](store::Txn& txn, Duration by) { clockSet(txn, by); });
}

void LongestRun::begin(store::Txn& txn) { txn.timers().set({std::string(kKind), "look", txn.now(), ""}); }

// What was open before the clock was put forward is no older for it. What began after that is due only once the same time has passed, so
// until then all may be given as much more. None is ended early: those that began under a clock that was then put back have longer.
void LongestRun::clockSet(store::Txn& txn, Duration by) {
  const auto moved = forwardOf(txn).by + by;
  if (moved > Duration(0))
    txn.records().put(kKind, kForward, json::toText(json::Object{{"by", moved.count()}, {"until", toMicros(txn.now() + longest_)}}));
  else txn.records().erase(kKind, kForward);
  begin(txn);
}

void LongestRun::look(store::Txn& txn) {
  const auto now = txn.now();
  // What is started from now on is due later than this.
  auto next = now + longest_;
  auto longest = longest_;
  if (const auto forward = forwardOf(txn); forward.until > now) {
    longest += forward.by;
    next = forward.until;
  } else {
    txn.records().erase(kKind, kForward);
  }
  std::optional<store::ExecutionTable::Position> after;
  std::size_t ended = 0;
  while (true) {
    const auto oldest = txn.executions().oldestRunning(after, kAtOnce);
    for (const auto& one : oldest) {
      // Younger ones are due later still.
      if (one.started + longest > now) return txn.timers().set({std::string(kKind), "look", std::min(next, one.started + longest), ""});
      if (const auto again = redriven(txn, one.arn); again && *again + longest > now) {
        next = std::min(next, *again + longest);
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
