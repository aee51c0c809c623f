// run, watch, list, show.
#include <poll.h>
#include <signal.h>

#include <iostream>
#include <iterator>

#include <fmt/format.h>

#include "base/time_format.h"
#include "cli/api.h"
#include "cli/verbs/patience.h"
#include "cli/verbs/verbs.h"
#include "cli/views/run_view.h"
#include "os/file.h"

namespace sp::cli {
namespace {

constexpr int kRedrawMs = 200;
constexpr std::string_view kInterrupted = "cli.interrupted";

volatile sig_atomic_t g_interrupted = 0;

// Ctrl-C ends the watching alone, which must be said; a second one ends this program at once. Who ignores it (nohup, &) goes on ignoring
// it.
void noticeInterrupt() {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) { g_interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, nullptr, &before);
  if (before.sa_handler != SIG_IGN) ::sigaction(SIGINT, &action, nullptr);
}

// What is said of a run that nobody watches any more.
std::unexpected<Error> interrupted(const std::string& arn) {
  const bool by_name = arn.find(":execution:PrePostBackup:") != std::string::npos;
  const auto name = arn.substr(arn.rfind(':') + 1);
  return fail(std::string(kInterrupted), fmt::format("{} goes on. Watch it: stillpoint watch {}\nStop it: aws stepfunctions stop-execution "
                                                     "--execution-arn {}",
                                                     name, by_name ? name : arn, arn));
}

int complain(const Error& error) {
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.text());
  return 1;
}

Result<json::Object> describe(Api& api, const std::string& arn) {
  return api.call("stillpoint", "Stillpoint_20261101.DescribeRun", {{"ExecutionArn", arn}});
}

// A line for what changed in a lane since the last look: what a log or a pipe wants to see.
std::string laneText(const LaneView& lane) {
  std::string text = lane.instance + " " + (lane.untouched() ? "nothing was done here" : lane.step);
  for (const auto& [name, status] : lane.steps)
    if (!status.empty() && status != "skipped") text += fmt::format(" {}={}", name, status);
  if (!lane.waits_for.empty()) text += " waits for " + lane.waits_for;
  if (!lane.failure.empty()) text += fmt::format(" {}: {}", lane.skipped ? "SKIPPED" : "failed", lane.failure);
  return text;
}

enum class Told { drawn, changes, nothing };

// Until the run is over. Returns its last description. On the way it is drawn for people, or told as JSON at every change.
Result<json::Object> follow(Api& api, const std::string& arn, Told how) {
  Terminal terminal;
  std::vector<std::string> told;
  Patience patience;
  while (true) {
    auto description = describe(api, arn);
    if (!description) {
      if (!patience.bears(description.error())) return description;
      if (g_interrupted != 0) return interrupted(arn);
      ::poll(nullptr, 0, kRedrawMs);
      continue;
    }
    patience.answered();
    const auto run = readRun(*description);
    if (how == Told::changes) {
      if (told.empty() || told.front() != json::toText(*description)) fmt::print("{}\n", json::toText(*description));
      told = {json::toText(*description)};
      std::fflush(stdout);
    } else if (how == Told::drawn && terminal.live()) {
      if (run.over()) terminal.finish(drawRun(run, terminal, terminal.width()));
      else terminal.redraw(drawRunOnScreen(run, terminal, terminal.width(), terminal.rows()));
    } else if (how == Told::drawn) {
      std::vector<std::string> now = {fmt::format("{} {}", run.name, statusText(run))};
      for (const auto& lane : run.lanes) now.push_back(laneText(lane));
      for (const auto& line : now)
        if (std::ranges::find(told, line) == told.end()) fmt::print("{}\n", line);
      std::fflush(stdout);
      told = std::move(now);
    }
    if (run.over()) return description;
    if (g_interrupted != 0) {
      // The terminal shows ^C where the cursor was.
      if (terminal.live() && how != Told::nothing) fmt::print("\n");
      std::fflush(stdout);
      return interrupted(arn);
    }
    ::poll(nullptr, 0, kRedrawMs);
  }
}

int finishWatching(const Result<json::Object>& description, bool json) {
  if (!description && description.error().code == kInterrupted) {
    fmt::print(stderr, "stillpoint: {}\n", description.error().message);
    return 130;
  }
  if (!description) return complain(description.error());
  const auto run = readRun(*description);
  if (!json && !run.message.empty()) fmt::print("{}: {}\n", run.error.empty() ? run.status : run.error, run.message);
  return run.status == "SUCCEEDED" ? 0 : 1;
}

json::Object scriptDetails(const std::string& source, const std::string& command, const RunOptions& options) {
  json::Object details;
  details["SourceS3Path"] = source;
  details["CommandToRun"] = command.empty() ? "./" + source.substr(source.rfind('/') + 1) : command;
  if (!options.output_bucket.empty()) details["OutputS3BucketName"] = options.output_bucket;
  if (!options.output_prefix.empty()) details["OutputS3KeyPrefix"] = options.output_prefix;
  return details;
}

// What a run was given, for the machines alone that failed in it.
Result<json::Value> inputAgain(Api& api, const std::string& execution) {
  SP_TRY(const auto arn, api.executionArn(execution));
  SP_TRY(const auto description, describe(api, arn));
  const auto run = readRun(description);
  if (!run.over()) return fail("cli.usage", fmt::format("{} still runs: wait for its end (stillpoint watch {})", run.name, run.name));
  json::Array failed;
  for (const auto& lane : run.lanes)
    if (!lane.failure.empty()) failed.emplace_back(lane.instance);
  if (failed.empty()) return fail("cli.usage", fmt::format("no machine failed in {}: there is nothing to do again", run.name));
  SP_TRY(const auto shown, api.call("states", "AWSStepFunctions.DescribeExecution", {{"executionArn", arn}}));
  SP_TRY(auto input, withContext(json::parse(json::textOr(shown, "input")), "read the input of " + run.name));
  if (!input.is_object()) return fail("cli.usage", fmt::format("the input of {} is no object", run.name));
  auto& members = input.get_object();
  members.erase("TargetEC2TagKey");
  members.erase("TargetEC2TagValue");
  members["TargetEC2Instances"] = std::move(failed);
  return input;
}

Result<json::Value> inputOf(Api& api, const RunOptions& options) {
  if (!options.again.empty()) return inputAgain(api, options.again);
  if (!options.input_file.empty()) {
    std::string text;
    if (options.input_file == "-") {
      text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      auto read = os::readFile(options.input_file, 1U << 20U);
      if (!read) return fail("cli.usage", fmt::format("--input: {}", read.error().text()));
      text = std::move(*read);
    }
    auto parsed = withContext(json::parse(text), "read " + options.input_file);
    if (!parsed) return fail("cli.usage", fmt::format("--input: {}", parsed.error().text()));
    return parsed;
  }
  if (options.tag_key.empty() == options.instances.empty())
    return fail("cli.usage", "give the machines either by --tag KEY=VALUE or by --instance ID (or the whole input by --input FILE)");
  json::Object input;
  if (!options.tag_key.empty()) {
    input["TargetEC2TagKey"] = options.tag_key;
    input["TargetEC2TagValue"] = options.tag_value;
  } else {
    input["TargetEC2Instances"] = json::Array(options.instances.begin(), options.instances.end());
  }
  if (options.rehearsal) input["Rehearsal"] = true;
  else input["StartStopEC2Required"] = options.stop;
  json::Object scripts;
  if (!options.pre_source.empty()) scripts["PreBackupScriptDetails"] = scriptDetails(options.pre_source, options.pre_command, options);
  if (!options.post_source.empty()) scripts["PostBackupScriptDetails"] = scriptDetails(options.post_source, options.post_command, options);
  if (!scripts.empty()) input["RemoteRunCommandDetails"] = scripts;
  if (options.rehearsal) return input;
  SP_TRY(const auto account, api.account());
  input["BackupDetails"] = {
      {"BackupVaultName", options.vault},
      {"IamRoleArn", options.role.empty() ? fmt::format("arn:aws:iam::{}:role/stillpoint-backup", account) : options.role}};
  if (options.start_window > 0) input["BackupDetails"].as_object()["StartWindowMinutes"] = options.start_window;
  return input;
}

// "run-20261124T102301Z": readable, sorts by time, and is free unless two start within the same millisecond.
std::string newRunName(bool rehearsal) {
  const auto now = SystemClock().now();
  return fmt::format("{}-{}-{:03}", rehearsal ? "rehearsal" : "run", toBasicIso8601(now), toMicros(now) / 1000 % 1000);
}

// What a rehearsal is for: how long the application stood.
void printFrozen(const json::Object& description) {
  const auto* lanes = json::find(description, "Lanes");
  if (lanes == nullptr || !lanes->is_array()) return;
  for (const auto& each : lanes->get_array()) {
    if (!each.is_object()) continue;
    const auto& lane = each.get_object();
    const auto* seconds = json::find(lane, "FrozenSeconds");
    if (seconds != nullptr && seconds->is_number())
      fmt::print("{} was frozen for {:.3f} s; pre-script: stillpoint tail {}; post-script: stillpoint tail {}\n",
                 json::textOr(lane, "InstanceId"), seconds->to_number<double>(), json::textOr(lane, "PreCommandId"),
                 json::textOr(lane, "PostCommandId"));
  }
}

}  // namespace

int runVerb(const Target& target, const RunOptions& options) {
  Api api(target);
  const auto input = inputOf(api, options);
  if (!input) {
    complain(input.error());
    return input.error().code == "cli.usage" ? 2 : 1;
  }
  const auto machine = api.machineArn();
  if (!machine) return complain(machine.error());
  if (!options.detach) noticeInterrupt();
  const auto started = api.call("states", "AWSStepFunctions.StartExecution",
                                {{"stateMachineArn", *machine},
                                 {"name", options.name.empty() ? newRunName(options.rehearsal) : options.name},
                                 {"input", json::toText(*input)}});
  if (!started) return complain(started.error());
  const auto arn = json::textOr(*started, "executionArn");
  if (options.detach) {
    fmt::print("{}\n", options.json ? json::toText(json::Object{{"ExecutionArn", arn}}) : arn);
    return 0;
  }
  // --json prints the run as it is at its end; watch --json prints every change.
  const auto description = follow(api, arn, options.json ? Told::nothing : Told::drawn);
  if (options.json) {
    if (description) fmt::print("{}\n", json::toText(*description));
    return finishWatching(description, true);
  }
  if (description && options.rehearsal) printFrozen(*description);
  return finishWatching(description, false);
}

int watchVerb(const Target& target, const std::string& execution, bool json) {
  Api api(target);
  const auto arn = api.executionArn(execution);
  if (!arn) return complain(arn.error());
  noticeInterrupt();
  return finishWatching(follow(api, *arn, json ? Told::changes : Told::drawn), json);
}

int redriveVerb(const Target& target, const std::string& execution, bool json) {
  Api api(target);
  const auto arn = api.executionArn(execution);
  if (!arn) return complain(arn.error());
  const auto redriven = api.call("states", "AWSStepFunctions.RedriveExecution", {{"executionArn", *arn}});
  if (!redriven) return complain(redriven.error());
  noticeInterrupt();
  return finishWatching(follow(api, *arn, json ? Told::changes : Told::drawn), json);
}

int listVerb(const Target& target, std::size_t limit, bool json) {
  Api api(target);
  const auto machine = api.machineArn();
  if (!machine) return complain(machine.error());
  json::Array all;
  std::string token;
  do {
    json::Object input{{"stateMachineArn", *machine},
                       {"maxResults", static_cast<std::int64_t>(std::min<std::size_t>(limit - all.size(), 1000))}};
    if (!token.empty()) input["nextToken"] = token;
    const auto page = api.call("states", "AWSStepFunctions.ListExecutions", input);
    if (!page) return complain(page.error());
    if (const auto* list = json::find(*page, "executions"); list != nullptr && list->is_array())
      for (const auto& execution : list->get_array()) all.push_back(execution);
    token = json::textOr(*page, "nextToken");
  } while (!token.empty() && all.size() < limit);
  if (json) {
    fmt::print("{}\n", json::toText(all));
    return 0;
  }
  Terminal terminal;
  if (all.empty()) fmt::print("no runs yet (stillpoint run --help)\n");
  for (const auto& element : all) {
    const auto& execution = element.get_object();
    const auto status = json::textOr(execution, "status");
    const auto* start = json::find(execution, "startDate");
    const auto begun =
        start != nullptr && start->is_number() ? fromMicros(static_cast<std::int64_t>(start->to_number<double>() * 1e6)) : Instant{};
    const auto colour = status == "SUCCEEDED" ? Colour::green : status == "RUNNING" ? Colour::blue : Colour::red;
    fmt::print("{}  {}  {}\n", toIso8601Seconds(begun), padded(terminal.paint(status, colour), 9), json::textOr(execution, "name"));
  }
  return 0;
}

int showVerb(const Target& target, const std::string& execution, bool json) {
  Api api(target);
  const auto arn = api.executionArn(execution);
  if (!arn) return complain(arn.error());
  const auto description = describe(api, *arn);
  if (!description) return complain(description.error());
  if (json) {
    fmt::print("{}\n", json::toText(*description));
    return 0;
  }
  Terminal terminal;
  auto run = readRun(*description);
  if (const auto execution_shown = api.call("states", "AWSStepFunctions.DescribeExecution", {{"executionArn", *arn}}); execution_shown)
    readRedrive(run, *execution_shown);
  for (const auto& line : drawRunInFull(run, terminal)) fmt::print("{}\n", line);
  return 0;
}

}  // namespace sp::cli
