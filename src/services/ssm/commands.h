// Run Command: sends documents to machines, follows their invocations, ends them when time is up. Core thread only.
//
// SendCommand makes the command and all its invocations in one commit; rate control lets some of them go to their
// agents' queues; an agent's answer ends its invocation and lets the next one go. Deadlines are timers in the store.
// AWS: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html,
// https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html.
#pragma once
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "services/context.h"
#include "services/ec2/instances.h"
#include "services/s3/objects.h"
#include "services/ssm/documents/library.h"
#include "services/ssm/records.h"
#include "services/ssm/send_input.h"
#include "services/watch.h"

namespace sp::services::ssm {

struct SendSpec {
  /// SendCommand's input as decoded.
  json::Object input;
  /// Recorded as the sender: the caller's ARN, or "run:EXECUTION_ARN".
  std::string by;
  /// The same for retries of one call; a second send with it returns the first command. Empty: none.
  std::string dedup_key;
  /// {id, phase: "freeze"|"thaw", attempt}, and of a freeze that its machine guards lease: handed on to the agent, shown in the
  /// invocation. Absent for ordinary commands.
  std::optional<json::Object> freeze;
  /// Variables for its scripts beside those that Run Command sets (PRE_STATUS …).
  std::map<std::string, std::string> environment;
  /// Of a freeze: what promise() gave for its thaw, which goes to the machine with it. Empty: none.
  std::string promise{};
};

class Commands {
 public:
  /// Registers its handlers for reports, timers and power changes: before the core starts. All given outlive it.
  Commands(Context& context, ec2::Instances& instances, s3::Objects& objects);
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  /// How long commands and their invocations are kept after SendCommand; 30 days unless told. Before the core starts.
  void setHistory(std::chrono::hours kept) { history_ = kept; }
  /// How many invocations may be open at once; a command that would go beyond ends at once, LimitExceeded. Before the core starts.
  void setMostOpen(std::int64_t most) { most_open_ = most; }

  /// SendCommand. The command, or what AWS answers to such input (InvalidInstanceId, InvalidParameters …). One that has ended within the
  /// call (no machine, too many open invocations) has told its listeners before this returns.
  std::expected<Command, aws::ApiError> send(store::Txn& txn, const SendSpec& spec);
  /// What send() would answer to that input but for its machines; nothing is sent.
  std::expected<void, aws::ApiError> check(store::Txn& txn, const json::Object& input) const;

  /// A command for one machine that this machine may run by itself, several times: the thaw of a freeze ({id, phase: "thaw"}) whose
  /// command is sent with the promise's id. What send() would answer, and InvalidParameters where a file that it downloads is missing.
  /// A promised command comes into being when its machine speaks of it: as if it had been sent and taken just then, with
  /// {id, phase, attempt, guard: true} as its freeze.
  std::expected<std::string, aws::ApiError> promise(store::Txn& txn, const SendSpec& spec);
  /// Nothing comes of it any more; what has come of it stays. Harmless for an id that is none.
  void forgetPromise(store::Txn& txn, std::string_view id);
  /// What it promises, if it was promised to that machine.
  std::optional<document::Plan> promisedSteps(store::Txn& txn, std::string_view id, std::string_view instance_id) const;
  /// The machine spoke of that command: makes it if it was promised to it, as begun so long ago. Whether it is, or was before, a command of
  /// its guard.
  bool guardSpoke(store::Txn& txn, const std::string& command_id, const std::string& instance_id, Duration ago = Duration(0));

  /// CancelCommand for these instances, or for all if empty; best effort. InvalidCommandId, InvalidInstanceId.
  std::expected<void, aws::ApiError> cancel(store::Txn& txn, std::string_view command_id, const std::vector<std::string>& instance_ids);

  std::optional<Command> find(store::Txn& txn, std::string_view command_id) const;
  std::optional<Invocation> invocation(store::Txn& txn, std::string_view command_id, std::string_view instance_id) const;
  /// What its machines are to do; nothing if the command is not known.
  document::Plan stepsOf(store::Txn& txn, std::string_view command_id) const;
  /// The machines it was sent to, in their order.
  std::vector<std::string> targetsOf(store::Txn& txn, std::string_view command_id) const;
  /// All invocations of a command, ordered by instance id.
  std::vector<Invocation> invocations(store::Txn& txn, std::string_view command_id) const;
  /// Newest first, strictly older than the position ("" from the newest), at most `limit`; `position` moves on.
  std::vector<Command> newest(store::Txn& txn, std::string& position, std::size_t limit) const;
  /// The same for the invocations on one machine.
  std::vector<Invocation> newestOn(store::Txn& txn, std::string_view instance_id, std::string& position, std::size_t limit) const;

  /// The status to show: "Delayed" for an invocation that waits for an agent that is away.
  std::string shownStatus(const Invocation& invocation) const;
  std::string shownDetails(const Invocation& invocation) const;

  /// In the transaction in which an invocation gets its final status, whatever it is.
  using InvocationEnded = std::function<void(store::Txn&, const Invocation&)>;
  void onInvocationEnded(InvocationEnded listener) { invocation_ended_.push_back(std::move(listener)); }
  /// The same for the command, after its last invocation. Within send() when it went to no machine.
  using CommandEnded = std::function<void(store::Txn&, const Command&)>;
  void onCommandEnded(CommandEnded listener) { command_ended_.push_back(std::move(listener)); }

  /// In the transaction in which a command is made, before its first machine hears of it.
  void onCreated(CommandEnded listener) { created_.push_back(std::move(listener)); }
  /// Every write of a command's progress but the first one.
  void watch(Watch<Command> watch) { command_watch_ = std::move(watch); }
  /// Every write of an invocation but the first one.
  void watch(Watch<Invocation> watch) { invocation_watch_ = std::move(watch); }

  /// In the transaction in which a command that has ended is forgotten.
  using Forgotten = std::function<void(store::Txn&, const std::string& command_id)>;
  void onForgotten(Forgotten listener) { forgotten_.push_back(std::move(listener)); }

  /// Writes down what of a step's output is not kept.
  void noteOutput(store::Txn& txn, const std::string& command_id, const std::string& instance_id, const std::string& step_name,
                  const std::string& text);

  /// Invocations on that machine that have not ended, ordered by command id.
  std::vector<Invocation> openOn(store::Txn& txn, std::string_view instance_id) const;

 private:
  /// What never changes of a command, read once while it is busy.
  struct Plan {
    Command command;
    std::vector<std::string> targets;
    document::Plan steps;
    /// It is durably known that it has left Pending.
    mutable bool begun = false;
  };
  std::shared_ptr<const Plan> plan(store::Txn& txn, std::string_view command_id) const;
  /// The input and its document, as far as they are right without a look at the machines.
  std::expected<std::pair<SendInput, PlannedDocument>, aws::ApiError> read(store::Txn& txn, const json::Object& given) const;
  /// The machine of the next invocation that rate control holds back; nullopt: there is none. It is counted as let go.
  std::optional<std::string> letGo(store::Txn& txn, Command& command) const;
  /// An invocation that was held back ends: it is not let go any more.
  static void passOver(Command& command, const std::string& instance_id);
  std::optional<Invocation> invocationOf(store::Txn& txn, const Command& command, std::string_view instance_id) const;
  /// As it lies in the store, without its command's word on whether it was let go.
  std::optional<Invocation> invocationAt(store::Txn& txn, std::string_view key) const;
  void eachOpen(store::Txn& txn, const std::function<void(const Command&)>& visit) const;
  /// Its progress; the rest was written by create().
  void save(store::Txn& txn, const Command& command) const;
  void save(store::Txn& txn, const Invocation& invocation) const;
  struct Aimed {
    SendInput input;
    PlannedDocument planned;
    std::vector<std::string> targets;
    /// Whether its document is for such machines.
    bool fits = false;
  };
  /// The same with its machines.
  std::expected<Aimed, aws::ApiError> aim(store::Txn& txn, const json::Object& given) const;
  /// For no machine yet.
  Command describe(store::Txn& txn, const SendSpec& spec, const SendInput& input, const PlannedDocument& planned) const;
  Command create(store::Txn& txn, const SendSpec& spec, const SendInput& input, const PlannedDocument& planned,
                 const std::vector<std::string>& targets);
  /// The new command with its invocations; those whose place is before its `next` are on their machines already.
  void put(store::Txn& txn, const Command& command, const std::vector<std::string>& targets, const document::Plan& plan);
  /// Ends all of a command that has just been made, without a machine having heard of it.
  std::vector<Invocation> endUnsent(store::Txn& txn, Command& command, std::string_view details, const std::string& why);
  /// Whether so many invocations more are too many.
  bool tooMany(store::Txn& txn, std::size_t more);
  void countOpen(store::Txn& txn, std::int64_t change);
  void dispatch(store::Txn& txn, const Command& command, const std::string& instance_id);
  /// What its agent is told, but for what makes it a request.
  json::Object runMessage(store::Txn& txn, const Command& command, const document::Plan& plan, const std::string& instance_id) const;
  /// The same of a promise.
  std::optional<json::Object> promisedRun(store::Txn& txn, std::string_view id) const;
  json::Object agentStep(store::Txn& txn, const Command& command, const document::PlannedStep& step) const;
  void addFiles(store::Txn& txn, const Command& command, const document::PlannedStep& step, json::Object& message) const;
  /// Invocations that have just been given their end: saves them, lets the next ones go or ends the command, tells.
  void finish(store::Txn& txn, Command& command, std::vector<Invocation> ended);
  void record(store::Txn& txn, Command& command, const Invocation& invocation) const;
  void advance(store::Txn& txn, Command& command, std::vector<Invocation>& ended);
  /// Whether its agent has it or may have it.
  bool mayRun(store::Txn& txn, const Invocation& invocation) const;
  bool cancelOne(store::Txn& txn, Command& command, Invocation& invocation);
  void handleAccepted(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleResult(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleRefused(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleAbsent(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleUnasked(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleHello(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleExpiry(store::Txn& txn, const std::string& command_id);
  void handleGone(store::Txn& txn, const Instance& instance);
  void forgetOld(store::Txn& txn);
  std::optional<std::pair<Command, Invocation>> reported(store::Txn& txn, const std::string& agent, const json::Object& message) const;

  Context& context_;
  ec2::Instances& instances_;
  s3::Objects& objects_;
  std::chrono::hours history_{24 * 30};
  std::int64_t most_open_ = 1'000'000;
  /// Open invocations; counted once, then kept with each commit.
  std::optional<std::int64_t> open_;
  std::vector<InvocationEnded> invocation_ended_;
  std::vector<CommandEnded> command_ended_;
  /// The latest that were asked for, by command id; the least recently used goes.
  mutable std::list<std::pair<std::string, std::shared_ptr<const Plan>>> plans_;
  std::vector<Forgotten> forgotten_;
  /// How far forgetOld() has come in this round.
  std::string forget_after_;
  std::vector<CommandEnded> created_;
  Watch<Command> command_watch_;
  Watch<Invocation> invocation_watch_;
};

}  // namespace sp::services::ssm
