#include "services/stillpoint/finaliser.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "services/stillpoint/report.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kTimer = "stillpoint.row";
constexpr auto kRetry = std::chrono::seconds(1);
// A row whose list is too large links it in a bucket: an object cannot be stored within a transaction, so this timer stands
// until the row has its link.
constexpr std::string_view kListTimer = "stillpoint.row_list";
constexpr auto kListRetry = std::chrono::seconds(10);

}  // namespace

json::Object saveOutput(const Run& run, store::Txn& txn) {
  const auto report = makeReport(run, loadReports(txn, run.execution));
  json::Object out;
  out["Succeeded"] = report.succeeded;
  out["Status"] = report.status;
  out["Message"] = report.message;
  out["TargetCount"] = report.targets;
  out["FailedCount"] = report.failed;
  if (report.skipped > 0) out["SkippedCount"] = report.skipped;
  if (!report.error.empty()) {
    out["Error"] = report.error;
    out["Cause"] = report.cause;
  }
  return out;
}

Finaliser::Finaliser(runtime::Core& core, const Ports& ports, std::size_t list_max) : core_(core), ports_(ports), list_max_(list_max) {
  core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) {
    if (auto run = loadRun(txn, timer.id)) write(txn, std::move(*run));
  });
  core.onTimer(std::string(kListTimer), [this](store::Txn& txn, const store::Timer& timer) { storeList(txn, timer.id); });
}

void Finaliser::save(store::Txn& txn, const std::string& execution, const std::string& token) {
  auto run = loadRun(txn, execution);
  if (!run) {
    executions_->taskFailed(txn, token, "Stillpoint.InvalidInput", "nothing to save: the execution has no validated input");
    return;
  }
  if (!run->ended) run->ended = txn.now();
  failWithoutBackup(txn, *run);
  run->save_token = token;
  saveRun(txn, *run);
  write(txn, std::move(*run));
}

void Finaliser::executionEnded(store::Txn& txn, const std::string& execution, const std::string& status) {
  auto run = loadRun(txn, execution);
  if (!run) return;
  if (run->row_written) return;
  run->save_token.clear();
  run->ended = txn.now();
  run->ended_as = status;
  failWithoutBackup(txn, *run);
  saveRun(txn, *run);
  write(txn, std::move(*run));
}

void Finaliser::redriven(store::Txn& txn, const std::string& execution) {
  auto run = loadRun(txn, execution);
  if (!run) return;
  ++run->redrives;
  run->ended.reset();
  run->ended_as.clear();
  run->save_token.clear();
  run->row_written = false;
  saveRun(txn, *run);
  txn.timers().drop(kTimer, execution);
}

void Finaliser::refresh(store::Txn& txn, const std::string& execution) {
  if (auto run = loadRun(txn, execution); run && run->row_written) write(txn, std::move(*run));
}

void Finaliser::failWithoutBackup(store::Txn& txn, Run& run) {
  for (auto& lane : loadLanes(txn, run.execution)) {
    auto why = withoutBackup(run, lane);
    if (why.empty()) continue;
    lane.failure = {++run.failures, "Stillpoint.BackupFailed", "backup", std::move(why)};
    saveLane(txn, lane);
  }
}

bool Finaliser::write(store::Txn& txn, Run run) {
  const auto row = makeRow(run, loadReports(txn, run.execution), list_max_);
  Answer<void> written;
  txn.nested([&] {
    written = ports_.log.put(txn, row);
    return written.has_value();
  });
  if (!written) {
    log::error("the job log's row cannot be written now", {{"execution", run.execution}, {"error", written.error().message}});
    txn.timers().set({std::string(kTimer), run.execution, txn.now() + kRetry, ""});
    return false;
  }
  failpoint::hit("flow.row_written");
  run.row_written = true;
  if (row.contains("LeftOutCount")) {
    ++run.list_revision;
    txn.timers().set({std::string(kListTimer), run.execution, txn.now(), ""});
  }
  const auto token = std::exchange(run.save_token, "");
  saveRun(txn, run);
  if (!token.empty()) executions_->taskSucceeded(txn, token, saveOutput(run, txn));
  return true;
}

void Finaliser::storeList(store::Txn& txn, const std::string& execution) {
  const auto run = loadRun(txn, execution);
  if (!run) return;
  txn.timers().set({std::string(kListTimer), execution, txn.now() + kListRetry, ""});
  if (storing_.contains(execution)) return;
  txn.afterCommit([this, execution] { storing_.insert(execution); });
  ports_.log.keepList(txn, execution, wholeList(*run, loadReports(txn, execution)),
                      [this, execution, revision = run->list_revision](const Result<std::string>& where) {
                        core_.post([this, execution, revision, where](store::Txn& later) {
                          listStored(later, execution, revision, where);
                          return true;
                        });
                      });
}

void Finaliser::listStored(store::Txn& txn, const std::string& execution, std::int64_t revision, const Result<std::string>& where) {
  storing_.erase(execution);
  auto run = loadRun(txn, execution);
  if (!run) return;
  if (!where) {
    log::error("the job log's list cannot be stored now", {{"execution", execution}, {"error", where.error().text()}});
    return;
  }
  // What was written meanwhile is stored by another turn.
  if (revision != run->list_revision) {
    txn.timers().set({std::string(kListTimer), execution, txn.now(), ""});
    return;
  }
  txn.timers().drop(kListTimer, execution);
  if (run->list_at == *where) return;
  run->list_at = *where;
  saveRun(txn, *run);
  const auto row = makeRow(*run, loadReports(txn, execution), list_max_);
  if (const auto written = ports_.log.put(txn, row); !written) txn.timers().set({std::string(kTimer), execution, txn.now() + kRetry, ""});
}

}  // namespace sp::services::stillpoint
