#include "agent/scripts/script_runner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "agent/boot.h"
#include "agent/freeze_rules.h"
#include "agent/scripts/diagnosis.h"
#include "agent/scripts/local_document.h"
#include "agent/scripts/reboot.h"
#include "agent/scripts/run_as.h"
#include "agent/scripts/script_environment.h"
#include "agent/scripts/step_result.h"
#include "agent/scripts/supervisor.h"
#include "agent/scripts/transfer.h"
#include "agentwire/messages.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "model/documents/plan.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kDownloadPatience{60'000};
/// Where the command asks for objects in S3 they are there when it ends, unless that takes longer than this.
constexpr std::chrono::milliseconds kObjectPatience{10'000};
/// What ends sooner tells its output with its result.
constexpr std::chrono::milliseconds kLiveAfter{300};
constexpr std::size_t kFilesTold = 100;
/// Outputs that travel in one result, as bytes before they are JSON.
constexpr std::uint64_t kInlineOutputs = 128U << 10U;
constexpr int kExitStopAsSuccess = 168;
constexpr int kExitStopAsFailure = 169;
constexpr int kExitReboot = 194;
/// A step whose script asks for a reboot each time ends there, as with AWS's agent.
constexpr std::int64_t kRunsMax = 15;
/// The server takes a second question for the same reboot.
constexpr std::chrono::milliseconds kRebootPatience{15'000};

std::string runDirectory(const Identity& identity, const std::string& id) { return identity.stateDir() + "/runs/" + percentEncode(id); }

/// The first bytes of a file and how long it is.
struct Head {
  std::string text;
  std::uint64_t bytes = 0;
  /// `text` is those bytes as they are.
  bool exact = true;
};
Head headOf(const std::string& path) {
  Head head;
  struct stat info{};
  const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fstat(file.get(), &info) != 0) return head;
  head.bytes = static_cast<std::uint64_t>(info.st_size);
  std::string bytes(std::min<std::uint64_t>(head.bytes, kInlineOutput), '\0');
  const auto got = ::read(file.get(), bytes.data(), bytes.size());
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  head.text = toUtf8(bytes);
  head.exact = head.text == bytes;
  return head;
}

/// Whether what stands in the folder that the note is about can only be its own script's: after a power cut one that was used before may
/// hold again what another script printed.
bool ownsOutput(const json::Object& starting) {
  return !json::boolOr(starting, "reused", false) || json::textOr(starting, "bootId") == os::bootId();
}

/// One command on its way through its steps.
class CommandRun {
 public:
  CommandRun(RequestContext& context, ScriptRunner& owner, RunFolders& folders, std::string directory)
      : context_(context),
        owner_(owner),
        folders_(folders),
        directory_(std::move(directory)),
        began_(clock_.boottime()),
        request_(context.request()) {}

  json::Object run();

 private:
  /// What of the steps that follow is left out: nothing, all but the one that always runs, all.
  enum class Over { no, rest, all };
  void recall();
  void runSteps(const json::Array& steps, const std::string& within, std::size_t depth);
  void nested(const json::Object& step, const std::string& name, std::size_t depth);
  void leaf(const json::Object& step, const std::string& name);
  void endWithout(const json::Object& step, const std::string& name, std::string_view status, const std::string& said);
  Over flowAfter(const json::Object& step, std::size_t first);
  std::string statusSince(std::size_t first) const;
  Result<json::Array> innerSteps(const json::Object& step);
  StepResult downloadStep(const json::Object& step, StepResult result);
  void scriptStep(std::size_t index, const json::Object& step, StepResult result);
  Result<void> begin(std::size_t index, std::int64_t run, const json::Object& step, const std::string& name, SupervisedRun& supervised);
  json::Object noteOf(std::size_t index, std::int64_t run, const std::string& name, bool reused) const;
  std::string awaitReboot(std::size_t index, std::int64_t run, const StepResult& result, const std::string& directory);
  Result<SuperviseSpec> makeSpec(const json::Object& step, const std::string& script) const;
  StepResult harvest(StepResult result, SupervisedRun& supervised, bool own_output);
  void endedFromOutside(StepResult& result) const;
  bool isSuccess(int exit_code) const;
  static void remark(StepResult& result, std::string text);
  void sendOutputs();
  std::string targetOf(const std::string& step) const;
  std::string lineEnds(const StepResult& result) const;
  std::int64_t sinceStart() const { return (clock_.boottime() - began_).count() / 1000; }
  json::Object answer(std::string status, std::string_view fate, const std::string& message);
  const json::Object* startingNote(std::size_t index) const;
  std::string unknownFate() const;
  void add(const StepResult& result) { results_.push_back(result.encode()); }

  RequestContext& context_;
  ScriptRunner& owner_;
  RunFolders& folders_;
  const SystemClock clock_;
  const std::string directory_;
  Duration began_;
  const json::Object& request_;
  /// One for each script, download and step left out, in their order; a step's place in it names its folder.
  json::Array results_;
  /// Results of before the agent's restart, in the same order: what follows from them is decided again, nothing is done again.
  json::Array recalled_;
  /// Places of results that failed and count as a success all the same (successAndExit).
  std::set<std::size_t> forgiven_;
  /// The step whose script's fate is not known; empty: none. Nothing is done after it.
  std::string unknown_;
  /// A script was not begun because it may not run as whom it was to.
  bool refused_ = false;
  struct Output {
    std::string directory;
    std::string step;
    std::shared_ptr<OutputSender> sender{};
  };
  std::vector<Output> outputs_;
  /// Of the step that runs.
  std::string_view script_;
  /// Paths of what was downloaded for the steps after it.
  std::vector<std::string> downloaded_;
};

// A result is never invented: what a script did before it was cut off nobody knows.
std::string CommandRun::unknownFate() const {
  const bool rebooted = !context_.notes().empty() && !isThisBoot(context_.notes().back());
  return fmt::format(
      "{} after the script of step {} was started and before it told how it ended; its fate is unknown, and it is not run again",
      rebooted ? "the machine was rebooted" : "the script's supervisor was killed", unknown_);
}

/// The newest of that step.
const json::Object* CommandRun::startingNote(std::size_t index) const {
  const json::Object* found = nullptr;
  for (const auto& note : context_.notes())
    if (json::intOr(note, "starting", -1) == static_cast<std::int64_t>(index)) found = &note;
  return found;
}

/// After a restart of the agent: what stood before the last script that began is in that script's note.
void CommandRun::recall() {
  if (context_.notes().empty()) return;
  const auto& last = context_.notes().back();
  const auto next = json::intOr(last, "starting", 0);
  if (const auto* before = json::find(last, "before"); before && before->is_array()) recalled_ = before->get_array();
  if (json::textOr(last, "bootId") == os::bootId()) began_ = Duration(json::intOr(last, "began", began_.count()));
  for (std::int64_t index = 0; index < next; ++index)
    if (const auto* note = startingNote(static_cast<std::size_t>(index)); note != nullptr && ownsOutput(*note))
      outputs_.push_back({fmt::format("{}/step-{}", directory_, index), json::textOr(*note, "step")});
}

json::Object CommandRun::run() {
  recall();
  const auto* steps = json::find(request_, "steps");
  if (!steps || !steps->is_array()) return answer("Failed", "known", "the command has no steps");
  const auto start_within = json::intOr(request_, "startWithinMs", 0);
  if (context_.notes().empty() && start_within > 0 && context_.age().count() > start_within)
    return answer("TimedOut", "known", fmt::format("the command could not start within {} ms", start_within));
  if (context_.cancelled() && context_.notes().empty()) return answer("Cancelled", "known", "cancelled before it started");
  runSteps(steps->get_array(), "", 0);
  sendOutputs();
  if (!unknown_.empty()) return answer("Failed", "unknown", unknownFate());
  // What had ended well before it was told to is not cancelled.
  const bool cut_short = context_.cancelled() && overallStatus(results_) != "Success";
  return answer(cut_short ? "Cancelled" : "", "known", "");
}

/// The steps of the command, or of a document that one of them runs: `within` is that one's name and a slash.
void CommandRun::runSteps(const json::Array& steps, const std::string& within, std::size_t depth) {
  auto over = Over::no;
  for (const auto& each : steps) {
    if (!unknown_.empty()) return;
    const auto& step = each.is_object() ? each.get_object() : json::Object();
    const auto name = within + json::textOr(step, "name");
    const auto first = results_.size();
    const bool begun = first < recalled_.size() || startingNote(first) != nullptr;
    if (over == Over::all || (over == Over::rest && !json::boolOr(step, "finally", false))) endWithout(step, name, "Skipped", "");
    else if (const auto why = json::textOr(step, "skipped"); !why.empty()) endWithout(step, name, "Skipped", why);
    else if (context_.cancelled() && !begun) endWithout(step, name, "Cancelled", "");
    else {
      if (json::find(step, "steps") || json::find(step, "documentParameters")) nested(step, name, depth);
      else leaf(step, name);
      over = std::max(over, flowAfter(step, first));
    }
  }
}

/// A step that runs nothing itself: its document's steps, or its parts, are run in its place.
void CommandRun::nested(const json::Object& step, const std::string& name, std::size_t depth) {
  auto inner = depth < document::kNestingMax
                   ? innerSteps(step)
                   : fail("document.content", fmt::format("documents run documents more than {} deep", document::kNestingMax));
  if (!inner) return endWithout(step, name, "Failed", inner.error().text());
  if (inner->empty()) return endWithout(step, name, "Success", "");
  runSteps(*inner, name + "/", depth + 1);
}

// A document that lies on the machine is read once: what is done after a restart must be what was begun.
Result<json::Array> CommandRun::innerSteps(const json::Object& step) {
  if (const auto* steps = json::find(step, "steps"); steps != nullptr && steps->is_array()) return steps->get_array();
  const auto kept = fmt::format("{}/document-{}.json", directory_, results_.size());
  if (const auto text = os::readFile(kept)) {
    if (auto steps = json::parse(*text); steps && steps->is_array()) return std::move(steps->get_array());
  }
  SP_TRY(auto steps, readLocalDocument(step, directory_ + "/downloads"));
  SP_CHECK_OK(os::makeDirectories(directory_));
  SP_CHECK_OK(os::writeFileDurably(kept, json::toText(steps), 0600));
  return steps;
}

void CommandRun::endWithout(const json::Object& step, const std::string& name, std::string_view status, const std::string& said) {
  if (results_.size() < recalled_.size()) return results_.push_back(recalled_[results_.size()]);
  StepResult result;
  result.name = name;
  result.plugin = json::textOr(step, "plugin");
  result.status = status;
  const bool well = status == "Skipped" || status == "Success";
  result.exit_code = well ? 0 : status == "Failed" ? 1 : -1;
  (well ? result.out : result.err) = toUtf8(said);
  result.out_bytes = result.out.size();
  result.err_bytes = result.err.size();
  result.since_start_ms = sinceStart();
  add(result);
}

std::string CommandRun::statusSince(std::size_t first) const {
  json::Array some;
  for (auto place = first; place < results_.size(); ++place)
    if (!forgiven_.contains(place)) some.push_back(results_[place]);
  return overallStatus(some);
}

CommandRun::Over CommandRun::flowAfter(const json::Object& step, std::size_t first) {
  if (!unknown_.empty()) return Over::all;
  const bool alone =
      results_.size() == first + 1 && json::find(step, "steps") == nullptr && json::find(step, "documentParameters") == nullptr;
  const auto status = statusSince(first);
  if (alone && json::textOr(step, "plugin") == "aws:runShellScript") {
    const auto code = json::intOr(results_[first].get_object(), "exitCode", -1);
    if ((code == kExitStopAsSuccess && status == "Success") || (code == kExitStopAsFailure && status == "Failed")) return Over::all;
  }
  if (status == "Success") {
    const bool ran = !alone || json::textOr(results_[first].get_object(), "status") != "Skipped";
    return ran && json::textOr(step, "onSuccess") == "exit" ? Over::rest : Over::no;
  }
  if (status == "Cancelled") return Over::no;
  const auto asked = json::textOr(step, "onFailure");
  if (asked == "successAndExit")
    for (auto place = first; place < results_.size(); ++place) forgiven_.insert(place);
  return asked.empty() ? Over::no : Over::rest;
}

void CommandRun::leaf(const json::Object& step, const std::string& name) {
  const auto index = results_.size();
  if (index < recalled_.size()) return results_.push_back(recalled_[index]);
  StepResult result;
  result.name = name;
  result.plugin = json::textOr(step, "plugin");
  result.status = "Failed";
  result.since_start_ms = sinceStart();
  if (result.plugin == "aws:downloadContent") return add(downloadStep(step, std::move(result)));
  if (const auto why = json::textOr(step, "error"); !why.empty()) return endWithout(step, name, "Failed", why);
  if (result.plugin == "aws:runShellScript") return scriptStep(index, step, std::move(result));
  endWithout(step, name, "Failed", fmt::format("plugin '{}' is not known to this agent", result.plugin));
}

StepResult CommandRun::downloadStep(const json::Object& step, StepResult result) {
  std::string problem = json::textOr(step, "error");
  const auto* files = json::find(step, "files");
  std::size_t fetched = 0;
  if (problem.empty() && files && files->is_array())
    for (const auto& file : files->get_array()) {
      if (!file.is_object()) continue;
      const auto path = fs::path(json::textOr(file.get_object(), "path")).lexically_normal();
      if (std::ranges::find(path, "..") != path.end()) {
        problem = fmt::format("'{}' leaves the downloads folder", path.string());
        break;
      }
      // An absolute path replaces the folder, as operator/ does.
      const auto target = fs::path(directory_) / "downloads" / path;
      if (const auto* content = json::find(file.get_object(), "content"); content != nullptr && content->is_string()) {
        auto written = os::makeDirectories(target.parent_path());
        if (written) written = os::writeFile(target, json::toView(content->get_string()), 0700);
        if (!written) {
          problem = written.error().text();
          break;
        }
        ++fetched;
        continue;
      }
      const Download wanted{json::textOr(file.get_object(), "source"), target, json::textOr(file.get_object(), "sha256")};
      const auto kept = json::textOr(file.get_object(), "kept");
      auto done = kept.empty() ? download(context_, wanted, kDownloadPatience) : copyKept(context_.identity(), kept, wanted);
      // The server, if it is there, has it still.
      if (!done && !kept.empty())
        if (auto anew = download(context_, wanted, std::chrono::milliseconds(0))) done = std::move(anew);
      if (!done) {
        problem = done.error().text();
        break;
      }
      ++fetched;
      downloaded_.push_back(target);
      if (result.files.size() < kFilesTold)
        result.files.push_back(json::Object{{"path", path.string()}, {"bytes", done->bytes}, {"sha256", done->sha256}});
    }
  result.status = problem.empty() ? "Success" : "Failed";
  result.exit_code = problem.empty() ? 0 : 1;
  result.out = problem.empty() ? fmt::format("Content downloaded: {} file{}", fetched, fetched == 1 ? "" : "s") : "";
  result.err = toUtf8(problem);
  result.out_bytes = result.out.size();
  result.err_bytes = result.err.size();
  result.duration_ms = sinceStart() - result.since_start_ms;
  return result;
}

void CommandRun::scriptStep(std::size_t index, const json::Object& step, StepResult result) {
  const auto* note = startingNote(index);
  // The machine has booted since its script asked for that: the step is run again.
  const bool again = note != nullptr && json::boolOr(*note, "rebooting", false) && !isThisBoot(*note);
  const auto run = (note != nullptr ? json::intOr(*note, "run", 1) : 1) + (again ? 1 : 0);
  const bool own_output = note == nullptr || again || ownsOutput(*note);
  if (note != nullptr) result.since_start_ms = json::intOr(*note, "sinceStartMs", result.since_start_ms);
  SupervisedRun supervised(fmt::format("{}/step-{}", directory_, index),
                           run == 1 ? fmt::format("{}/{}", context_.id(), index) : fmt::format("{}/{}/{}", context_.id(), index, run));
  if (note == nullptr || again) {
    if (auto begun = begin(index, run, step, result.name, supervised); !begun) {
      result.err = toUtf8(begun.error().text());
      result.err_bytes = result.err.size();
      refused_ = refused_ || begun.error().code == "agent.run_as";
      return add(result);
    }
  }
  const auto* script = json::find(step, "script");
  script_ = script != nullptr && script->is_string() ? json::toView(script->get_string()) : std::string_view();
  result.sha256 = sha256Hex(script_);
  if (own_output) outputs_.push_back({supervised.directory(), result.name});
  // A supervisor that is alive is followed; the lock tells surely, since it was taken before "starting" was written.
  if (own_output && !supervised.endsWithin(context_.cancelFd(), kLiveAfter) && !context_.cancelled()) {
    auto& sender = outputs_.back().sender;
    sender = std::make_shared<OutputSender>(context_.identity(), supervised.directory(), targetOf(result.name));
    sender->begin();
  }
  if (!supervised.wait(context_.cancelFd())) {
    supervised.cancel();
    supervised.wait(-1);
  }
  failpoint::hit("agent.script.ended");
  result = harvest(std::move(result), supervised, own_output);
  if (result.status == "Failed" && unknown_.empty() && result.exit_code == kExitReboot) {
    const auto why = awaitReboot(index, run, result, supervised.directory());
    if (context_.cancelled()) result.status = "Cancelled";
    remark(result, why);
  }
  add(result);
}

/// Has the machine rebooted and waits for its own end, after which a new agent runs the step again. Back with why that is not to be.
std::string CommandRun::awaitReboot(std::size_t index, std::int64_t run, const StepResult& result, const std::string& directory) {
  if (FreezeTag::of(request_))
    return "exit code 194 asks for a reboot of the machine, which a pre-script or post-script of a run cannot have\n";
  if (run >= kRunsMax)
    return fmt::format("exit code 194 asks for a reboot of the machine, after run {} of {} of this step\n", run, kRunsMax);
  // What the next run's output is added to must be there after the boot.
  for (const char* stream : {"/stdout", "/stderr"}) {
    const os::Fd file(::open((directory + stream).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || ::fdatasync(file.get()) != 0) return fmt::format("no reboot: {}{} cannot be written to disk\n", directory, stream);
  }
  auto note = noteOf(index, run, result.name, false);
  note["rebooting"] = true;
  if (auto noted = context_.note(std::move(note)); !noted) return fmt::format("no reboot: {}\n", noted.error().text());
  do {
    auto asked = askForReboot(context_, json::textOr(request_, "commandId"));
    if (!asked && !context_.cancelled()) return fmt::format("exit code 194 asks for a reboot of the machine: {}\n", asked.error().message);
  } while (!context_.sleep(kRebootPatience));
  return "cancelled while it waited for the reboot that its exit code 194 asks for\n";
}

json::Object CommandRun::noteOf(std::size_t index, std::int64_t run, const std::string& name, bool reused) const {
  return {{"starting", index},
          {"run", run},
          {"step", name},
          {"sinceStartMs", sinceStart()},
          {"bootId", os::bootId()},
          {"initStart", os::processStartTime(1)},
          {"began", began_.count()},
          {"reused", reused},
          {"before", results_}};
}

Result<void> CommandRun::begin(std::size_t index, std::int64_t run, const json::Object& step, const std::string& name,
                               SupervisedRun& supervised) {
  bool reused = false;
  if (index == 0 && run == 1) {
    SP_TRY(const auto taken, folders_.take(percentEncode(context_.id())));
    reused = taken.reused;
  } else {
    SP_CHECK_OK(os::makeDirectories(supervised.directory()));
  }
  SP_TRY(const auto program, superviseProgram(context_.identity().stateDir()));
  const auto script = supervised.directory() + "/_script.sh";
  SP_CHECK_OK(os::writeFile(script, json::textOr(step, "script"), 0700));
  SP_TRY(auto spec, makeSpec(step, script));
  SP_CHECK_OK(runAs(spec, context_.identity(), json::textOr(step, "runAsUser"), fmt::format("{}-{}", percentEncode(context_.id()), index)));
  SP_CHECK_OK(supervised.prepare(spec));
  SP_CHECK_OK(context_.note(noteOf(index, run, name, reused)));
  failpoint::hit("agent.script.starting");
  // From here on it may have run: an error that follows is no proof that it has not.
  SP_CHECK_OK(supervised.launch(program));
  failpoint::hit("agent.script.started");
  return {};
}

Result<SuperviseSpec> CommandRun::makeSpec(const json::Object& step, const std::string& script) const {
  SuperviseSpec spec;
  const auto downloads = directory_ + "/downloads";
  const auto asked = json::textOr(step, "workingDirectory");
  std::error_code ignored;
  const auto base = fs::is_directory(downloads, ignored) ? downloads : fs::path(script).parent_path().string();
  spec.cwd = asked.empty() ? base : (fs::path(base) / asked).string();
  if (!fs::is_directory(spec.cwd, ignored)) return fail("agent.cwd", fmt::format("the working directory {} does not exist", spec.cwd));
  spec.argv = {script};
  spec.timeout_ms = json::intOr(step, "timeoutMs", 3'600'000);
  spec.reserve = context_.identity().stateDir() + "/journal/reserve";
  spec.environment = scriptEnvironment(request_, context_.identity().agent(), spec.cwd);
  return spec;
}

// Its supervisor was told to end it. Where we did not: a machine that shuts down tells all its processes.
void CommandRun::endedFromOutside(StepResult& result) const {
  result.status = context_.cancelled() ? "Cancelled" : "Failed";
  if (context_.cancelled()) return;
  constexpr std::string_view kWhy =
      "the script was ended from outside while it ran: the machine shut down, or somebody ended its supervisor\n";
  result.err += kWhy;
  result.err_bytes += kWhy.size();
}

StepResult CommandRun::harvest(StepResult result, SupervisedRun& supervised, bool own_output) {
  const auto status = supervised.status();
  auto out = own_output ? headOf(supervised.directory() + "/stdout") : Head();
  auto err = own_output ? headOf(supervised.directory() + "/stderr") : Head();
  result.out = std::move(out.text);
  result.out_bytes = out.bytes;
  result.err = std::move(err.text);
  result.err_bytes = err.bytes;
  if (!status) {
    result.status = "Failed";
    unknown_ = result.name;
    return result;
  }
  result.exit_code = status->exit_code;
  result.duration_ms = status->duration_ms;
  result.usage = status->usage;
  if (status->reason == "timeout") result.status = "TimedOut";
  else if (status->reason == "cancelled") endedFromOutside(result);
  else result.status = status->reason == "exited" && isSuccess(status->exit_code) ? "Success" : "Failed";
  remark(result, toUtf8(status->message) + (result.status == "Failed" ? lineEnds(result) : ""));
  if (result.status == "Failed" && status->reason == "exited" && status->exit_code == kExitStopAsSuccess)
    remark(result, "exit code 168 counts as a success of commands, not of pre- and post-scripts: there 0 alone says that it is done\n");
  return result;
}

/// Of a freeze and its thaw 0 alone says that it is done.
bool CommandRun::isSuccess(int exit_code) const { return exit_code == 0 || (exit_code == kExitStopAsSuccess && !FreezeTag::of(request_)); }

/// Below what the script itself said.
void CommandRun::remark(StepResult& result, std::string text) {
  if (text.empty()) return;
  if (!result.err.empty() && !result.err.ends_with('\n')) text.insert(0, "\n");
  result.err += text;
  result.err_bytes += text.size();
}

/// What the line ends of the script, or of what was downloaded for it, explain.
std::string CommandRun::lineEnds(const StepResult& result) const {
  if (auto hint = lineEndHint(script_, "the script of step " + result.name); !hint.empty()) return hint;
  return lineEndHintOf(downloaded_);
}

std::string CommandRun::targetOf(const std::string& step) const {
  return fmt::format("/commands/{}/output/{}/{}", percentEncode(json::textOr(request_, "commandId")),
                     percentEncode(json::textOr(request_, "instance")), percentEncode(step));
}

// What the result carries whole need not travel twice.
void CommandRun::sendOutputs() {
  const bool objects = json::boolOr(request_, "upload", false);
  ScriptRunner::Senders open;
  json::Array unsent;
  const auto deadline = std::chrono::steady_clock::now() + kObjectPatience;
  // The result of very many steps is cut to fit a message, and a step that runs several scripts has room for one.
  std::uint64_t room = kInlineOutputs;
  for (auto& output : outputs_) {
    const bool part = output.step.find('/') != std::string::npos;
    const auto inline_holds = [&](const char* stream) {
      const auto head = headOf(output.directory + "/" + stream);
      if (head.bytes > kInlineOutput || head.bytes > room) return false;
      room -= head.bytes;
      return head.bytes == 0 || (!objects && !part && head.exact);
    };
    const bool begun = output.sender && output.sender->begun();
    if (!begun && inline_holds("stdout") && inline_holds("stderr")) continue;
    if (!output.sender) output.sender = std::make_shared<OutputSender>(context_.identity(), output.directory, targetOf(output.step));
    output.sender->close();
    output.sender->begin();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (output.sender->await(objects ? std::max(left, std::chrono::milliseconds(0)) : std::chrono::milliseconds(0))) continue;
    open.push_back(output.sender);
    unsent.push_back(json::Object{{"directory", output.directory}, {"target", targetOf(output.step)}});
  }
  if (open.empty()) return;
  if (auto noted = os::writeFileDurably(directory_ + "/unsent", json::toText(unsent)); !noted)
    log::warn("should the agent end now, some output is not sent", {{"id", context_.id()}, {"why", noted.error().text()}});
  owner_.sendLater(context_.id(), std::move(open));
}

json::Object CommandRun::answer(std::string status, std::string_view fate, const std::string& message) {
  for (const auto place : forgiven_) results_[place].get_object()["status"] = "Success";
  // Of the steps, unless something else decides.
  if (status.empty()) status = overallStatus(results_);
  // No script at all was begun, and that because of whom it was to run as.
  const bool denied = status == "Failed" && refused_ &&
                      std::ranges::none_of(results_, [](const auto& step) { return step.get_object().contains("sha256"); });
  json::Object out{{"type", agentwire::kCommandResult}, {"status", std::move(status)}, {"fate", fate}, {"steps", std::move(results_)}};
  if (denied) out["details"] = "AccessDenied";
  if (!message.empty()) out["message"] = message;
  return out;
}

}  // namespace

bool ScriptRunner::notesAtOnce(const json::Object& request) const {
  const auto* steps = json::find(request, "steps");
  if (!steps || !steps->is_array() || steps->get_array().empty() || !steps->get_array().front().is_object()) return false;
  return json::textOr(steps->get_array().front().get_object(), "plugin") == "aws:runShellScript";
}

json::Object ScriptRunner::run(RequestContext& context) {
  return CommandRun(context, *this, folders_, runDirectory(identity_, context.id())).run();
}

void ScriptRunner::sendLater(const std::string& id, Senders senders) {
  const std::lock_guard lock(mutex_);
  sending_.insert_or_assign(id, std::move(senders));
}

bool ScriptRunner::settledAtOnce(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    if (sending_.contains(id)) return false;
  }
  return folders_.giveBack(percentEncode(id));
}

void ScriptRunner::settled(const std::string& id) {
  const auto directory = runDirectory(identity_, id);
  Senders senders;
  {
    const std::lock_guard lock(mutex_);
    if (auto sending = sending_.extract(id); !sending.empty()) senders = std::move(sending.mapped());
  }
  std::error_code ignored;
  const auto unsent = os::readFile(directory + "/unsent");
  if (!unsent) {
    fs::remove_all(directory, ignored);
    tidyRunAs(identity_.stateDir());
    return;
  }
  // Of an earlier process's life there is only the file.
  const auto list = json::parse(*unsent);
  if (senders.empty() && list && list->is_array())
    for (const auto& each : list->get_array()) {
      if (!each.is_object()) continue;
      senders.push_back(std::make_shared<OutputSender>(identity_, json::textOr(each.get_object(), "directory"),
                                                       json::textOr(each.get_object(), "target")));
      senders.back()->close();
      senders.back()->begin();
    }
  removeWhenSent(directory, std::move(senders));
}

void ScriptRunner::removeWhenSent(const std::string& directory, Senders senders) {
  try {
    std::thread([directory, senders = std::move(senders)] {
      for (const auto& sender : senders) sender->await(std::chrono::milliseconds(-1));
      std::error_code ignored;
      fs::remove_all(directory, ignored);
    }).detach();
  } catch (const std::exception& error) {
    // Its folder stays until the agent starts anew.
    log::warn("no thread to wait for an output", {{"folder", directory}, {"why", error.what()}});
  }
}

void ScriptRunner::sweep(const std::vector<std::string>& open) {
  // Now, while nothing else is started that could hold the new file open for writing.
  if (const auto program = superviseProgram(identity_.stateDir())) keepSupervisorsReady(*program);
  else log::error("the scripts' supervisor is not in place; the next script tries again", {{"why", program.error().text()}});
  std::set<std::string> kept;
  for (const auto& id : open) kept.insert(percentEncode(id));
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(identity_.stateDir() + "/runs", ignored))
    if (const auto name = entry.path().filename().string(); RunFolders::isSpare(name)) fs::remove_all(entry.path(), ignored);
    else if (!kept.contains(name)) settled(percentDecode(name).value_or(name));
  tidyRunAs(identity_.stateDir());
  folders_.refresh();
}

}  // namespace sp::agent
