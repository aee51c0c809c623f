#include "services/stillpoint/finaliser.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "services/stillpoint/report.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kTimer = "stillpoint.row";
constexpr auto kRetry = std::chrono::seconds(1);

}  // namespace

json::Object saveOutput(const Run& run, store::Txn& txn) {
  const auto report = makeReport(run, loadReports(txn, run.execution));
  json::Object out;
  out["Succeeded"] = report.succeeded;
  out["Status"] = report.status;
  out["Message"] = report.message;
  out["TargetCount"] = report.targets;
  out["FailedCount"] = report.failed;
  if (!report.error.empty()) {
    out["Error"] = report.error;
    out["Cause"] = report.cause;
  }
  return out;
}

Finaliser::Finaliser(runtime::Core& core, const Ports& ports) : ports_(ports) {
  core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) {
    if (auto run = loadRun(txn, timer.id)) write(txn, std::move(*run));
  });
}

void Finaliser::save(store::Txn& txn, const std::string& execution, const std::string& token) {
  auto run = loadRun(txn, execution);
  if (!run) {
    executions_->taskFailed(txn, token, "Stillpoint.InvalidInput", "nothing to save: the execution has no validated input");
    return;
  }
  if (!run->ended) run->ended = txn.now();
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
  saveRun(txn, *run);
  write(txn, std::move(*run));
}

void Finaliser::refresh(store::Txn& txn, const std::string& execution) {
  if (auto run = loadRun(txn, execution); run && run->row_written) write(txn, std::move(*run));
}

bool Finaliser::write(store::Txn& txn, Run run) {
  const auto row = makeRow(run, loadReports(txn, run.execution));
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
  const auto token = std::exchange(run.save_token, "");
  saveRun(txn, run);
  if (!token.empty()) executions_->taskSucceeded(txn, token, saveOutput(run, txn));
  return true;
}

}  // namespace sp::services::stillpoint
