// The verbs, one function each; their options as plain values. All print to standard output, errors to standard error,
// and return the exit status.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/environment.h"

namespace sp::cli {

/// Shell code that points the AWS CLI here: eval "$(stillpoint env)".
int envVerb(const Target& target);
/// Replaces this process by the AWS CLI, pointed here.
int awsVerb(const Target& target, const std::vector<std::string>& words);

struct RunOptions {
  /// A file with the input, "-" for standard input; else the input is made from the flags below.
  std::string input_file;
  /// ARN or name of a run that has ended: its input, for the machines that failed in it.
  std::string again;
  std::string tag_key, tag_value;
  std::vector<std::string> instances;
  bool stop = false;
  std::string pre_source, pre_command, post_source, post_command;
  std::string vault, role;
  /// Minutes; 0: the default.
  std::int64_t start_window = 0;
  std::string output_bucket, output_prefix;
  std::string name;
  bool detach = false;
  bool json = false;
  /// Pre- and post-script alone.
  bool rehearsal = false;
};
/// Starts PrePostBackup and watches it; 0 only if every machine reached what was asked.
int runVerb(const Target& target, const RunOptions& options);
/// Watches a run (ARN or name; empty: the newest).
int watchVerb(const Target& target, const std::string& execution, bool json);
/// Redrives an execution of a copy of PrePostBackup: it goes on with the machines that failed. Watches it; 0 only if it succeeds then.
int redriveVerb(const Target& target, const std::string& execution, bool json);
int listVerb(const Target& target, std::size_t limit, bool json);
int showVerb(const Target& target, const std::string& execution, bool json);

struct TailOptions {
  std::string command;
  /// Empty: the only machine the command was sent to.
  std::string instance;
  /// From the first byte on; else the last `last` bytes of each stream, then what comes.
  bool all = false;
  std::uint64_t last = 64 * 1024;
  bool json = false;
};
/// Prints what a command's script prints, to its end; the script's exit code, or 1 where it has none.
int tailVerb(const Target& target, const TailOptions& options);

struct EventsOptions {
  std::string bus = "default";
  /// Of EventBridge, JSON; empty: all events.
  std::string pattern;
  bool follow = false;
  bool json = false;
};
/// Prints what happens on an event bus, a line for each event, until it is interrupted; 2 without `follow`.
int eventsVerb(const Target& target, const EventsOptions& options);

struct DeadOptions {
  /// Name of the queue; empty (list): all queues.
  std::string queue;
  std::vector<std::string> letters;
  bool all = false;
  bool json = false;
};
/// What could not be delivered: the queues, or a queue's letters.
int deadListVerb(const Target& target, const DeadOptions& options);
/// The first of `letters` with its message.
int deadShowVerb(const Target& target, const DeadOptions& options);
/// Delivers letters once more, or (`send` false) deletes them; 1 if some are not there, 2 unless either ids or `all` are given.
int deadSendVerb(const Target& target, const DeadOptions& options, bool send);

struct RestoreOptions {
  std::string recovery_point;
  std::string instance;
  std::string target_path;
  std::vector<std::string> include_paths;
  bool in_place = false;
  std::string role;
  bool json = false;
};
int restoreVerb(const Target& target, const RestoreOptions& options);
int instanceListVerb(const Target& target, bool json);
/// What the server tells of itself: disk, store, machines, debts; 1 if something is wrong now.
int statusVerb(const Target& target, bool json);
struct InstanceOptions {
  /// "exec", "qemu", "none"; empty: as it is (power), or found by the options below (add).
  std::string driver;
  /// A JSON file with the driver's description ("-": standard input); else it is made from the commands.
  std::string power_file;
  /// Each a JSON list of words, or words with blanks between them.
  std::string start, stop, status, force_stop, argv;
  std::string guest_agent;
  std::int64_t stop_timeout = 0;
  std::string held_by, hostname;
  std::vector<std::string> volumes;
  bool no_volumes = false;
  /// KEY=VALUE.
  std::vector<std::string> tags;
  std::string name;
  std::vector<std::string> removed_tags;
  std::string instance;
  bool json = false;
};
/// Makes a record for a machine that is there, and waits until its driver has told its state: 1 if it cannot.
int instanceAddVerb(const Target& target, const InstanceOptions& options);
/// Another driver, holder or other volumes.
int instancePowerVerb(const Target& target, const InstanceOptions& options);
int instanceTagVerb(const Target& target, const InstanceOptions& options);
/// Forgets the record; the machine is left as it is.
int instanceRemoveVerb(const Target& target, const InstanceOptions& options);
int vaultKeyExportVerb(const Target& target, const std::string& vault, bool json);
/// The machines' repositories of a vault ("": of all), looked through anew for snapshots that no job made.
int vaultShowVerb(const Target& target, const std::string& vault, bool json);

/// Rules by schedule, schedules and backup plans: their next runs in words, in UTC and local time, and what they would work on now.
int scheduleListVerb(const Target& target, bool json);
/// Pauses a backup plan (by id), or has it run again.
int planPauseVerb(const Target& target, const std::string& plan, bool pause, bool json);

struct EnrolOptions {
  std::string name;
  std::string instance;
  std::vector<std::pair<std::string, std::string>> tags;
  std::int64_t seconds = 0;
  std::int64_t uses = 1;
  bool json = false;
};
/// Makes an enrolment token and prints it, with what to do with it.
int enrolVerb(const Target& target, const EnrolOptions& options);
int enrolListVerb(const Target& target, bool json);
int enrolRevokeVerb(const Target& target, const std::string& token);
int instanceRevokeVerb(const Target& target, const InstanceOptions& options);

struct DemoOptions {
  bool keep = false;
  /// A directory that `--keep` left: end what runs there and remove it.
  std::string stop;
};
int demoVerb(const DemoOptions& options);

/// Completion scripts for bash and zsh.
int completionVerb(const std::string& shell);

}  // namespace sp::cli
