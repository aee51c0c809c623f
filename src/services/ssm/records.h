// What is kept of a SendCommand: the command, and one invocation for each machine.
// Kinds: "command" (key: id) for what never changes, "command_progress" (key: id) for what does, "command_targets" (key: id) for its
// machines, "command_order" (key: time/id, for lists newest first), "invocation" (key: command/instance),
// "invocation_order" (key: instance/time/command), "command_plan" (key: id; what each machine is to do, model/documents/plan.h),
// "command_promise" (key: the promise's id; a command that a machine may make).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::services::ssm {

/// Whether an invocation or a command of that status will not change any more.
bool isTerminal(std::string_view status);

/// One step of an invocation: CommandPlugin in the API.
struct StepRecord {
  /// The step's name in the document ("runShellScript", "downloadContent"); for AWS-RunShellScript its plugin's name.
  std::string name;
  /// "aws:runShellScript", "aws:downloadContent" …; of a step that runs another document "aws:runDocument".
  std::string plugin;
  /// Why it is not for this machine; empty: it is.
  std::string skipped;
  /// AWS's words: Pending, InProgress, Success, Failed, TimedOut, Cancelled.
  std::string status = "Pending";
  /// Like status, but ExecutionTimedOut, DeliveryTimedOut, Undeliverable, Terminated … told apart.
  std::string details = "Pending";
  std::int64_t exit_code = -1;
  /// The first 48 KiB of each stream, and how many bytes there were.
  std::string output;
  std::string error;
  std::int64_t output_bytes = 0;
  std::int64_t error_bytes = 0;
  /// What of the whole output is not kept, in words; empty: nothing is missing.
  std::string output_note;
  /// Hex SHA-256 of the script that ran; empty where the step has none or it did not begin.
  std::string sha256;
  /// {userUs, systemUs, maxRssKiB, readBytes, writtenBytes, durationMs} of the script and all its children; empty while it runs.
  json::Object usage;
  /// The same for each script of a step that runs another document: [{name, sha256}], the first hundred.
  json::Array scripts;
  /// What a download fetched: [{path, bytes, sha256}], the first hundred.
  json::Array files;
  std::optional<Instant> started;
  std::optional<Instant> ended;
};

struct Invocation {
  std::string command_id;
  std::string instance_id;
  std::string document_name;
  std::string comment;
  /// Status as stored; what the API shows as Delayed is a Pending one whose machine's agent is away (Commands::shown).
  std::string status = "Pending";
  std::string details = "Pending";
  Instant requested;
  std::optional<Instant> ended;
  /// Where it stands among the command's machines. Those before Command::next have been let go by rate control.
  std::int64_t place = -1;
  /// Its request has gone to the agent's queue; before, rate control holds it. Not in its record: Commands tells it by its place.
  bool dispatched = false;
  /// The agent has confirmed that it has it.
  bool accepted = false;
  /// It ended without the agent's word, or without its knowing, and may have run all the same.
  bool may_have_run = false;
  /// The agent would not take it: surely nothing of it has run.
  bool never_ran = false;
  std::vector<StepRecord> steps;
  /// Of a freeze: its machine thaws by itself when the server is away for longer than the lease.
  bool guarded = false;
  /// "{id, phase, attempt}" as given to Commands::send; empty for ordinary commands.
  json::Object freeze;
  /// What the agent or the server says beside the steps ("fate unknown …").
  std::string message;

  bool hasEnded() const { return isTerminal(status); }
  std::string key() const { return command_id + "/" + instance_id; }
  /// Id of its request to the agent.
  std::string requestId() const { return "cmd/" + key(); }

  json::Object encode() const;
  static Result<Invocation> decode(const json::Object& body);
};

/// The step of that name, or the one whose part it is ("STEP/PART").
std::vector<StepRecord>::iterator stepOf(Invocation& invocation, std::string_view name);

struct Command {
  std::string id;
  std::string document_name;
  /// As asked: "$DEFAULT", "$LATEST", "1" or "".
  std::string document_version;
  std::string comment;
  /// As given: lists by parameter name.
  json::Object parameters;
  std::vector<std::string> instance_ids;
  json::Array targets;
  Instant requested;
  /// requested + TimeoutSeconds + the document's execution timeout.
  Instant expires;
  std::int64_t timeout_seconds = 3600;
  std::int64_t execution_seconds = 3600;
  std::string max_concurrency = "50";
  std::string max_errors = "0";
  std::string output_bucket;
  std::string output_prefix;
  std::string output_region;
  std::string service_role;
  json::Object notification;
  json::Object cloudwatch;
  std::string status = "Pending";
  std::string details = "Pending";
  std::int64_t target_count = 0;
  /// How many invocations have ended, by their status details.
  std::map<std::string, std::int64_t> tally;
  /// How many invocations rate control still holds back, the place of the next of them in the command's machines, and those
  /// behind it that have ended all the same (cancelled, machine gone).
  std::int64_t waiting = 0;
  std::int64_t next = 0;
  std::vector<std::string> passed_over;
  /// How many invocations rate control lets run at once now: starts at 1, grows with each that ends, up to MaxConcurrency.
  std::int64_t window = 1;
  /// Who sent it: an ARN, or what Commands::send was told ("run:ARN").
  std::string by;
  json::Object freeze;
  /// What its machine may run by itself after it (Commands::promise); empty: nothing.
  std::string promise;
  /// Variables for its scripts beside those that Run Command sets: name → text.
  json::Object environment;
  /// The same for retries of one call; empty: none.
  std::string dedup_key;

  bool hasEnded() const { return isTerminal(status); }

  /// What never changes after SendCommand …
  json::Object encode() const;
  static Result<Command> decode(const json::Object& body);
  /// … and what does: status, details, tally, waiting, next, passed_over, window. Written with every result, so it is kept small.
  json::Object encodeProgress() const;
  Result<void> decodeProgress(const json::Object& body);
};

}  // namespace sp::services::ssm
