// The demo: three machines with PostgreSQL and a busy writer, one consistent backup of all, one restore, the proof.
//
// Everything it does with the server goes through the public APIs, as a script of yours would.
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/api.h"
#include "cli/demo/demo_scripts.h"
#include "cli/demo/demo_server.h"
#include "cli/verbs/verbs.h"
#include "cli/views/run_view.h"
#include "cli/views/terminal.h"

extern char** environ;

namespace sp::cli {
namespace {

constexpr int kMachines = 3;
constexpr std::string_view kBucket = "demo-scripts";
constexpr int kBootSeconds = 180;

std::atomic<bool> g_interrupted{false};

/// One line a step with its own time, a heading before and a verdict after.
class Steps {
 public:
  template <class Work>
  auto run(const std::string& what, Work work) -> decltype(work()) {
    if (g_interrupted) return fail("demo.interrupted", "interrupted");
    fmt::print("{}", terminal_.live() ? "  … " + what + "\r" : "");
    std::fflush(stdout);
    const auto begin = clock_.boottime();
    auto result = work();
    const auto seconds = std::chrono::duration<double>(clock_.boottime() - begin).count();
    fmt::print("{} {}  {}{}\n", result ? terminal_.paint("  ✓", Colour::green) : terminal_.paint("  ✗", Colour::red), what,
               terminal_.paint(humanSeconds(seconds), Colour::dim), terminal_.live() ? "\x1b[K" : "");
    std::fflush(stdout);
    return result;
  }
  Terminal& terminal() { return terminal_; }

 private:
  Terminal terminal_;
  SystemClock clock_;
};

/// Asks until `done` says yes; the error when it never does.
template <class Done>
Result<void> waitFor(std::string_view what, int seconds, Done done) {
  const SystemClock clock;
  const auto deadline = clock.boottime() + std::chrono::seconds(seconds);
  while (true) {
    SP_TRY(const bool yes, done());
    if (yes) return {};
    if (g_interrupted) return fail("demo.interrupted", "interrupted");
    if (clock.boottime() > deadline) return fail("demo.wait", fmt::format("{} did not happen within {} s", what, seconds));
    ::poll(nullptr, 0, 100);
  }
}

Result<std::vector<std::string>> launch(Api& api, int count, std::string_view image, std::string_view tag) {
  SP_TRY(const auto answer,
         api.ec2(fmt::format("Action=RunInstances&ImageId={}&MinCount={}&MaxCount={}&TagSpecification.1.ResourceType=instance"
                             "&TagSpecification.1.Tag.1.Key=backup-job&TagSpecification.1.Tag.1.Value={}",
                             image, count, count, tag)));
  std::vector<std::string> ids;
  for (const auto& set : xmlAll(answer, "instancesSet"))
    for (const auto& item : xmlAll(set, "item")) ids.push_back(xmlText(item, "instanceId"));
  if (ids.size() != static_cast<std::size_t>(count))
    return fail("demo.machines", fmt::format("asked for {} machines, got {}", count, ids.size()));
  return ids;
}

Result<void> waitForAgents(Api& api, std::size_t count) {
  return waitFor("every machine's agent is connected", kBootSeconds, [&]() -> Result<bool> {
    SP_TRY(const auto answer, api.call("ssm", "AmazonSSM.DescribeInstanceInformation", {{"MaxResults", 50}}));
    const auto* list = json::find(answer, "InstanceInformationList");
    if (list == nullptr || !list->is_array()) return false;
    std::size_t online = 0;
    for (const auto& element : list->get_array())
      if (json::textOr(element.get_object(), "PingStatus") == "Online") ++online;
    return online >= count;
  });
}

struct ScriptResult {
  std::string status, output, error;
};

Result<ScriptResult> onMachine(Api& api, const std::string& instance, const std::string& script, int seconds) {
  json::Object input;
  input["DocumentName"] = "AWS-RunShellScript";
  input["InstanceIds"] = json::Array{instance};
  input["Parameters"] = {{"commands", json::Array{script}}};
  SP_TRY(const auto sent, api.call("ssm", "AmazonSSM.SendCommand", input));
  const auto id = json::textOr(sent.at("Command").get_object(), "CommandId");
  ScriptResult result;
  SP_CHECK_OK(waitFor("a script on " + instance + " ends", seconds, [&]() -> Result<bool> {
    SP_TRY(const auto answer, api.call("ssm", "AmazonSSM.GetCommandInvocation", {{"CommandId", id}, {"InstanceId", instance}}));
    result = {json::textOr(answer, "Status"), json::textOr(answer, "StandardOutputContent"), json::textOr(answer, "StandardErrorContent")};
    return result.status != "Pending" && result.status != "InProgress" && result.status != "Delayed";
  }));
  return result;
}

// The database is there, holds its 256 MiB, and the writer has committed rows.
Result<void> waitForWriters(Api& api, const std::vector<std::string>& machines) {
  for (const auto& machine : machines) {
    SP_TRY(const auto result, onMachine(api, machine, std::string(kDemoReadyScript), kBootSeconds));
    if (result.status != "Success")
      return fail("demo.database", fmt::format("{}: the database is not ready: {}{}", machine, result.output, result.error));
  }
  return {};
}

// "MARKER N HASH" of the pre-script's output.
Result<std::pair<std::string, std::string>> markerOf(Api& api, const LaneView& lane) {
  SP_TRY(const auto answer, api.call("ssm", "AmazonSSM.GetCommandInvocation",
                                     {{"CommandId", lane.pre_command}, {"InstanceId", lane.instance}, {"PluginName", "runShellScript"}}));
  for (const auto line : split(json::textOr(answer, "StandardOutputContent"), '\n')) {
    const auto words = split(trim(line), ' ');
    if (words.size() == 3 && words[0] == "MARKER") return std::pair{std::string(words[1]), std::string(words[2])};
  }
  return fail("demo.marker", "the pre-script of " + lane.instance + " printed no marker");
}

Result<void> verify(const std::string& directory, const std::pair<std::string, std::string>& marker) {
  std::vector<std::string> words = {std::filesystem::read_symlink("/proc/self/exe").string(), "demo-verify", directory, "--marker",
                                    marker.first + ":" + marker.second};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  fmt::print("\n");
  std::fflush(stdout);
  if (const int failed = posix_spawn(&pid, words[0].c_str(), nullptr, nullptr, argv.data(), environ); failed != 0)
    return failErrno("demo.verify", "cannot start " + words[0], failed);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail("demo.verify", "the restored database is not what was frozen");
  return {};
}

Result<void> showRow(Api& api, const std::string& arn) {
  SP_TRY(const auto answer,
         api.call("dynamodb", "DynamoDB_20120810.GetItem",
                  {{"TableName", "PrePostBackupLog"}, {"Key", {{"SM_Execution_ID", {{"S", arn}}}}}, {"ConsistentRead", true}}));
  const auto* item = json::find(answer, "Item");
  if (item == nullptr || !item->is_object()) return fail("demo.row", "the job log has no row for " + arn);
  for (const auto* key : {"SM_Execution_ID", "StartTime", "EndTime", "Status", "FailureMessage"}) {
    const auto* attribute = json::find(item->get_object(), key);
    if (attribute != nullptr) fmt::print("    {:<16} {}\n", key, json::textOr(attribute->get_object(), "S"));
  }
  const auto* statuses = json::find(item->get_object(), "Workflow_Overall_Status");
  if (statuses == nullptr) return fail("demo.row", "the row has no Workflow_Overall_Status");
  SP_TRY(const auto list, json::parse(json::textOr(statuses->get_object(), "S")));
  for (const auto& entry : list.get_array()) fmt::print("    {}\n", json::toText(entry));
  return {};
}

json::Object runInput(const std::string& account) {
  const auto script = [](std::string_view name) {
    return json::Object{{"SourceS3Path", fmt::format("s3://{}/{}", kBucket, name)},
                        {"CommandToRun", name},
                        {"OutputS3BucketName", kBucket},
                        {"OutputS3KeyPrefix", "output"}};
  };
  return {{"TargetEC2TagKey", "backup-job"},
          {"TargetEC2TagValue", "true"},
          {"StartStopEC2Required", true},
          {"RemoteRunCommandDetails",
           {{"PreBackupScriptDetails", script("pre-script.sh")}, {"PostBackupScriptDetails", script("post-script.sh")}}},
          {"BackupDetails", {{"BackupVaultName", "Default"}, {"IamRoleArn", fmt::format("arn:aws:iam::{}:role/demo-backup", account)}}}};
}

// Watches like `stillpoint watch`, keeping the last picture on the screen.
Result<RunView> watchRun(Api& api, Terminal& terminal, const std::string& arn) {
  std::string told;
  while (true) {
    SP_TRY(const auto description, api.call("stillpoint", "Stillpoint_20261101.DescribeRun", {{"ExecutionArn", arn}}));
    auto run = readRun(description);
    if (terminal.live()) {
      if (run.over()) terminal.finish(drawRun(run, terminal, terminal.width()));
      else terminal.redraw(drawRunOnScreen(run, terminal, terminal.width(), terminal.rows()));
    } else {
      std::string text;
      for (const auto& lane : run.lanes) text += fmt::format("    {} {}\n", lane.instance, lane.step);
      if (text != told) fmt::print("{}", text);
      told = text;
      std::fflush(stdout);
    }
    if (run.over()) {
      if (!terminal.live())
        for (const auto& line : drawRun(run, terminal)) fmt::print("{}\n", line);
      return run;
    }
    if (g_interrupted) return fail("demo.interrupted", "interrupted");
    ::poll(nullptr, 0, 150);
  }
}

Result<void> restoreAndProve(Api& api, Steps& steps, const DemoServer& server, const RunView& run) {
  const auto& lane = run.lanes.front();
  SP_TRY(const auto marker, markerOf(api, lane));
  const auto directory = server.directory() + "/restored";
  SP_CHECK_OK(steps.run(fmt::format("restore the recovery point of {} into an empty directory", lane.instance), [&]() -> Result<void> {
    RestoreOptions options;
    options.recovery_point = lane.recovery_point;
    options.target_path = directory;
    if (restoreVerb(api.target(), options) != 0) return fail("demo.restore", "the restore failed");
    return {};
  }));
  fmt::print("    the pre-script's marker: row {}, hash {}\n", marker.first, marker.second);
  return steps.run("start PostgreSQL on the restored files and prove them consistent", [&] { return verify(directory, marker); });
}

Result<void> play(Steps& steps, DemoServer& server, Api& api) {
  SP_TRY(const auto account, api.account());
  std::vector<std::string> machines;
  std::vector<std::string> other;
  SP_CHECK_OK(steps.run(fmt::format("make {} machines with PostgreSQL, 256 MiB of data and a writer; one more with another tag", kMachines),
                        [&]() -> Result<void> {
                          SP_TRY(machines, launch(api, kMachines, "ami-demo", "true"));
                          SP_TRY(other, launch(api, 1, "ami-bare", "never"));
                          SP_CHECK_OK(waitForAgents(api, kMachines + 1));
                          return waitForWriters(api, machines);
                        }));
  SP_CHECK_OK(steps.run("upload the pre- and the post-script", [&]() -> Result<void> {
    SP_CHECK_OK(api.putObject(kBucket, "pre-script.sh", kDemoPreScript));
    return api.putObject(kBucket, "post-script.sh", kDemoPostScript);
  }));
  std::string arn;
  RunView run;
  SP_CHECK_OK(steps.run("back up by tag backup-job=true: pre, stop, backup, start, post", [&]() -> Result<void> {
    SP_TRY(const auto machine, api.machineArn());
    SP_TRY(const auto started, api.call("states", "AWSStepFunctions.StartExecution",
                                        {{"stateMachineArn", machine}, {"name", "demo"}, {"input", json::toText(runInput(account))}}));
    arn = json::textOr(started, "executionArn");
    fmt::print("\n");
    SP_TRY(run, watchRun(api, steps.terminal(), arn));
    if (run.status != "SUCCEEDED") return fail("demo.run", fmt::format("the run ended as {}: {} {}", run.status, run.error, run.message));
    if (run.lanes.size() != kMachines)
      return fail("demo.run", fmt::format("{} machines were backed up, not {}", run.lanes.size(), kMachines));
    return {};
  }));
  SP_CHECK_OK(steps.run("the row of the job log", [&]() -> Result<void> {
    fmt::print("\n");
    return showRow(api, arn);
  }));
  SP_CHECK_OK(steps.run("the recovery points", [&]() -> Result<void> {
    SP_TRY(const auto answer, api.rest("backup", "GET", "/backup-vaults/Default/recovery-points/", {}));
    fmt::print("\n");
    for (const auto& element : answer.at("RecoveryPoints").get_array()) {
      const auto& point = element.get_object();
      fmt::print("    {}  {}  {}\n", json::textOr(point, "RecoveryPointArn"), json::textOr(point, "Status"),
                 humanBytes(static_cast<double>(json::intOr(point, "BackupSizeInBytes", 0))));
    }
    return {};
  }));
  SP_CHECK_OK(steps.run("the machine with the other tag was not touched", [&]() -> Result<void> {
    SP_TRY(const auto answer, api.ec2("Action=DescribeInstances&InstanceId.1=" + other.front()));
    const auto states = xmlAll(answer, "instanceState");
    if (states.empty() || xmlText(states.front(), "name") != "running") return fail("demo.other", other.front() + " does not run any more");
    SP_TRY(const auto commands, api.call("ssm", "AmazonSSM.ListCommandInvocations", {{"InstanceId", other.front()}}));
    if (!commands.at("CommandInvocations").get_array().empty()) return fail("demo.other", "a script ran on " + other.front());
    return {};
  }));
  SP_CHECK_OK(restoreAndProve(api, steps, server, run));
  fmt::print("\nWhat to look at next:\n");
  fmt::print("    stillpoint show demo --data-dir {}\n", server.dataDir());
  fmt::print("    aws --endpoint-url {} stepfunctions describe-execution --execution-arn {}\n", api.target().api, arn);
  fmt::print("    the API: {}\n", api.target().api);
  return {};
}

}  // namespace

int demoVerb(const DemoOptions& options) {
  if (!options.stop.empty()) {
    const auto removed = removeDemo(options.stop);
    if (removed) return 0;
    fmt::print(stderr, "stillpoint: {}\n", removed.error().text());
    return 1;
  }
  if (::geteuid() != 0) {
    fmt::print(stderr, "stillpoint: the demo's machines need root: run sudo ./x demo\n");
    return 1;
  }
  struct sigaction action{};
  action.sa_handler = [](int) { g_interrupted = true; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGHUP, &action, nullptr);
  Steps steps;
  const SystemClock clock;
  const auto begin = clock.boottime();
  std::optional<DemoServer> server;
  const auto started = steps.run("start a server on a temporary data directory", [&]() -> Result<void> {
    SP_TRY(auto made, DemoServer::start());
    server.emplace(std::move(made));
    return {};
  });
  if (!started) {
    fmt::print(stderr, "stillpoint: {}\n", started.error().text());
    return 1;
  }
  const auto target = findTarget(server->dataDir());
  if (!target) {
    fmt::print(stderr, "stillpoint: {}\n", target.error().text());
    return 1;
  }
  Api api(*target);
  const auto played = play(steps, *server, api);
  if (!played) {
    const bool interrupted = played.error().code == "demo.interrupted";
    fmt::print(stderr, "stillpoint: the demo {}{}\n", interrupted ? "was " : "failed: ", played.error().text());
    // keep() lets go of the directory.
    const auto directory = server->directory();
    if (options.keep) fmt::print("everything is left running; its log is {}/server.log; end it with: {}\n", directory, server->keep());
    else if (interrupted) fmt::print(stderr, "    what it started is ended and removed\n");
    else fmt::print(stderr, "    the server's log: {}\n", server->keepLog());
    return 1;
  }
  if (options.keep) fmt::print("\nEverything is left running. End it with:\n    {}\n", server->keep());
  else fmt::print("    (./x demo --keep leaves everything running)\n");
  fmt::print("\n{} in {}\n", steps.terminal().paint("Proved: an application-consistent backup", Colour::green),
             humanSeconds(std::chrono::duration<double>(clock.boottime() - begin).count()));
  return 0;
}

}  // namespace sp::cli
