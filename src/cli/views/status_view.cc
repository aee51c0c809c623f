#include "cli/views/status_view.h"

#include <fmt/format.h>

#include "base/time_format.h"

namespace sp::cli {
namespace {

constexpr std::size_t kNameColumns = 12;

const json::Object& part(const json::Object& server, std::string_view name) {
  static const json::Object kNothing;
  const auto* found = json::find(server, name);
  return found != nullptr && found->is_object() ? found->get_object() : kNothing;
}

/// The objects of a list.
std::vector<json::Object> listOf(const json::Object& server, std::string_view name) {
  std::vector<json::Object> found;
  if (const auto* list = json::find(server, name); list != nullptr && list->is_array())
    for (const auto& each : list->get_array())
      if (each.is_object()) found.push_back(each.get_object());
  return found;
}

std::int64_t number(const json::Object& of, std::string_view name) { return json::intOr(of, name, 0); }
std::string bytes(const json::Object& of, std::string_view name) { return humanBytes(static_cast<double>(number(of, name))); }

/// From then to when the server answered; "?" if either is no time.
std::string ageOf(const json::Object& server, const json::Object& of, std::string_view name) {
  const auto now = parseIso8601(json::textOr(server, "Time"));
  const auto then = parseIso8601(json::textOr(of, name));
  return now && then ? humanSeconds(std::chrono::duration<double>(*now - *then).count()) : "?";
}

std::string counted(const json::Object& server, std::string_view name) {
  const auto& size = part(server, name);
  if (size.empty()) return "not counted yet";
  return fmt::format("{} in {} files, counted {} ago", bytes(size, "Bytes"), number(size, "Files"), ageOf(server, size, "CountedAt"));
}

std::string diskLine(const json::Object& disk) {
  const auto whole = static_cast<double>(number(disk, "Bytes"));
  const auto free = static_cast<double>(number(disk, "FreeBytes"));
  return fmt::format("{} of {} free, {:.0f} %: {}", humanBytes(free), humanBytes(whole), whole > 0 ? free * 100 / whole : 0,
                     json::textOr(disk, "Path"));
}

std::string owedLine(const json::Object& debts) {
  const auto open = number(debts, "Open"), overdue = number(debts, "Overdue"), suspended = number(debts, "Suspended");
  if (open + suspended == 0) return "nothing";
  std::string line = fmt::format("{} open", open);
  if (overdue > 0) line += fmt::format(", {} of them overdue", overdue);
  if (suspended > 0) line += fmt::format(", {} suspended", suspended);
  return line + ", the oldest since " + json::textOr(debts, "OldestSince");
}

}  // namespace

std::vector<std::string> statusLines(const json::Object& server, const Terminal& terminal) {
  std::vector<std::string> lines;
  const auto add = [&lines](std::string_view name, const std::string& text) {
    lines.push_back(padded(std::string(name), kNameColumns) + text);
  };
  lines.push_back(terminal.paint(fmt::format("stillpoint {}, up {}: {}", json::textOr(server, "Version"),
                                             ageOf(server, server, "StartedAt"), json::textOr(server, "DataDirectory")),
                                 Colour::bold));
  for (const auto& disk : listOf(server, "FileSystems")) add("disk", diskLine(disk));
  const auto& store = part(server, "Store");
  add("store", fmt::format("{}, {} of it free, and {} of log", bytes(store, "Bytes"), bytes(store, "FreeBytes"), bytes(store, "LogBytes")));
  add("objects", counted(server, "Objects"));
  add("vaults", counted(server, "Vaults"));
  const auto& outputs = part(server, "ScriptOutputs");
  add("outputs",
      fmt::format("{} of at most {}, kept {} days", bytes(outputs, "Bytes"), bytes(outputs, "QuotaBytes"), number(outputs, "KeptDays")));
  const auto& executions = part(server, "Executions");
  add("executions", fmt::format("{} running, kept {} days after their end, with up to {} events", number(executions, "Running"),
                                number(executions, "KeptDays"), number(executions, "HistoryEvents")));
  const auto& backups = part(server, "Backups");
  add("backups", fmt::format("{} of {} at once under way, {} waiting for their turn", number(backups, "Running"), number(backups, "AtOnce"),
                             number(backups, "Waiting")));
  const auto& machines = part(server, "Machines");
  add("machines", fmt::format("{}, {} running", number(machines, "Total"), number(machines, "Running")));
  const auto& agents = part(server, "Agents");
  add("agents", fmt::format("{} connected, {} lost, the host's is {}", number(agents, "Connected"), number(agents, "Lost"),
                            json::textOr(agents, "Host") == "Online" ? "online" : "offline"));
  add("owed", owedLine(part(server, "Debts")));
  for (const auto& warning : listOf(server, "Warnings"))
    lines.push_back(terminal.paint("! " + json::textOr(warning, "Message"), Colour::red));
  return lines;
}

}  // namespace sp::cli
