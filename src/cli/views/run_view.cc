#include "cli/views/run_view.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

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

// The step's short name for a state of the workflow.
std::string_view shortStep(std::string_view state) {
  if (state.find("PreBackupScript") != std::string_view::npos) return "pre";
  if (state.find("StopEC2") != std::string_view::npos) return "stop";
  if (state.find("Backup") != std::string_view::npos && state.find("Script") == std::string_view::npos) return "backup";
  if (state.find("StartEC2") != std::string_view::npos) return "start";
  if (state.find("PostBackupScript") != std::string_view::npos) return "post";
  return "";
}

Colour colourOf(std::string_view status) {
  if (status == "SUCCEEDED") return Colour::green;
  if (status == "RUNNING") return Colour::blue;
  return Colour::red;
}

// How much a lane's line tells; the first that fits is taken, for all lanes the same.
struct Shape {
  std::size_t id = 19;
  enum class Steps { all, marks, current } steps = Steps::all;
  std::size_t bar = 12;
  bool short_numbers = false;
  enum class Progress { whole, percent, none } progress = Progress::whole;
};
using enum Shape::Steps;
using enum Shape::Progress;
constexpr Shape kShapes[] = {{},
                             {.steps = marks},
                             {.steps = marks, .short_numbers = true},
                             {.id = 10, .steps = marks, .bar = 8, .short_numbers = true},
                             {.id = 8, .steps = marks, .bar = 4, .short_numbers = true},
                             {.id = 6, .steps = current, .bar = 4, .short_numbers = true},
                             {.id = 8, .steps = current, .bar = 0, .short_numbers = true},
                             {.id = 6, .steps = current, .bar = 0, .short_numbers = true},
                             {.id = 6, .steps = current, .bar = 0, .short_numbers = true, .progress = percent},
                             {.id = 6, .steps = current, .bar = 0, .short_numbers = true, .progress = none}};
// The longest word of a step that has a short name: "backup".
constexpr std::size_t kWord = 6;

struct Mark {
  std::string_view sign;
  Colour colour;
};

Mark markOf(const std::string& status, bool current) {
  if (isGood(status)) return {"✓", Colour::green};
  if (current) return {"▸", Colour::blue};
  if (isOpen(status)) return {"·", Colour::dim};
  return {"✗", Colour::red};
}

enum class Stage { active, failed, waiting, done };

Stage stageOf(const LaneView& lane) {
  if (lane.step == "done") return lane.failure.empty() ? Stage::done : Stage::failed;
  const bool begun = lane.frozen_now || std::ranges::any_of(lane.steps, [](const auto& step) { return !isOpen(step.second); });
  return shortStep(lane.step).empty() && !begun ? Stage::waiting : Stage::active;
}

// A machine's id without its beginning, which is much the same in all of them.
std::string shortId(const std::string& id, std::size_t columns) {
  return id.size() <= columns ? id : "…" + id.substr(id.size() - (columns - 1));
}

// "387.2 MiB of 1.2 GiB"; short: "0.4/1.2 GiB".
std::string sizesOf(const LaneView& lane, const Shape& shape) {
  const auto total = humanBytes(lane.bytes_total);
  if (!shape.short_numbers) return fmt::format("{} of {}", humanBytes(lane.bytes_done), total);
  const auto done = humanBytes(lane.bytes_done);
  const auto unit = total.substr(total.find(' '));
  // Two different units are only longer; the little that is done of much is told by the percent.
  double part = lane.bytes_done;
  for (double rest = lane.bytes_total; rest >= 1024; rest /= 1024) part /= 1024;
  return lane.bytes_total < 1024 || done.ends_with(unit) ? fmt::format("{}/{}", done.substr(0, done.find(' ')), total)
                                                         : fmt::format("{:.1f}/{}", part, total);
}

std::string drawProgress(const LaneView& lane, const Shape& shape) {
  if (lane.bytes_total <= 0 || shape.progress == none) return "";
  const double fraction = lane.bytes_done / lane.bytes_total;
  auto text = shape.bar == 0 ? std::string() : progressBar(fraction, shape.bar) + " ";
  text += fmt::format("{:3.0f} %", std::min(100.0, fraction * 100));
  if (shape.progress == percent) return text;
  const auto* gap = shape.short_numbers ? " " : "  ";
  text += gap + sizesOf(lane, shape);
  if (lane.rate > 0) {
    text += fmt::format("{}{}/s", gap, humanBytes(lane.rate));
    if (const auto left = (lane.bytes_total - lane.bytes_done) / lane.rate; left > 0)
      text += fmt::format("{}{} left", gap, shape.short_numbers ? shortSeconds(left) : humanSeconds(left));
  }
  return text;
}

// What is told beside the marks: the step it is in, or how it ended.
std::string_view wordOf(const LaneView& lane, const std::vector<std::pair<std::string, std::string>>& steps) {
  if (const auto now = shortStep(lane.step); !now.empty()) return now;
  if (lane.step != "done") return lane.step.empty() ? "waits" : std::string_view(lane.step);
  if (lane.failure.empty()) return lane.untouched() ? "nothing done" : "done";
  for (const auto& [name, status] : steps)
    if (!isGood(status) && !isOpen(status)) return name;
  return "failed";
}

std::string drawSteps(const LaneView& lane, std::string_view asked, const Shape& shape, const Terminal& terminal) {
  const auto now = shortStep(lane.step);
  // A rehearsal has no path: its steps are those that it has come to.
  const auto is_asked = [&](const auto& step) {
    return asked.empty() ? step.first == now || !isOpen(step.second) : asked.find(step.first) != std::string_view::npos;
  };
  std::vector<std::pair<std::string, std::string>> steps;
  std::ranges::copy_if(lane.steps, std::back_inserter(steps), is_asked);
  std::string text;
  if (shape.steps == all) {
    for (const auto& [name, status] : steps) {
      const auto mark = markOf(status, name == now);
      text += padded(terminal.paint(fmt::format("{} {}", mark.sign, name), mark.colour), 9);
    }
    if (lane.untouched()) text += "  " + terminal.paint("nothing was done here", Colour::dim);
    if (now.empty() && lane.step != "done" && !lane.step.empty()) text += "  " + terminal.paint(lane.step, Colour::dim);
    return text;
  }
  const auto word = wordOf(lane, steps);
  if (shape.steps == marks) {
    for (const auto& [name, status] : steps) {
      const auto mark = markOf(status, name == now);
      text += terminal.paint(mark.sign, mark.colour);
    }
    return text + padded(fmt::format(" {}", word), kWord + 1);
  }
  const auto stage = stageOf(lane);
  const auto mark = lane.untouched()         ? Mark{"·", Colour::dim}
                    : stage == Stage::done   ? Mark{"✓", Colour::green}
                    : stage == Stage::failed ? Mark{"✗", Colour::red}
                    : now.empty()            ? Mark{"·", Colour::dim}
                                             : Mark{"▸", Colour::blue};
  constexpr std::size_t kLongest = 14;
  return padded(
      terminal.paint(fmt::format("{} {}", mark.sign, columnsOf(word) > kLongest ? cutTo(word, kLongest - 1) + "…" : word), mark.colour),
      kWord + 2);
}

// What must be seen of a lane.
std::string drawFacts(const LaneView& lane, std::string_view asked, const Shape& shape, const Terminal& terminal) {
  auto line = (shape.short_numbers ? " " : "  ") + padded(shortId(lane.instance, shape.id), shape.id) + " " +
              drawSteps(lane, asked, shape, terminal);
  const auto* gap = shape.short_numbers ? " " : "  ";
  if (shortStep(lane.step) == "backup")
    if (const auto progress = drawProgress(lane, shape); !progress.empty()) line += gap + progress;
  if (lane.frozen_seconds > 0)
    line += terminal.paint(
        fmt::format("{}frozen {}", gap, shape.short_numbers ? shortSeconds(lane.frozen_seconds) : humanSeconds(lane.frozen_seconds)),
        lane.frozen_now ? Colour::yellow : Colour::dim);
  if (lane.skipped) line += gap + terminal.paint("SKIPPED", Colour::yellow);
  return line;
}

// A heading, and the lanes in the first shape in which the facts of each have room.
std::vector<std::string> drawBlock(const RunView& run, const std::vector<const LaneView*>& lanes, const Terminal& terminal,
                                   std::size_t columns) {
  std::vector<std::string> lines;
  const auto status = statusText(run);
  const auto room = columns - std::min(columns, columnsOf(status) + 2);
  auto name = run.name;
  // Its end tells it apart from others: the time is there.
  if (columnsOf(name) > room) name = room < 2 || name.size() < room ? "" : "…" + name.substr(name.size() - (room - 1));
  auto heading = fmt::format("{}  {}", terminal.paint(name, Colour::bold), terminal.paint(status, colourOf(run.status)));
  if (run.path > 0) heading += terminal.paint(fmt::format("  path {}: {}", run.path, pathText(run.path)), Colour::dim);
  lines.push_back(heading);
  const auto asked = pathText(run.path);
  std::vector<std::string> facts;
  for (const auto& shape : kShapes) {
    facts.clear();
    for (const auto* lane : lanes) facts.push_back(drawFacts(*lane, asked, shape, terminal));
    if (std::ranges::all_of(facts, [&](const std::string& line) { return columnsOf(line) <= columns; })) break;
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    auto& line = facts[i];
    if (!lanes[i]->waits_for.empty()) line += terminal.paint("  waits for " + lanes[i]->waits_for, Colour::dim);
    if (!lanes[i]->failure.empty()) line += "  " + terminal.paint(lanes[i]->failure, Colour::red);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

bool LaneView::untouched() const {
  return step == "done" && failure.empty() &&
         std::ranges::all_of(steps, [](const auto& each) { return each.second.empty() || each.second == "skipped"; });
}

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

std::vector<std::string> drawRun(const RunView& run, const Terminal& terminal, std::size_t columns) {
  std::vector<const LaneView*> lanes;
  for (const auto& lane : run.lanes) lanes.push_back(&lane);
  return drawBlock(run, lanes, terminal, columns);
}

std::vector<std::string> drawRun(const RunView& run, const Terminal& terminal) {
  return drawRun(run, terminal, std::numeric_limits<std::size_t>::max());
}

std::vector<std::string> drawRunOnScreen(const RunView& run, const Terminal& terminal, std::size_t columns, std::size_t rows) {
  const auto most = std::max<std::size_t>(rows, 2) - 1;
  if (run.lanes.size() + 1 <= most) return drawRun(run, terminal, columns);
  std::vector<const LaneView*> lanes;
  for (const auto stage : {Stage::active, Stage::failed, Stage::waiting, Stage::done})
    for (const auto& lane : run.lanes)
      if (stageOf(lane) == stage) lanes.push_back(&lane);
  // The heading and the count have a line each.
  const auto shown = most < 2 ? 0 : std::min(lanes.size(), most - 2);
  std::array<std::size_t, 4> counts{};
  for (std::size_t i = shown; i < lanes.size(); ++i) ++counts.at(static_cast<std::size_t>(stageOf(*lanes[i])));
  const auto more = lanes.size() - shown;
  lanes.resize(shown);
  auto lines = drawBlock(run, lanes, terminal, columns);
  if (most < 2) return lines;
  std::string parts;
  for (const auto& [stage, word] :
       {std::pair{Stage::active, "under way"}, {Stage::failed, "failed"}, {Stage::done, "done"}, {Stage::waiting, "waiting"}})
    if (const auto count = counts.at(static_cast<std::size_t>(stage)); count > 0)
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", count, word);
  lines.push_back(terminal.paint(fmt::format("… and {} more: {}", more, parts), Colour::dim));
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
