#include "services/stillpoint/status/server_status.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/time_format.h"

namespace sp::services::stillpoint {
namespace {

/// What is nearly full has less free than this part of it.
constexpr std::uint64_t kFreePart = 20;
/// Lost agents that a warning names.
constexpr std::size_t kNamed = 3;

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{} MiB", bytes >> 20U); }

std::string countOf(std::uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string since(const std::optional<Instant>& moment) { return moment ? ", the oldest since " + toIso8601Seconds(*moment) : ""; }

void warnOfDisks(const ServerStatus& status, std::vector<Warning>& warnings) {
  for (const auto& each : status.file_systems)
    if (isNearlyFull(each.disk))
      warnings.push_back(
          {"DiskNearlyFull",
           fmt::format("the disk with {} has {} of {} free, less than 5 %: once it is full, new work is refused. Make room, or "
                       "enlarge it",
                       each.path, mebibytes(each.disk.free_bytes), mebibytes(each.disk.bytes))});
  // A hundredth: what comes is taken in pieces, and the one that does not fit any more is not taken at all.
  const bool used_up = status.output_bytes >= status.output_quota - status.output_quota / 100;
  const bool floor = !status.file_systems.empty() && status.file_systems.front().disk.free_bytes < status.output_free_floor;
  if (used_up)
    warnings.push_back(
        {"ScriptOutputsLimited",
         fmt::format("outputs of scripts have {} of the {} that they may have: of what scripts print now only beginning and end "
                     "are kept. Set [commands] kept_days lower or output_quota_bytes higher",
                     mebibytes(status.output_bytes), mebibytes(status.output_quota))});
  else if (floor)
    warnings.push_back(
        {"ScriptOutputsLimited",
         fmt::format("less of the disk is free than the {} that outputs of scripts leave free ([commands] output_free_bytes): "
                     "what scripts print now is not kept whole",
                     mebibytes(status.output_free_floor))});
}

void warnOfDebts(const Survey& survey, std::vector<Warning>& warnings) {
  if (survey.debts_overdue > 0)
    warnings.push_back(
        {"DebtsOverdue",
         fmt::format("{} owed to machines and not paid by a run on its way{}: `stillpoint aws stillpoint list-owed` tells why; the "
                     "server keeps trying",
                     countOf(survey.debts_overdue, "start or thaw is", "starts and thaws are"), since(survey.oldest_overdue))});
  if (survey.debts_suspended > 0)
    warnings.push_back({"DebtsSuspended",
                        fmt::format("{} suspended because a person stopped the machine: `stillpoint aws stillpoint list-owed` tells which; "
                                    "start the machine, or pay with `stillpoint aws stillpoint start` or `thaw`",
                                    countOf(survey.debts_suspended, "debt is", "debts are"))});
}

void warnOfAgents(const ServerStatus& status, std::vector<Warning>& warnings) {
  const auto& survey = status.survey;
  // After a start all agents come back within seconds.
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(status.now - status.started);
  const auto young =
      up < std::chrono::minutes(1) ? fmt::format(" (the server started {} s ago: more may be on their way)", up.count()) : "";
  if (!survey.host_agent)
    warnings.push_back(
        {"HostAgentLost",
         fmt::format("the agent of the server's own host is not connected: demo machines and machines that it powers cannot be "
                     "started, stopped or read. The server starts it again; its log is {}/host-agent/agent.log{}",
                     status.data_dir, young)});
  if (survey.agents_lost.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(kNamed, survey.agents_lost.size()); ++i) names += (i == 0 ? "" : ", ") + survey.agents_lost[i];
  if (survey.agents_lost.size() > kNamed) names += fmt::format(" and {} more", survey.agents_lost.size() - kNamed);
  warnings.push_back(
      {"AgentsLost",
       fmt::format("{} not connected any more: {}. See `stillpoint instance list`{}",
                   countOf(survey.agents_lost.size(), "running machine's agent is", "running machines' agents are"), names, young)});
}

json::Object shapeOf(const store::FolderSizes::Size& size) {
  return {{"Bytes", size.bytes}, {"Files", size.files}, {"CountedAt", toIso8601Millis(size.counted)}};
}

}  // namespace

bool isNearlyFull(const store::Disk& disk) { return disk.free_bytes < disk.bytes / kFreePart; }

std::vector<Warning> warningsOf(const ServerStatus& status) {
  std::vector<Warning> warnings;
  warnOfDisks(status, warnings);
  warnOfDebts(status.survey, warnings);
  warnOfAgents(status, warnings);
  return warnings;
}

json::Object shapeOf(const ServerStatus& status) {
  const auto& survey = status.survey;
  json::Array file_systems;
  for (const auto& each : status.file_systems)
    file_systems.push_back(json::Object{{"Path", each.path},
                                        {"Bytes", each.disk.bytes},
                                        {"FreeBytes", each.disk.free_bytes},
                                        {"CountedAt", toIso8601Millis(each.counted)}});
  json::Array warnings;
  for (const auto& each : warningsOf(status)) warnings.push_back(json::Object{{"Code", each.code}, {"Message", each.message}});
  json::Object debts{{"Open", survey.debts_open}, {"Overdue", survey.debts_overdue}, {"Suspended", survey.debts_suspended}};
  if (survey.oldest_debt) debts["OldestSince"] = toIso8601Millis(*survey.oldest_debt);
  json::Object out{
      {"Version", status.version},
      {"Time", toIso8601Millis(status.now)},
      {"StartedAt", toIso8601Millis(status.started)},
      {"DataDirectory", status.data_dir},
      {"FileSystems", std::move(file_systems)},
      {"Store", json::Object{{"Bytes", status.store.bytes}, {"FreeBytes", status.store.free_bytes}, {"LogBytes", status.store_log_bytes}}},
      {"ScriptOutputs",
       json::Object{{"Bytes", status.output_bytes}, {"QuotaBytes", status.output_quota}, {"KeptDays", status.commands_kept_days}}},
      {"Executions",
       json::Object{
           {"Running", survey.executions_running}, {"KeptDays", status.executions_kept_days}, {"HistoryEvents", status.history_events}}},
      {"Backups",
       json::Object{{"Running", status.backups_running}, {"Waiting", status.backups_waiting}, {"AtOnce", status.backups_at_once}}},
      {"Machines", json::Object{{"Total", survey.machines}, {"Running", survey.machines_running}}},
      {"Agents", json::Object{{"Connected", survey.agents_connected},
                              {"Lost", survey.agents_lost.size()},
                              {"Host", survey.host_agent ? "Online" : "Offline"}}},
      {"Debts", std::move(debts)},
      {"CountedAt", toIso8601Millis(survey.counted)},
      {"Warnings", std::move(warnings)}};
  if (status.objects) out["Objects"] = shapeOf(*status.objects);
  if (status.vaults) out["Vaults"] = shapeOf(*status.vaults);
  return out;
}

}  // namespace sp::services::stillpoint
