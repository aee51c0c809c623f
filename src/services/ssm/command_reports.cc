// What agents, timers and machines that vanish make of commands.
#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "services/ssm/command_keys.h"
#include "services/ssm/commands.h"
#include "services/ssm/rate_control.h"

namespace sp::services::ssm {
namespace {

constexpr auto kForgetEvery = std::chrono::hours(1);
constexpr auto kForgetSoon = std::chrono::seconds(1);
constexpr std::size_t kForgetAtOnce = 100;
constexpr std::string_view kPrefix = "cmd/";
/// What an agent tells of a script beside how it ended; it says "known" too.
constexpr std::string_view kUnknownFate = "unknown";
/// The server's own word for what no agent took.
constexpr std::string_view kNeverBegun = "never begun";
constexpr std::size_t kHashLength = 64;
constexpr std::size_t kPathLength = 1024;
constexpr std::size_t kMessageLength = 4096;
constexpr std::size_t kFilesShown = 100;

/// The agent's words for a step as the API's details.
std::string_view stepDetails(std::string_view agent_status) {
  if (agent_status == "Skipped") return "Success";
  if (agent_status == "TimedOut") return "ExecutionTimedOut";
  if (agent_status == "Success" || agent_status == "Cancelled") return agent_status;
  return "Failed";
}

/// So much of each stream is kept of a step that runs several scripts.
constexpr std::size_t kKeptOutput = 48U << 10U;

void appendHead(std::string& kept, const std::string& more) {
  auto size = std::min(more.size(), kKeptOutput - std::min(kKeptOutput, kept.size()));
  while (size > 0 && size < more.size() && (static_cast<unsigned char>(more[size]) & 0xC0U) == 0x80U) --size;
  kept.append(more, 0, size);
}

// What an agent tells is bounded before anything is counted with it: a broken one may tell what it likes.
constexpr std::int64_t kLongestMs = std::chrono::milliseconds(std::chrono::days(400)).count();
constexpr std::int64_t kMostBytes = std::int64_t{1} << 53;

std::int64_t toldMs(const json::Object& told, std::string_view key) {
  return std::clamp<std::int64_t>(json::intOr(told, key, 0), 0, kLongestMs);
}

std::string toldText(const json::Object& told, std::string_view key) {
  std::string kept;
  appendHead(kept, json::textOr(told, key));
  return kept;
}

std::int64_t toldBytes(const json::Object& told, std::string_view key, const std::string& kept) {
  return std::clamp(json::intOr(told, key, 0), std::ssize(kept), kMostBytes);
}

/// Only what is known of it: an agent's message is not stored as it comes.
json::Object usageOf(const json::Object& told) {
  json::Object usage;
  if (const auto* given = json::find(told, "usage"); given != nullptr && given->is_object())
    for (const auto* name : {"userUs", "systemUs", "maxRssKiB", "readBytes", "writtenBytes"})
      usage[name] = json::intOr(given->get_object(), name, 0);
  return usage;
}

json::Array filesOf(const json::Object& told) {
  json::Array files;
  const auto* given = json::find(told, "files");
  if (given == nullptr || !given->is_array()) return files;
  for (const auto& each : given->get_array()) {
    if (!each.is_object() || files.size() == kFilesShown) continue;
    const auto& file = each.get_object();
    files.push_back(json::Object{{"path", cutText(json::textOr(file, "path"), kPathLength)},
                                 {"bytes", json::intOr(file, "bytes", 0)},
                                 {"sha256", cutText(json::textOr(file, "sha256"), kHashLength)}});
  }
  return files;
}

StepRecord toldStep(const json::Object& told, Instant began) {
  StepRecord step;
  step.name = json::textOr(told, "name");
  step.details = stepDetails(json::textOr(told, "status"));
  step.status = statusOf(step.details);
  step.exit_code = json::intOr(told, "exitCode", -1);
  step.output = toldText(told, "stdout");
  step.error = toldText(told, "stderr");
  step.output_bytes = toldBytes(told, "stdoutBytes", step.output);
  step.error_bytes = toldBytes(told, "stderrBytes", step.error);
  step.sha256 = cutText(json::textOr(told, "sha256"), kHashLength);
  step.usage = usageOf(told);
  step.files = filesOf(told);
  step.started = began + std::chrono::milliseconds(toldMs(told, "sinceStartMs"));
  step.ended = *step.started + std::chrono::milliseconds(toldMs(told, "durationMs"));
  if (json::textOr(told, "status") == "Skipped" && step.output.empty()) step.output = "Step execution skipped. Step name: " + step.name;
  return step;
}

/// Failed > TimedOut > Cancelled > Success.
int weight(std::string_view status) { return status == "Failed" ? 3 : status == "TimedOut" ? 2 : status == "Cancelled" ? 1 : 0; }

json::Object scriptOf(const StepRecord& told) { return {{"name", told.name}, {"sha256", told.sha256}}; }

void takeStep(StepRecord& step, StepRecord told) {
  if (told.name != step.name) {
    if (!told.sha256.empty()) told.scripts.push_back(scriptOf(told));
    told.sha256.clear();
  }
  told.name = step.name;
  told.plugin = step.plugin;
  told.output_note = step.output_note;
  step = std::move(told);
}

/// One of the scripts of a step that runs several ("runDocument/NAME"): the step is their sum.
void addToStep(StepRecord& step, const StepRecord& told) {
  if (!isTerminal(step.status)) return takeStep(step, told);
  if (weight(told.status) > weight(step.status)) {
    step.status = told.status;
    step.details = told.details;
  }
  if (step.exit_code == 0) step.exit_code = told.exit_code;
  appendHead(step.output, told.output);
  appendHead(step.error, told.error);
  step.output_bytes = std::min(step.output_bytes + told.output_bytes, kMostBytes);
  step.error_bytes = std::min(step.error_bytes + told.error_bytes, kMostBytes);
  step.ended = told.ended;
  if (!told.sha256.empty() && step.scripts.size() < kFilesShown) step.scripts.push_back(scriptOf(told));
  for (const auto& [name, value] : told.usage) {
    const auto more = json::intOr(told.usage, name, 0);
    const auto before = json::intOr(step.usage, name, 0);
    step.usage[name] = name == "maxRssKiB" ? std::max(before, more) : before + more;
  }
}

/// Where the agent's word on a step goes: to the step, or to the one whose part it is.
void takeTold(std::vector<StepRecord>& steps, StepRecord told) {
  if (const auto step = std::ranges::find(steps, told.name, &StepRecord::name); step != steps.end())
    return takeStep(*step, std::move(told));
  const auto whole = told.name.substr(0, told.name.find('/'));
  if (const auto step = std::ranges::find(steps, whole, &StepRecord::name); step != steps.end()) addToStep(*step, told);
}

/// How long ago it ended: what a machine did by itself is told when the server is back.
std::chrono::milliseconds endedAgo(const json::Object& result) { return std::chrono::milliseconds(toldMs(result, "agoMs")); }

/// What the agent or the server has to say beside the steps goes where people look: the error output of the step it
/// happened in, the first that has no success.
void explain(Invocation& invocation, const std::string& message) {
  if (message.empty()) return;
  invocation.message = message;
  auto step = std::ranges::find_if(invocation.steps, [](const StepRecord& each) { return each.status != "Success"; });
  if (step == invocation.steps.end()) return;
  if (!step->error.empty() && !step->error.ends_with('\n')) step->error += '\n';
  step->error += message;
  step->error_bytes = std::max<std::int64_t>(step->error_bytes, 0) + static_cast<std::int64_t>(message.size());
}

}  // namespace

// The agent tells durations only, and its last step ended last.
Duration begunAgo(const json::Object& result) {
  std::int64_t length = 0;
  if (const auto* steps = json::find(result, "steps"); steps != nullptr && steps->is_array())
    for (const auto& each : steps->get_array())
      if (each.is_object()) length = std::max(length, toldMs(each.get_object(), "sinceStartMs") + toldMs(each.get_object(), "durationMs"));
  return endedAgo(result) + std::chrono::milliseconds(length);
}

std::optional<std::string> commandReported(const std::string& agent, const json::Object& message) {
  const auto id = json::textOr(message, "id");
  if (!id.starts_with(kPrefix)) return std::nullopt;
  const auto key = std::string_view(id).substr(kPrefix.size());
  const auto slash = key.find('/');
  if (slash == std::string_view::npos || key.substr(slash + 1) != agent) return std::nullopt;
  return std::string(key.substr(0, slash));
}

void conclude(Invocation& invocation, std::string_view details, Instant now) {
  invocation.details = details;
  invocation.status = statusOf(details);
  invocation.ended = now;
  for (auto& step : invocation.steps) {
    if (isTerminal(step.status)) continue;
    step.details = details;
    step.status = statusOf(details);
  }
}

/// The command and invocation a message is about, if that agent may speak for it.
std::optional<std::pair<Command, Invocation>> Commands::reported(store::Txn& txn, const std::string& agent,
                                                                 const json::Object& message) const {
  const auto id = commandReported(agent, message);
  auto command = id ? find(txn, *id) : std::nullopt;
  auto found = command ? invocationOf(txn, *command, agent) : std::nullopt;
  if (!found || found->hasEnded()) return std::nullopt;
  return std::pair(std::move(*command), std::move(*found));
}

void Commands::handleAccepted(store::Txn& txn, const std::string& agent, const json::Object& message) {
  const auto id = commandReported(agent, message);
  const auto known = id ? plan(txn, *id) : nullptr;
  auto found = known ? invocationAt(txn, fmt::format("{}/{}", *id, agent)) : std::nullopt;
  if (!found || found->hasEnded() || found->accepted) return;
  found->accepted = true;
  if (found->status == "Pending") found->status = found->details = "InProgress";
  save(txn, *found);
  if (known->begun) return;
  auto command = find(txn, *id);
  if (command && command->status == "Pending") {
    command->status = command->details = "InProgress";
    save(txn, *command);
  }
  txn.afterCommit([known] { known->begun = true; });
}

void Commands::handleResult(store::Txn& txn, const std::string& agent, const json::Object& message) {
  auto about = reported(txn, agent, message);
  if (!about) return;
  auto& [command, invocation] = *about;
  const auto status = json::textOr(message, "status", "Failed");
  const auto* steps = json::find(message, "steps");
  const bool ran = steps != nullptr && steps->is_array() && !steps->get_array().empty();
  if (ran) {
    const auto began = txn.now() - begunAgo(message);
    for (const auto& each : steps->get_array()) {
      if (each.is_object()) takeTold(invocation.steps, toldStep(each.get_object(), began));
    }
  }
  // Steps of another platform were never sent; that they were skipped is a success.
  const bool answered = ran || status == "Success";
  for (auto& step : invocation.steps) {
    if (step.skipped.empty() || !answered) continue;
    step.status = step.details = "Success";
    step.exit_code = 0;
    step.output = step.skipped;
    step.output_bytes = static_cast<std::int64_t>(step.output.size());
  }
  // An agent that could not start in time has run nothing: that is the delivery's fault, not the script's.
  std::string details(status == "TimedOut" && !ran ? "DeliveryTimedOut" : stepDetails(status));
  // What the agent itself would not do: a user it may not run as.
  if (json::textOr(message, "details") == "AccessDenied") details = "AccessDenied";
  const auto fate = json::textOr(message, "fate");
  invocation.may_have_run = fate == kUnknownFate;
  invocation.never_ran = fate == kNeverBegun;
  invocation.guarded = json::boolOr(message, "guarded", false);
  conclude(invocation, details, txn.now() - endedAgo(message));
  explain(invocation, std::string(cutText(json::textOr(message, "message"), kMessageLength)));
  finish(txn, command, {std::move(invocation)});
}

// Its disk is full, it is too old to know such a request, or no agent could be sent one of that size. What it had taken before may have
// run: an agent that has settled it refuses it too.
void Commands::handleRefused(store::Txn& txn, const std::string& agent, const json::Object& message) {
  const auto about = reported(txn, agent, message);
  if (!about) return;
  auto told = message;
  if (json::find(told, "fate") == nullptr) told["fate"] = about->second.accepted ? kUnknownFate : kNeverBegun;
  handleResult(txn, agent, told);
}

// It had written down that it has it: what it knew of its scripts is gone, and so is the word on this one.
void Commands::handleAbsent(store::Txn& txn, const std::string& agent, const json::Object& message) {
  const auto about = reported(txn, agent, message);
  if (!about || !about->second.accepted) return;
  context_.agents.withdraw(txn, agent, about->second.requestId());
  auto told = message;
  told["fate"] = kUnknownFate;
  told["message"] = fmt::format(
      "the agent of {} had accepted this and knows nothing of it any more (its state directory was emptied or set back): its fate is "
      "unknown, and it is not run again",
      agent);
  handleResult(txn, agent, told);
}

void Commands::handleExpiry(store::Txn& txn, const std::string& command_id) {
  auto command = find(txn, command_id);
  if (!command || command->hasEnded()) return;
  std::vector<Invocation> over;
  for (auto& each : invocations(txn, command_id)) {
    if (each.hasEnded()) continue;
    each.may_have_run = mayRun(txn, each);
    if (each.dispatched) context_.agents.withdraw(txn, each.instance_id, each.requestId());
    conclude(each, each.status == "Cancelling" ? "Cancelled" : "DeliveryTimedOut", txn.now());
    over.push_back(std::move(each));
  }
  command->waiting = 0;
  command->next = command->target_count;
  command->passed_over.clear();
  finish(txn, *command, std::move(over));
}

// A machine that no longer exists answers nothing: what reached it may have run, or runs still.
void Commands::handleGone(store::Txn& txn, const Instance& instance) {
  for (auto& open : openOn(txn, instance.id)) {
    auto command = find(txn, open.command_id);
    if (!command) continue;
    const bool may_run = mayRun(txn, open);
    if (!open.dispatched) passOver(*command, open.instance_id);
    else context_.agents.withdraw(txn, instance.id, open.requestId());
    open.may_have_run = may_run;
    for (auto& step : open.steps) step.exit_code = -1;
    conclude(open, may_run ? "Failed" : open.status == "Cancelling" ? "Cancelled" : "Undeliverable", txn.now());
    if (may_run) explain(open, fmt::format("{} was removed after this had been sent to it: its fate is unknown", instance.id));
    finish(txn, *command, {std::move(open)});
  }
}

bool Commands::mayRun(store::Txn& txn, const Invocation& invocation) const {
  return invocation.dispatched && (invocation.accepted || context_.agents.mayHaveLeft(txn, invocation.instance_id, invocation.requestId()));
}

bool Commands::cancelOne(store::Txn& txn, Command& command, Invocation& invocation) {
  const bool waited = !invocation.dispatched;
  if (waited) passOver(command, invocation.instance_id);
  const bool may_run = mayRun(txn, invocation);
  if (!waited && !may_run) context_.agents.withdraw(txn, invocation.instance_id, invocation.requestId());
  if (may_run) {
    // An agent that is away may have taken it before it left: then it is to stop it when it comes back, and says how it ended.
    context_.agents.request(txn, invocation.instance_id,
                            {{"type", "cancel"}, {"id", "cancel/" + context_.random.uuid()}, {"target", invocation.requestId()}});
    invocation.status = invocation.details = "Cancelling";
    save(txn, invocation);
    return false;
  }
  conclude(invocation, "Cancelled", txn.now());
  return true;
}

std::expected<void, aws::ApiError> Commands::cancel(store::Txn& txn, std::string_view command_id,
                                                    const std::vector<std::string>& instance_ids) {
  auto command = find(txn, command_id);
  if (!command) return aws::refuse("InvalidCommandId", fmt::format("The command ID '{}' does not exist.", command_id));
  std::vector<Invocation> meant;
  if (instance_ids.empty()) meant = invocations(txn, command_id);
  for (const auto& id : instance_ids) {
    auto one = invocation(txn, command_id, id);
    if (!one) return aws::refuse("InvalidInstanceId", fmt::format("The command '{}' was not sent to instance '{}'.", command_id, id));
    meant.push_back(std::move(*one));
  }
  std::vector<Invocation> over;
  for (auto& each : meant) {
    if (each.hasEnded() || each.status == "Cancelling") continue;
    if (cancelOne(txn, *command, each)) over.push_back(std::move(each));
  }
  if (command->hasEnded()) return {};
  if (instance_ids.empty()) command->status = command->details = "Cancelling";
  finish(txn, *command, std::move(over));
  return {};
}

void Commands::noteOutput(store::Txn& txn, const std::string& command_id, const std::string& instance_id, const std::string& step_name,
                          const std::string& text) {
  auto found = invocation(txn, command_id, instance_id);
  if (!found) return;
  const auto step = stepOf(*found, step_name);
  if (step == found->steps.end()) return;
  step->output_note += (step->output_note.empty() ? "" : "; ") + text;
  save(txn, *found);
}

void Commands::forgetOld(store::Txn& txn) {
  const auto limit = orderKey(txn.now() - history_, "");
  std::size_t forgotten = 0;
  for (const auto& record : txn.records().scan(kCommandOrder, "", forget_after_, kForgetAtOnce)) {
    if (record.key >= limit) break;
    ++forgotten;
    forget_after_ = record.key;
    const auto id = record.key.substr(record.key.find('/') + 1);
    if (const auto command = find(txn, id)) {
      // Commands may live longer than that: TimeoutSeconds goes up to 30 days.
      if (!command->hasEnded()) continue;
      for (const auto& each : invocations(txn, id)) {
        txn.records().erase(kInvocationOrder, orderOnKey(each.instance_id, each.requested, id));
        txn.records().erase(kInvocationKind, each.key());
      }
      for (const auto kind : {kProgressKind, kTargetsKind, kPlanKind, kCommandKind}) txn.records().erase(kind, id);
      for (const auto& listener : forgotten_) listener(txn, id);
    }
    txn.records().erase(kCommandOrder, record.key);
  }
  // Those that stay, since they have not ended, are looked at again in the next round.
  if (forgotten < kForgetAtOnce) forget_after_.clear();
  const auto next = forgotten == kForgetAtOnce ? Duration(kForgetSoon) : Duration(kForgetEvery);
  txn.timers().set({std::string(kForgetTimer), "", txn.now() + next, ""});
}

}  // namespace sp::services::ssm
