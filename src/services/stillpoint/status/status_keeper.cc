#include "services/stillpoint/status/status_keeper.h"

#include <algorithm>

#include "base/log.h"
#include "services/ssm/agent_info.h"
#include "services/ssm/nodes/registrations.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kCount = "disk-use-count";
constexpr std::string_view kLog = "disk-use-log";
constexpr Duration kBetweenCounts = std::chrono::hours(1);
constexpr Duration kBetweenLines = std::chrono::hours(24);
/// A survey is good for so many times what it took: it never has more than a hundredth of the core's time.
constexpr int kSurveyRest = 100;
/// The agent of the server's own host.
constexpr std::string_view kHost = "host";

void countDebts(store::Txn& txn, Survey& survey) {
  for (const auto& debt : owed(txn, "")) {
    survey.oldest_debt = std::min(survey.oldest_debt.value_or(debt.since), debt.since);
    if (debt.state == quiesce::DebtState::suspended) {
      ++survey.debts_suspended;
      continue;
    }
    ++survey.debts_open;
    const auto lane = loadLane(txn, debt.execution, debt.instance);
    if (debt.last_error.empty() && lane && !lane->over) continue;
    ++survey.debts_overdue;
    survey.oldest_overdue = std::min(survey.oldest_overdue.value_or(debt.since), debt.since);
  }
}

std::string bytesOf(const std::optional<store::FolderSizes::Size>& size) { return size ? std::to_string(size->bytes) : "not counted yet"; }

}  // namespace

StatusKeeper::StatusKeeper(Context& context, const ec2::Instances& instances, const store::OutputStore& outputs,
                           const backup::Places& places, StatusSettings settings)
    : context_(context),
      instances_(instances),
      outputs_(outputs),
      places_(places),
      settings_(std::move(settings)),
      started_(context.clock.now()),
      objects_(settings_.data_dir + "/blobs"),
      vaults_(settings_.data_dir + "/vaults"),
      sizes_(context.clock, {objects_, vaults_}) {
  context.core.onTimer(std::string(kCount), [this](store::Txn& txn, const store::Timer&) {
    sizes_.refresh();
    for (const auto& each : fileSystems(txn.now()))
      if (isNearlyFull(each.disk))
        log::warn("a disk is nearly full",
                  {{"path", each.path}, {"disk_bytes", each.disk.bytes}, {"disk_free_bytes", each.disk.free_bytes}});
    txn.timers().set({std::string(kCount), "", txn.now() + kBetweenCounts, ""});
  });
  context.core.onTimer(std::string(kLog), [this](store::Txn& txn, const store::Timer&) {
    tellLog(txn);
    txn.timers().set({std::string(kLog), "", txn.now() + kBetweenLines, ""});
  });
}

void StatusKeeper::begin(store::Txn& txn) {
  txn.timers().set({std::string(kCount), "", txn.now(), ""});
  txn.timers().set({std::string(kLog), "", txn.now(), ""});
}

void StatusKeeper::tellLog(store::Txn& txn) const {
  const auto extent = txn.executions().extent();
  const auto disk = store::diskOf(settings_.data_dir).value_or(store::Disk{});
  log::info("disk use", {{"store_bytes", extent.bytes},
                         {"store_free_bytes", extent.free_bytes},
                         {"objects_bytes", bytesOf(sizes_.of(objects_))},
                         {"vaults_bytes", bytesOf(sizes_.of(vaults_))},
                         {"outputs_bytes", outputs_.used()},
                         {"disk_bytes", disk.bytes},
                         {"disk_free_bytes", disk.free_bytes}});
}

std::vector<ServerStatus::FileSystem> StatusKeeper::fileSystems(Instant now) const {
  std::vector<ServerStatus::FileSystem> found;
  const auto disk = store::diskOf(settings_.data_dir);
  if (!disk) return found;
  found.push_back({settings_.data_dir, *disk, now});
  for (const auto& path : {objects_, vaults_})
    if (const auto size = sizes_.of(path); size && size->disk.device != disk->device) found.push_back({path, size->disk, size->counted});
  return found;
}

ServerStatus StatusKeeper::look(store::Txn& txn) {
  sizes_.refresh();
  ServerStatus status;
  status.version = settings_.version;
  status.started = started_;
  status.now = txn.now();
  status.data_dir = settings_.data_dir;
  status.file_systems = fileSystems(txn.now());
  status.objects = sizes_.of(objects_);
  status.vaults = sizes_.of(vaults_);
  status.store = txn.executions().extent();
  status.store_log_bytes = store::fileBytes(settings_.data_dir + "/store.db-wal");
  status.executions_kept_days = settings_.executions_kept_days;
  status.history_events = settings_.history_events;
  status.commands_kept_days = settings_.commands_kept_days;
  const auto use = places_.use(txn);
  status.backups_running = use.held;
  status.backups_waiting = use.waiting;
  status.backups_at_once = static_cast<std::int64_t>(places_.most());
  status.output_bytes = outputs_.used();
  status.output_quota = outputs_.limits().quota;
  status.output_free_floor = outputs_.limits().free_floor;
  status.survey = survey(txn);
  return status;
}

const Survey& StatusKeeper::survey(store::Txn& txn) {
  const auto began = context_.clock.boottime();
  if (survey_ && began < survey_until_) return *survey_;
  Survey found;
  found.counted = txn.now();
  found.executions_running = txn.executions().countRunning();
  countAgents(txn, found);
  countDebts(txn, found);
  survey_ = std::move(found);
  const auto ended = context_.clock.boottime();
  survey_until_ = ended + (ended - began) * kSurveyRest;
  return *survey_;
}

void StatusKeeper::countAgents(store::Txn& txn, Survey& survey) const {
  survey.host_agent = context_.agents.connected(kHost);
  for (const auto& instance : instances_.all(txn)) {
    if (instance.isGone()) continue;
    const bool running = instance.state == InstanceState::running;
    const bool connected = context_.agents.connected(instance.id);
    ++survey.machines;
    if (running) ++survey.machines_running;
    if (connected) ++survey.agents_connected;
    if (!running || connected || !ssm::findAgentInfo(txn, instance.id)) continue;
    const auto registration = ssm::findRegistration(txn, instance.id);
    if (!registration || !registration->isRevoked()) survey.agents_lost.push_back(instance.id);
  }
}

}  // namespace sp::services::stillpoint
