#include "services/backup/lifecycle.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "schedule/retention.h"
#include "services/backup/table.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kTimer = "backup.lifecycle";
constexpr std::string_view kSweep = "sweep";
constexpr std::size_t kRepositoriesAtOnce = 10;
constexpr Duration kPause = std::chrono::milliseconds(100);
constexpr Duration kBetweenSweeps = std::chrono::days(1);
constexpr Duration kClockWasAhead = std::chrono::hours(1);

std::string heldAs(schedule::Fate fate) {
  if (fate == schedule::Fate::kept_as_last)
    return fmt::format("Its lifecycle has ended. It is kept as one of the last {} complete recovery points of its machine in this vault.",
                       schedule::kLastGoodKept);
  if (fate == schedule::Fate::kept_in_use) return "Its lifecycle has ended. It is kept until the restore that reads it has ended.";
  return {};
}

}  // namespace

Lifecycle::Lifecycle(Context& context, RecoveryPoints& points, Restores& restores, Quarantine& quarantine)
    : context_(context), points_(points), restores_(restores), quarantine_(quarantine) {
  context_.core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) { sweep(txn, timer); });
  // One that was ahead has the next look far off. What steps the clock a little each day does not put it off for ever.
  context_.core.onDatesSet([](store::Txn& txn, Duration by) {
    if (by < -kClockWasAhead) txn.timers().set({std::string(kTimer), std::string(kSweep), txn.now() + kBetweenSweeps, ""});
  });
  restores_.onEnded([this](store::Txn& txn, const RestoreJob& job) {
    const auto point = points_.find(txn, job.recovery_point);
    if (point && !point->held.empty()) apply(txn, point->vault, point->instance, restores_.pointsInUse(txn));
  });
}

void Lifecycle::recover(store::Txn& txn) { txn.timers().set({std::string(kTimer), std::string(kSweep), txn.now(), ""}); }

void Lifecycle::sweep(store::Txn& txn, const store::Timer& timer) {
  const auto in_use = restores_.pointsInUse(txn);
  const auto records = txn.records().scan(kRepositoryKind, "", timer.payload, kRepositoriesAtOnce);
  for (const auto& record : records) {
    const auto slash = record.key.find('/');
    const auto vault = record.key.substr(0, slash);
    const auto instance = record.key.substr(slash + 1);
    apply(txn, vault, instance, in_use);
    quarantine_.look(txn, vault, instance);
  }
  if (records.size() == kRepositoriesAtOnce)
    return txn.timers().set({std::string(kTimer), std::string(kSweep), txn.now() + kPause, records.back().key});
  txn.timers().set({std::string(kTimer), std::string(kSweep), txn.now() + kBetweenSweeps, ""});
}

void Lifecycle::apply(store::Txn& txn, const std::string& vault, const std::string& instance, const std::set<std::string>& in_use) {
  const auto points = points_.of(txn, vault, instance);
  std::vector<schedule::Aged> aged;
  for (const auto& point : points)
    aged.push_back({point.created, point.isGoing() ? 0 : point.delete_after_days, point.status == "COMPLETED", in_use.contains(point.id)});
  const auto fates = schedule::fatesOf(aged, txn.now());
  for (std::size_t i = 0; i < points.size(); ++i) {
    auto point = points[i];
    if (fates[i] == schedule::Fate::expired) {
      log::info("a recovery point's lifecycle has ended", {{"recovery_point", point.id}, {"vault", vault}, {"instance", instance}});
      points_.remove(txn, std::move(point), true);
      static_cast<void>(failpoint::hit("backup.expiring"));
      continue;
    }
    auto held = heldAs(fates[i]);
    if (held == point.held) continue;
    point.held = std::move(held);
    points_.save(txn, point);
  }
}

}  // namespace sp::services::backup
