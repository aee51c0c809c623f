#include "cli/views/run_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/time_format.h"

namespace sp::cli {
namespace {

double numberOr(const json::Object& object, std::string_view key, double otherwise) {
  const auto* value = json::find(object, key);
  if (value == nullptr || !value->is_number()) return otherwise;
  return value->to_number<double>();
}

std::vector<std::string> textsOf(const json::Object& object, std::string_view key) {
  std::vector<std::string> texts;
  const auto* value = json::find(object, key);
  if (value == nullptr || !value->is_array()) return texts;
  for (const auto& element : value->get_array())
    if (element.is_string()) texts.push_back(json::toStd(element.get_string()));
  return texts;
}

LaneView readLane(const json::Object& lane) {
  LaneView view;
  view.instance = json::textOr(lane, "InstanceId");
  view.step = json::textOr(lane, "CurrentStep");
  for (const auto& [name, key] : {std::pair{"pre", "PreBackupScriptStatus"},
                                  {"stop", "StopEc2InstanceStatus"},
                                  {"backup", "BackupJobStatus"},
                                  {"start", "StartEc2InstanceStatus"},
                                  {"post", "PostBackupScriptStatus"}})
    view.steps.emplace_back(name, json::textOr(lane, key));
  if (const auto* backup = json::find(lane, "Backup"); backup != nullptr && backup->is_object()) {
    view.percent = numberOr(backup->get_object(), "PercentDone", 0);
    view.bytes_done = numberOr(backup->get_object(), "BytesDone", 0);
    view.bytes_total = numberOr(backup->get_object(), "BytesTotal", 0);
    view.rate = numberOr(backup->get_object(), "BytesPerSecond", 0);
  }
  view.frozen_seconds = numberOr(lane, "FrozenSeconds", 0);
  view.frozen_now = json::boolOr(lane, "Frozen", false);
  view.failure = json::textOr(lane, "FailureMessage");
  view.skipped = json::textOr(lane, "LaneStatus") == "SKIPPED";
  view.waits_for = json::textOr(lane, "WaitsFor");
  view.warning = json::textOr(lane, "Warning");
  view.note = json::textOr(lane, "Note");
  view.attempt = static_cast<int>(json::intOr(lane, "Attempt", 1));
  view.owed = textsOf(lane, "Owed");
  view.recovery_point = json::textOr(lane, "RecoveryPointArn");
  view.pre_command = json::textOr(lane, "PreCommandId");
  view.post_command = json::textOr(lane, "PostCommandId");
  return view;
}

bool isGood(std::string_view status) { return status == "Success" || status == "COMPLETED" || status == "stopped" || status == "running"; }
bool isOpen(std::string_view status) {
  return status.empty() || status == "Pending" || status == "InProgress" || status == "Delayed" || status == "CREATED" ||
         status == "PENDING" || status == "RUNNING" || status == "stopping" || status == "pending" || status == "skipped";
}

// "✓ pre" in green, "✗ backup" in red, "· stop" dim when nothing happened there.
std::string drawStep(const std::string& name, const std::string& status, bool current, const Terminal& terminal) {
  if (isGood(status)) return terminal.paint("✓ " + name, Colour::green);
  if (current) return terminal.paint("▸ " + name, Colour::blue);
  if (isOpen(status)) return terminal.paint("· " + name, Colour::dim);
  return terminal.paint("✗ " + name, Colour::red);
}

// The step's short name for a state of the workflow.
std::string_view shortStep(std::string_view state) {
  if (state.find("PreBackupScript") != std::string_view::npos) return "pre";
  if (state.find("StopEC2") != std::string_view::npos) return "stop";
  if (state.find("Backup") != std::string_view::npos && state.find("Script") == std::string_view::npos) return "backup";
  if (state.find("StartEC2") != std::string_view::npos) return "start";
  if (state.find("PostBackupScript") != std::string_view::npos) return "post";
  return "";
}

std::string drawProgress(const LaneView& lane) {
  if (lane.bytes_total <= 0) return "";
  const double fraction = lane.bytes_done / lane.bytes_total;
  auto text = fmt::format("{} {:3.0f} %  {} of {}", progressBar(fraction, 12), std::min(100.0, fraction * 100), humanBytes(lane.bytes_done),
                          humanBytes(lane.bytes_total));
  if (lane.rate > 0) {
    text += fmt::format("  {}/s", humanBytes(lane.rate));
    if (lane.bytes_total > lane.bytes_done)
      text += fmt::format("  {} left", humanSeconds((lane.bytes_total - lane.bytes_done) / lane.rate));
  }
  return text;
}

Colour colourOf(std::string_view status) {
  if (status == "SUCCEEDED") return Colour::green;
  if (status == "RUNNING") return Colour::blue;
  return Colour::red;
}

}  // namespace

RunView readRun(const json::Object& description) {
  RunView run;
  run.arn = json::textOr(description, "ExecutionArn");
  run.name = run.arn.substr(run.arn.rfind(':') + 1);
  run.status = json::textOr(description, "Status");
  run.result = json::textOr(description, "Result");
  run.path = static_cast<int>(json::intOr(description, "Path", 0));
  run.error = json::textOr(description, "Error");
  run.message = json::textOr(description, "FailureMessage");
  run.started = json::textOr(description, "StartTime");
  run.ended = json::textOr(description, "EndTime");
  if (const auto* lanes = json::find(description, "Lanes"); lanes != nullptr && lanes->is_array())
    for (const auto& lane : lanes->get_array())
      if (lane.is_object()) run.lanes.push_back(readLane(lane.get_object()));
  return run;
}

void readRedrive(RunView& run, const json::Object& execution) {
  run.redrives = static_cast<int>(json::intOr(execution, "redriveCount", 0));
  if (const auto at = numberOr(execution, "redriveDate", 0); at > 0)
    run.redriven = toIso8601Millis(fromMicros(static_cast<std::int64_t>(at * 1e6)));
  run.redrivable = json::textOr(execution, "redriveStatus") == "REDRIVABLE";
  run.not_redrivable = json::textOr(execution, "redriveStatusReason");
  run.built_in = json::textOr(execution, "stateMachineArn").ends_with(":stateMachine:PrePostBackup");
  // Other machines' executions have no report that tells why.
  if (run.error.empty()) run.error = json::textOr(execution, "error");
  if (run.message.empty()) run.message = json::textOr(execution, "cause");
}

std::string pathText(int path) {
  switch (path) {
    case 1: return "pre, stop, backup, start, post";
    case 2: return "pre, stop, backup, start";
    case 3: return "stop, backup, start, post";
    case 4: return "stop, backup, start";
    case 5: return "pre, backup, post";
    case 6: return "pre, backup";
    case 7: return "backup, post";
    case 8: return "backup";
    default: return "";
  }
}

std::string statusText(const RunView& run) {
  // What AWS's word leaves open: a run that failed may have been skipped, or may be good for some machines.
  const bool more = run.result == "SKIPPED" || run.result == "PARTIAL" || run.result == "WARNING";
  return more ? fmt::format("{} ({})", run.status, run.result) : run.status;
}

std::vector<std::string> drawRun(const RunView& run, const Terminal& terminal) {
  std::vector<std::string> lines;
  auto heading = fmt::format("{}  {}", terminal.paint(run.name, Colour::bold), terminal.paint(statusText(run), colourOf(run.status)));
  if (run.path > 0) heading += terminal.paint(fmt::format("  path {}: {}", run.path, pathText(run.path)), Colour::dim);
  lines.push_back(heading);
  const auto asked = pathText(run.path);
  for (const auto& lane : run.lanes) {
    std::string line = "  " + padded(lane.instance, 20);
    const auto current = shortStep(lane.step);
    for (const auto& [name, status] : lane.steps)
      if (asked.find(name) != std::string::npos) line += padded(drawStep(name, status, name == current, terminal), 9);
    if (current == "backup") line += "  " + drawProgress(lane);
    else if (lane.step != "done" && current.empty() && !lane.step.empty()) line += "  " + terminal.paint(lane.step, Colour::dim);
    if (!lane.waits_for.empty()) line += terminal.paint("  waits for " + lane.waits_for, Colour::dim);
    if (lane.frozen_seconds > 0)
      line += terminal.paint(fmt::format("  frozen {}", humanSeconds(lane.frozen_seconds)), lane.frozen_now ? Colour::yellow : Colour::dim);
    if (lane.skipped) line += "  " + terminal.paint("SKIPPED", Colour::yellow);
    if (!lane.failure.empty()) line += "  " + terminal.paint(lane.failure, Colour::red);
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> drawRunInFull(const RunView& run, const Terminal& terminal) {
  auto lines = drawRun(run, terminal);
  lines.push_back("");
  lines.push_back("  execution   " + run.arn);
  lines.push_back("  started     " + run.started);
  if (!run.ended.empty()) lines.push_back("  ended       " + run.ended);
  if (!run.error.empty()) lines.push_back("  error       " + terminal.paint(run.error, Colour::red));
  if (!run.message.empty()) lines.push_back("  message     " + run.message);
  if (run.redrives > 0) lines.push_back(fmt::format("  redriven    {} ({})", run.redriven, run.redrives));
  if (run.over() && run.status != "SUCCEEDED") {
    // Whoever looks at a run that failed wants to know what can be done.
    const bool any_failed = std::ranges::any_of(run.lanes, [](const LaneView& lane) { return !lane.failure.empty(); });
    if (run.redrivable) lines.push_back("  to go on    stillpoint redrive " + run.arn);
    else if (any_failed) lines.push_back("  to go on    stillpoint run --again " + run.name);
    if (!run.redrivable && !run.built_in && !run.not_redrivable.empty()) lines.push_back("  redrive     not now: " + run.not_redrivable);
  }
  for (const auto& lane : run.lanes) {
    lines.push_back("");
    lines.push_back("  " + terminal.paint(lane.instance, Colour::bold));
    for (const auto& [name, status] : lane.steps) lines.push_back(fmt::format("    {:<8}{}", name, status.empty() ? "–" : status));
    if (lane.frozen_seconds > 0) lines.push_back("    frozen  " + humanSeconds(lane.frozen_seconds));
    if (!lane.failure.empty())
      lines.push_back(fmt::format("    {:<8}{}", lane.skipped ? "SKIPPED" : "failed", terminal.paint(lane.failure, Colour::red)));
    if (lane.attempt > 1) lines.push_back(fmt::format("    attempt {}", lane.attempt));
    if (!lane.note.empty()) lines.push_back("    note    " + lane.note);
    if (!lane.warning.empty()) lines.push_back("    warning " + terminal.paint(lane.warning, Colour::yellow));
    for (const auto& debt : lane.owed) lines.push_back("    owed    " + terminal.paint(debt, Colour::red));
    if (!lane.recovery_point.empty()) lines.push_back("    point   " + lane.recovery_point);
    for (const auto& command : {lane.pre_command, lane.post_command})
      if (!command.empty()) lines.push_back("    look at aws ssm list-command-invocations --details --command-id " + command);
  }
  return lines;
}

}  // namespace sp::cli
