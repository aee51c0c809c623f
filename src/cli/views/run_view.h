// A run as people see it: made from DescribeRun's answer (docs/api/stillpoint.md), drawn as lanes.
#pragma once
#include <string>
#include <vector>

#include "cli/views/terminal.h"
#include "json/json.h"

namespace sp::cli {

struct LaneView {
  std::string instance;
  /// The step it is in, in the words of the workflow's states; "done" at the end.
  std::string step;
  /// (short name, status) of each step in the order of the run: pre, stop, backup, start, post.
  std::vector<std::pair<std::string, std::string>> steps;
  double percent = 0;
  double bytes_done = 0;
  double bytes_total = 0;
  /// Bytes a second since the job began; 0 while unknown.
  double rate = 0;
  double frozen_seconds = 0;
  bool frozen_now = false;
  std::string failure;
  /// Its start window passed before its turn came.
  bool skipped = false;
  /// What it waits for, where that is neither a step nor the machine.
  std::string waits_for;
  std::string warning;
  std::string note;
  /// Grows with each redrive of a lane that had failed.
  int attempt = 1;
  std::vector<std::string> owed;
  std::string recovery_point;
  std::string pre_command, post_command;
  /// The run ended before anything was done on it.
  bool untouched() const;
};

struct RunView {
  std::string arn;
  std::string name;
  std::string status;
  /// "PARTIAL", "SKIPPED" … once it has ended.
  std::string result;
  int path = 0;
  std::string error;
  std::string message;
  std::string started, ended;
  /// How often it was redriven, and when last.
  int redrives = 0;
  std::string redriven;
  bool redrivable = false;
  /// Of PrePostBackup itself, whose executions are never redriven: run --again does what is left.
  bool built_in = false;
  /// Why it cannot be redriven now.
  std::string not_redrivable;
  std::vector<LaneView> lanes;
  bool over() const { return status != "RUNNING"; }
};

RunView readRun(const json::Object& description);
/// Adds what DescribeExecution tells of redriving.
void readRedrive(RunView& run, const json::Object& execution);

/// "pre, stop, backup, start, post" of paths 1 to 8.
std::string pathText(int path);
/// AWS's status of the execution, and beside it what that leaves open: "FAILED (SKIPPED)".
std::string statusText(const RunView& run);
/// A heading and a line a lane, however long and many they are.
std::vector<std::string> drawRun(const RunView& run, const Terminal& terminal);
/// The same where lines have so many columns: the bar, ids and finished steps shrink so that step, progress and frozen seconds are seen.
/// What may be cut (why a lane failed, what it waits for) stands last.
std::vector<std::string> drawRun(const RunView& run, const Terminal& terminal, std::size_t columns);
/// The block that watch redraws: one row less than the screen has. The lanes that are under way stand first, then those that failed; those
/// for which there is no room are counted.
std::vector<std::string> drawRunOnScreen(const RunView& run, const Terminal& terminal, std::size_t columns, std::size_t rows);
/// What show prints: the block and, below, failures, debts and where to look next.
std::vector<std::string> drawRunInFull(const RunView& run, const Terminal& terminal);

}  // namespace sp::cli
