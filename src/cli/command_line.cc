// The command line: every verb, its flags, its help with examples. CLI11 stands in this file only.
#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/strings.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/verbs/verbs.h"

namespace sp::cli {
namespace {

int withTarget(const std::optional<std::string>& data_dir, const std::function<int(const Target&)>& verb) {
  const auto target = findTarget(data_dir);
  if (!target) {
    fmt::print(stderr, "stillpoint: {}\n", target.error().text());
    return 1;
  }
  return verb(*target);
}

/// What the parsed verb does; filled by the callbacks of CLI11.
struct Command {
  std::optional<std::string> data_dir;
  std::function<int()> action;
};

constexpr std::int64_t kListMost = 1'000'000;
constexpr std::int64_t kTailMost = 1LL << 40;

/// Looked at as text: what is no such number never becomes one.
CLI::Validator wholeNumber(std::int64_t least, std::int64_t most) {
  return {[least, most](std::string& text) {
            const auto number = parseInt(text);
            return number && *number >= least && *number <= most ? std::string()
                                                                 : fmt::format("{} is not a whole number from {} to {}", text, least, most);
          },
          fmt::format("[{} to {}]", least, most)};
}

void addDataDir(CLI::App& verb, Command& command) {
  verb.add_option_function<std::string>(
      "--data-dir", [&command](const std::string& value) { command.data_dir = value; },
      "data directory of the server to talk to (default: /var/lib/stillpoint as root, else $XDG_STATE_HOME/stillpoint)");
}

void addServe(CLI::App& app, Command& command, const Hooks& hooks) {
  auto& verb = *app.add_subcommand("serve", "run the server: AWS APIs, agents, workflow engine, store");
  verb.footer(
      "Examples:\n  stillpoint serve\n  stillpoint serve --data-dir /srv/stillpoint --listen 127.0.0.1:0\n  stillpoint serve --config "
      "/etc/stillpoint.toml");
  auto flags = std::make_shared<ServeFlags>();
  auto list = std::make_shared<bool>(false);
  verb.add_option("--data-dir", flags->data_dir, "where everything durable lies");
  verb.add_option("--config", flags->config, "configuration file (TOML); flags win over it");
  verb.add_option("--listen", flags->listen, "ADDR:PORT of the API (default 127.0.0.1:4747; port 0: any free one)");
  verb.add_option("--console-listen", flags->console_listen, "ADDR:PORT of the console (default 127.0.0.1:4748)");
  verb.add_option("--agent-listen", flags->agent_listen, "ADDR:PORT of the agents' port (default 127.0.0.1:4749)");
  verb.add_flag("--insecure", flags->insecure, "allow addresses that are not loopback without TLS");
  verb.add_option("--failpoints", flags->failpoints, "fail points file, for tests")->group("");
  verb.add_flag("--list-failpoints", *list, "print the fail points there are")->group("");
  verb.callback([&command, &hooks, flags, list] {
    command.action = [&hooks, flags, list] {
      if (!*list) return hooks.serve(*flags);
      fmt::print("{}", hooks.failpoint_list);
      return 0;
    };
  });
}

void addAgent(CLI::App& app, Command& command, const Hooks& hooks) {
  auto& verb = *app.add_subcommand("agent", "run the agent of a host: scripts and backups for the server");
  verb.footer(
      "A new host enrols with a one-time token of `stillpoint enrol`; from then on its certificate counts, and token and server are not "
      "needed.\n"
      "Other users can read a process's command line: rather than --token give --token-file, or the variable STILLPOINT_ENROL_TOKEN.\n"
      "Examples:\n"
      "  stillpoint agent --server backup.example.org:4749 --token-file /root/token\n"
      "  stillpoint agent --state-dir /var/lib/stillpoint-agent");
  auto flags = std::make_shared<AgentFlags>();
  verb.add_option("--state-dir", flags->state_dir, "its state: certificate, journal, runs")->default_val("/var/lib/stillpoint-agent");
  verb.add_option("--server", flags->server, "HOST:PORT of the server's agents' port, to enrol with");
  auto* token =
      verb.add_option("--token", flags->token, "the enrolment token: ID.SECRET.PIN, or ACTIVATIONID:CODE of SSM's CreateActivation");
  verb.add_option("--token-file", flags->token_file, "a file that holds the token")->excludes(token);
  verb.add_option(
      "--machine-id-file", flags->machine_id_file,
      "a file with what names this hardware and no copy of its disks (default: DMI's product UUID, or the device tree's serial number)");
  verb.add_option(
      "--run-as", flags->run_as,
      "a user that scripts may run as (may be repeated); the first one is taken where a command asks for none. Default: any, and the "
      "agent's own user");
  verb.add_option("--machines-dir", flags->machines_dir, "where the demo machines lie that this agent powers");
  verb.add_option("--failpoints", flags->failpoints, "fail points file, for tests")->group("");
  verb.callback([&command, &hooks, flags] { command.action = [&hooks, flags] { return hooks.agent(*flags); }; });
}

void addEnvironment(CLI::App& app, Command& command) {
  auto& env = *app.add_subcommand("env", "print shell code that points the AWS CLI and SDKs here");
  env.footer("Example:\n  eval \"$(stillpoint env)\"; aws stepfunctions list-state-machines");
  addDataDir(env, command);
  env.callback([&command] { command.action = [&command] { return withTarget(command.data_dir, envVerb); }; });

  auto& aws = *app.add_subcommand("aws", "run the AWS CLI (any version), pointed here");
  aws.footer("Example:\n  stillpoint aws backup list-backup-jobs");
  aws.prefix_command();
  addDataDir(aws, command);
  aws.callback([&command, &aws] {
    command.action = [&command, words = aws.remaining()] {
      return withTarget(command.data_dir, [&](const Target& target) { return awsVerb(target, words); });
    };
  });
}

void addRun(CLI::App& app, Command& command) {
  auto& verb =
      *app.add_subcommand("run", "back up machines with PrePostBackup and watch it; exit 0 only if every machine reached what was asked");
  verb.footer(
      "Examples:\n"
      "  stillpoint run --tag backup-job=true --vault Default --pre s3://scripts/pre.sh --post s3://scripts/post.sh --stop\n"
      "  stillpoint run --instance i-0123456789abcdef0 --vault Default\n"
      "  stillpoint run --input run.json\n"
      "  stillpoint run --again run-20261124T102301Z-042");
  addDataDir(verb, command);
  auto options = std::make_shared<RunOptions>();
  auto tag = std::make_shared<std::string>();
  auto* input = verb.add_option("--input", options->input_file, "the whole input as a JSON file (- for standard input)");
  auto* by_tag = verb.add_option("--tag", *tag, "KEY=VALUE of the machines to back up");
  auto* by_id = verb.add_option("--instance", options->instances, "id of a machine to back up (may be repeated)");
  verb.add_option("--again", options->again, "ARN or name of a run: with its input, the machines that failed in it")
      ->excludes(input)
      ->excludes(by_tag)
      ->excludes(by_id);
  verb.add_flag("--stop", options->stop, "stop each machine for its backup and start it again");
  verb.add_option("--pre", options->pre_source, "pre-script: s3://BUCKET/KEY");
  verb.add_option("--pre-command", options->pre_command, "command line that runs it (default: its file name)");
  verb.add_option("--post", options->post_source, "post-script: s3://BUCKET/KEY");
  verb.add_option("--post-command", options->post_command, "command line that runs it (default: its file name)");
  verb.add_option("--vault", options->vault, "backup vault")->default_val("Default");
  verb.add_option("--role", options->role, "role ARN of the backup job");
  verb.add_option("--start-window", options->start_window,
                  "minutes that a machine is waited for, which another run or job holds, before it is skipped (default: 480)")
      ->check(CLI::Range(1, 52'560'000));
  verb.add_option("--output-bucket", options->output_bucket, "bucket for the scripts' output");
  verb.add_option("--output-prefix", options->output_prefix, "key prefix of the scripts' output");
  verb.add_option("--name", options->name, "name of the execution (default: made from the time)");
  verb.add_flag("--detach", options->detach, "start it and do not watch");
  verb.add_flag("--json", options->json, "print JSON: the run as it is at its end");
  verb.callback([&command, options, tag] {
    if (!tag->empty()) {
      const auto at = tag->find('=');
      if (at == std::string::npos || at == 0) throw CLI::ValidationError("--tag", "must be KEY=VALUE");
      options->tag_key = tag->substr(0, at);
      options->tag_value = tag->substr(at + 1);
    }
    command.action = [&command, options] {
      return withTarget(command.data_dir, [&](const Target& target) { return runVerb(target, *options); });
    };
  });
}

void addRuns(CLI::App& app, Command& command) {
  auto execution = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto limit = std::make_shared<std::size_t>(20);

  auto& watch = *app.add_subcommand("watch", "watch a run (ARN or name; default: the newest)");
  addDataDir(watch, command);
  watch.add_option("execution", *execution, "ARN or name");
  watch.add_flag("--json", *json, "print JSON, a line for each change");
  watch.callback([&command, execution, json] {
    command.action = [&command, execution, json] {
      return withTarget(command.data_dir, [&](const Target& t) { return watchVerb(t, *execution, *json); });
    };
  });

  auto& redrive = *app.add_subcommand(
      "redrive", "redrive an execution of your own copy of PrePostBackup: it goes on with the machines that failed (see run --again)");
  addDataDir(redrive, command);
  redrive.add_option("execution", *execution, "ARN")->required();
  redrive.add_flag("--json", *json, "print JSON, a line for each change");
  redrive.callback([&command, execution, json] {
    command.action = [&command, execution, json] {
      return withTarget(command.data_dir, [&](const Target& t) { return redriveVerb(t, *execution, *json); });
    };
  });

  auto& list = *app.add_subcommand("list", "list the runs, newest first");
  addDataDir(list, command);
  list.add_option("--limit", *limit, "how many")->default_val("20")->check(wholeNumber(1, kListMost));
  list.add_flag("--json", *json, "print JSON");
  list.callback([&command, limit, json] {
    command.action = [&command, limit, json] {
      return withTarget(command.data_dir, [&](const Target& t) { return listVerb(t, *limit, *json); });
    };
  });

  auto& show = *app.add_subcommand("show", "show a run: each machine, what failed and why (default: the newest)");
  addDataDir(show, command);
  show.add_option("execution", *execution, "ARN or name");
  show.add_flag("--json", *json, "print JSON");
  show.callback([&command, execution, json] {
    command.action = [&command, execution, json] {
      return withTarget(command.data_dir, [&](const Target& t) { return showVerb(t, *execution, *json); });
    };
  });
}

void addRehearse(CLI::App& app, Command& command) {
  auto& verb = *app.add_subcommand(
      "rehearse", "run pre- and post-script alone on one machine, with a run's guarantees: does it thaw, and how long was it frozen?");
  verb.footer("Example:\n  stillpoint rehearse i-0123456789abcdef0 --pre s3://scripts/pre.sh --post s3://scripts/post.sh");
  addDataDir(verb, command);
  auto options = std::make_shared<RunOptions>();
  options->rehearsal = true;
  verb.add_option_function<std::string>(
          "instance", [options](const std::string& id) { options->instances = {id}; }, "id of the machine")
      ->required();
  verb.add_option("--pre", options->pre_source, "pre-script: s3://BUCKET/KEY")->required();
  verb.add_option("--pre-command", options->pre_command, "command line that runs it (default: its file name)");
  verb.add_option("--post", options->post_source, "post-script: s3://BUCKET/KEY")->required();
  verb.add_option("--post-command", options->post_command, "command line that runs it (default: its file name)");
  verb.add_option("--output-bucket", options->output_bucket, "bucket for the scripts' output");
  verb.add_option("--output-prefix", options->output_prefix, "key prefix of the scripts' output");
  verb.add_option("--name", options->name, "name of the execution (default: made from the time)");
  verb.add_flag("--json", options->json, "print JSON: the rehearsal as it is at its end");
  verb.callback([&command, options] {
    command.action = [&command, options] {
      return withTarget(command.data_dir, [&](const Target& target) { return runVerb(target, *options); });
    };
  });
}

void addStatus(CLI::App& app, Command& command) {
  auto& verb = *app.add_subcommand(
      "status", "show the server: disk use, executions, machines, agents, what is owed; exit 0 if nothing is wrong, 1 if something is");
  verb.footer(
      "Each line that begins with ! tells something that is wrong now and what to do: a disk with less than 5 % free, scripts' outputs "
      "that\n"
      "are not kept whole any more, starts and thaws that are overdue or suspended, agents that are not connected any more. The exit "
      "status\n"
      "is 1 then, and when the server does not answer.\n"
      "Examples:\n"
      "  stillpoint status\n"
      "  stillpoint status --json | jq '.Warnings'");
  addDataDir(verb, command);
  auto json = std::make_shared<bool>(false);
  verb.add_flag("--json", *json, "print JSON: DescribeServer's answer");
  verb.callback([&command, json] {
    command.action = [&command, json] { return withTarget(command.data_dir, [&](const Target& t) { return statusVerb(t, *json); }); };
  });
}

void addTail(CLI::App& app, Command& command) {
  auto& verb = *app.add_subcommand("tail", "print what a command's script prints, while it runs; ends with the script's exit code");
  verb.footer(
      "Examples:\n"
      "  stillpoint tail 0f3a…            the command's only machine\n"
      "  stillpoint tail 0f3a… i-0123456789abcdef0 --all > output");
  addDataDir(verb, command);
  auto options = std::make_shared<TailOptions>();
  verb.add_option("command", options->command, "id of the command")->required();
  verb.add_option("instance", options->instance, "id of the machine");
  verb.add_flag("--all", options->all, "the whole output from its first byte on");
  verb.add_option("--last", options->last, "how many bytes of what was printed before to begin with")
      ->default_val("65536")
      ->check(wholeNumber(0, kTailMost));
  verb.add_flag("--json", options->json, "print JSON, a line for each event; the last but one tells status, resources used and hashes");
  verb.callback([&command, options] {
    command.action = [&command, options] { return withTarget(command.data_dir, [&](const Target& t) { return tailVerb(t, *options); }); };
  });
}

void addDead(CLI::App& events, Command& command) {
  auto& dead = *events.add_subcommand("dead", "what could not be delivered, by the queue that DeadLetterConfig names");
  dead.footer(
      "Examples:\n"
      "  stillpoint events dead list\n"
      "  stillpoint events dead list failed-backups\n"
      "  stillpoint events dead send failed-backups --all");
  dead.require_subcommand(1);
  auto options = std::make_shared<DeadOptions>();
  using Verb = int (*)(const Target&, const DeadOptions&);
  const auto add = [&](const char* name, const char* words, Verb verb) -> CLI::App& {
    auto& sub = *dead.add_subcommand(name, words);
    addDataDir(sub, command);
    sub.add_flag("--json", options->json, "print JSON");
    sub.callback([&command, options, verb] {
      command.action = [&command, options, verb] {
        return withTarget(command.data_dir, [&](const Target& t) { return verb(t, *options); });
      };
    });
    return sub;
  };
  auto& list = add("list", "the queues, or the letters of one", deadListVerb);
  list.add_option("queue", options->queue, "name of the queue");
  auto& show = add("show", "one letter: why it failed, and its message", deadShowVerb);
  show.add_option("queue", options->queue, "name of the queue")->required();
  show.add_option("letter", options->letters, "id of the letter")->required()->expected(1);
  for (const bool send : {true, false}) {
    auto& sub = send ? add("send", "deliver letters once more, each once",
                           [](const Target& t, const DeadOptions& o) { return deadSendVerb(t, o, true); })
                     : add("delete", "delete letters", [](const Target& t, const DeadOptions& o) { return deadSendVerb(t, o, false); });
    sub.add_option("queue", options->queue, "name of the queue")->required();
    sub.add_option("letters", options->letters, "ids of the letters");
    sub.add_flag("--all", options->all, "all that are there now");
  }
}

void addEvents(CLI::App& app, Command& command) {
  auto& verb = *app.add_subcommand("events", "print what happens: a line for each event of an event bus, as it comes");
  verb.footer(
      "Examples:\n"
      "  stillpoint events --follow\n"
      "  stillpoint events --follow --json --pattern '{\"source\":[\"aws.backup\"],\"detail\":{\"state\":[\"FAILED\"]}}'");
  addDataDir(verb, command);
  auto options = std::make_shared<EventsOptions>();
  verb.add_flag("--follow,-f", options->follow, "until it is interrupted; events are not kept, so there is nothing else to show");
  verb.add_option("--bus", options->bus, "name of the event bus")->default_val("default");
  verb.add_option("--pattern", options->pattern, "only events that this pattern of EventBridge matches");
  verb.add_flag("--json", options->json, "print each event as JSON, one a line");
  addDead(verb, command);
  verb.callback([&command, &verb, options] {
    if (!verb.get_subcommands().empty()) return;
    command.action = [&command, options] { return withTarget(command.data_dir, [&](const Target& t) { return eventsVerb(t, *options); }); };
  });
}

void addRestore(CLI::App& app, Command& command) {
  auto& verb = *app.add_subcommand("restore", "restore a recovery point and watch it");
  verb.footer(
      "Examples:\n"
      "  stillpoint restore --recovery-point arn:aws:backup:…:recovery-point:… --to /srv/restored\n"
      "  stillpoint restore --recovery-point ARN --instance i-0123456789abcdef0 --to /var/restore --include /etc");
  addDataDir(verb, command);
  auto options = std::make_shared<RestoreOptions>();
  verb.add_option("--recovery-point", options->recovery_point, "ARN of the recovery point")->required();
  verb.add_option("--to", options->target_path, "directory to restore into; must be empty or absent");
  verb.add_option("--instance", options->instance, "machine to restore on (default: the server's own host)");
  verb.add_option("--include", options->include_paths, "restore only this path (may be repeated)");
  verb.add_flag("--in-place", options->in_place, "over the files at their own paths (only with --instance)");
  verb.add_option("--role", options->role, "role ARN of the restore job");
  verb.add_flag("--json", options->json, "print JSON");
  verb.callback([&command, options] {
    command.action = [&command, options] {
      return withTarget(command.data_dir, [&](const Target& t) { return restoreVerb(t, *options); });
    };
  });
}

void addPowerOptions(CLI::App& verb, InstanceOptions& options) {
  verb.add_option("--driver", options.driver, "how it is powered: exec, qemu or none")->check(CLI::IsMember({"exec", "qemu", "none"}));
  auto* file = verb.add_option("--power", options.power_file, "JSON file with the driver's description (- for standard input)");
  verb.add_option("--start", options.start, "exec: the command that starts it, words or a JSON list of words")->excludes(file);
  verb.add_option("--stop", options.stop, "exec: the command that asks it to shut down")->excludes(file);
  verb.add_option("--status", options.status, "exec: the command that prints whether it runs or is off")->excludes(file);
  verb.add_option("--force-stop", options.force_stop, "exec: the command that ends it without asking")->excludes(file);
  verb.add_option("--argv", options.argv, "qemu: its command line, words or a JSON list of words")->excludes(file);
  verb.add_option("--guest-agent", options.guest_agent, "qemu: the socket of the guest agent's port")->excludes(file);
  verb.add_option("--stop-timeout", options.stop_timeout, "seconds a graceful stop may take (default: the server's stop limit)")
      ->excludes(file);
  verb.add_option("--held-by", options.held_by, "the agent that holds the driver: host (default), or a machine's id");
  verb.add_option("--volume", options.volumes, "path on the holder's host with its data while it is stopped (may be repeated)");
}

void addInstances(CLI::App& app, Command& command) {
  auto options = std::make_shared<InstanceOptions>();
  auto& instance = *app.add_subcommand("instance", "the machines: list them, add one that is there already, how it is powered");
  instance.require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, int (*run)(const Target&, const InstanceOptions&)) -> CLI::App& {
    auto& made = *instance.add_subcommand(name, help);
    addDataDir(made, command);
    made.add_flag("--json", options->json, "print JSON");
    made.callback([&command, options, run] {
      command.action = [&command, options, run] { return withTarget(command.data_dir, [&](const Target& t) { return run(t, *options); }); };
    });
    return made;
  };
  verb("list", "list the machines", [](const Target& t, const InstanceOptions& o) { return instanceListVerb(t, o.json); });

  auto& add = verb("add", "add a machine that is there already, and wait until its driver has told its state", instanceAddVerb);
  add.footer(
      "Examples:\n"
      "  stillpoint instance add --name mail --driver none\n"
      "  stillpoint instance add --name db1 --tag backup=nightly --volume /var/lib/libvirt/images/db1.qcow2 \\\n"
      "    --start '/usr/bin/virsh start db1' --stop '/usr/bin/virsh shutdown db1' --status '/usr/bin/virsh domstate db1'");
  addPowerOptions(add, *options);
  add.add_option("--name", options->name, "its tag Name");
  add.add_option("--tag", options->tags, "KEY=VALUE (may be repeated)");
  add.add_option("--hostname", options->hostname, "its host name");

  auto& power = verb("power", "change how an added machine is powered", instancePowerVerb);
  power.footer("Example:\n  stillpoint instance power i-0123456789abcdef0 --volume /dev/vg0/db1");
  power.add_option("instance", options->instance, "its id")->required();
  addPowerOptions(power, *options);
  power.add_flag("--no-volumes", options->no_volumes, "it cannot be read while it is stopped");
  power.add_option("--hostname", options->hostname, "its host name");

  auto& tag = verb("tag", "set and delete tags of a machine", instanceTagVerb);
  tag.footer("Example:\n  stillpoint instance tag i-0123456789abcdef0 backup=nightly --remove old");
  tag.add_option("instance", options->instance, "its id")->required();
  tag.add_option("tags", options->tags, "KEY=VALUE …");
  tag.add_option("--remove", options->removed_tags, "key of a tag to delete (may be repeated)");

  auto& remove = verb("remove", "forget an added machine; it goes on as it is, and its recovery points stay", instanceRemoveVerb);
  remove.add_option("instance", options->instance, "its id")->required();

  auto& revoke = verb("revoke", "shut a machine's agent out at once: its certificate counts no longer", instanceRevokeVerb);
  revoke.add_option("instance", options->instance, "its id")->required();
}

std::int64_t secondsOf(const std::string& text) {
  const auto unit = text.empty() ? ' ' : text.back();
  const bool named = unit == 's' || unit == 'm' || unit == 'h' || unit == 'd';
  const auto number = named ? parseInt(std::string_view(text).substr(0, text.size() - 1)) : std::nullopt;
  constexpr std::int64_t kMost = 1'000'000;
  if (!number || *number < 1 || *number > kMost)
    throw CLI::ValidationError("--expires", fmt::format("'{}' must be a number from 1 to {} with s, m, h or d: 15m, 24h", text, kMost));
  return *number * (unit == 'm' ? 60 : unit == 'h' ? 3600 : unit == 'd' ? 86'400 : 1);
}

void addEnrol(CLI::App& app, Command& command) {
  auto& verb = *app.add_subcommand("enrol", "make a one-time token by which a host becomes an agent of this server");
  verb.footer(
      "Examples:\n"
      "  stillpoint enrol --name db1 --tag backup-job=true\n"
      "  stillpoint enrol --instance i-0123456789abcdef0      (a machine that is known already)\n"
      "  stillpoint enrol list\n"
      "  stillpoint enrol revoke et-0123456789ab");
  verb.require_subcommand(0, 1);
  addDataDir(verb, command);
  auto options = std::make_shared<EnrolOptions>();
  auto expires = std::make_shared<std::string>("15m");
  auto tags = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  auto id = std::make_shared<std::string>();
  verb.add_option("--name", options->name, "name of the new machine (tag Name)");
  verb.add_option("--tag", *tags, "KEY=VALUE for the new machine (may be repeated)");
  verb.add_option("--instance", options->instance, "the machine that is to enrol: one that was added before, or must enrol again");
  verb.add_option("--expires", *expires, "how long the token is good: 90s, 15m, 24h, 30d at most")->default_val("15m");
  verb.add_option("--uses", options->uses, "how many hosts may enrol by it (1 to 1000)")->default_val("1");
  verb.add_flag("--json", *json, "print JSON");
  auto& list = *verb.add_subcommand("list", "list the tokens (their secrets are not kept)");
  addDataDir(list, command);
  list.add_flag("--json", *json, "print JSON");
  auto& revoke = *verb.add_subcommand("revoke", "take a token back; who has enrolled by it stays (see instance revoke)");
  addDataDir(revoke, command);
  revoke.add_option("token", *id, "id of the token: et-… or an activation's")->required();
  verb.callback([&command, &list, &revoke, options, expires, tags, json, id] {
    options->json = *json;
    if (list.parsed()) {
      command.action = [&command, json] { return withTarget(command.data_dir, [&](const Target& t) { return enrolListVerb(t, *json); }); };
      return;
    }
    if (revoke.parsed()) {
      command.action = [&command, id] { return withTarget(command.data_dir, [&](const Target& t) { return enrolRevokeVerb(t, *id); }); };
      return;
    }
    options->seconds = secondsOf(*expires);
    for (const auto& tag : *tags) {
      const auto at = tag.find('=');
      if (at == std::string::npos || at == 0) throw CLI::ValidationError("--tag", "must be KEY=VALUE");
      options->tags.emplace_back(tag.substr(0, at), tag.substr(at + 1));
    }
    command.action = [&command, options] { return withTarget(command.data_dir, [&](const Target& t) { return enrolVerb(t, *options); }); };
  });
}

void addOthers(CLI::App& app, Command& command) {
  auto json = std::make_shared<bool>(false);
  auto name = std::make_shared<std::string>();
  auto& vault = *app.add_subcommand("vault", "the vaults");
  vault.require_subcommand(1);
  auto& key = *vault.add_subcommand("key", "the keys of a vault's repositories");
  key.require_subcommand(1);
  auto& exported = *key.add_subcommand("export", "print repositories and keys: what plain restic needs to restore without Stillpoint");
  addDataDir(exported, command);
  exported.add_option("--vault", *name, "only this vault");
  exported.add_flag("--json", *json, "print JSON");
  exported.callback([&command, name, json] {
    command.action = [&command, name, json] {
      return withTarget(command.data_dir, [&](const Target& t) { return vaultKeyExportVerb(t, *name, *json); });
    };
  });

  auto& show = *vault.add_subcommand("show", "the machines' repositories, and the snapshots in them that no job made");
  addDataDir(show, command);
  show.add_option("vault", *name, "only this vault");
  show.add_flag("--json", *json, "print JSON");
  show.callback([&command, name, json] {
    command.action = [&command, name, json] {
      return withTarget(command.data_dir, [&](const Target& t) { return vaultShowVerb(t, *name, *json); });
    };
  });

  auto& schedule = *app.add_subcommand("schedule", "what runs by itself, and when");
  schedule.require_subcommand(1);
  auto& schedules = *schedule.add_subcommand("list",
                                             "list rules by schedule, schedules and backup plans: the next five runs in UTC and local "
                                             "time, and which machines they would work on now");
  schedules.footer("Example:\n  stillpoint schedule list --json");
  addDataDir(schedules, command);
  schedules.add_flag("--json", *json, "print JSON");
  schedules.callback([&command, json] {
    command.action = [&command, json] { return withTarget(command.data_dir, [&](const Target& t) { return scheduleListVerb(t, *json); }); };
  });

  auto& plan = *app.add_subcommand("plan", "pause and resume backup plans (schedule list shows them)");
  plan.require_subcommand(1);
  for (const bool pause : {true, false}) {
    auto& verb = *plan.add_subcommand(pause ? "pause" : "resume",
                                      pause ? "nothing of the plan becomes due until it is resumed, nor afterwards what would have"
                                            : "the plan runs again, from its next time on");
    verb.footer(fmt::format("Example:\n  stillpoint plan {} 2c103c5f-6d6e-4cac-9147-d3afa4c84f59", pause ? "pause" : "resume"));
    addDataDir(verb, command);
    verb.add_option("plan", *name, "id of the plan (stillpoint schedule list, aws backup list-backup-plans)")->required();
    verb.add_flag("--json", *json, "print JSON");
    verb.callback([&command, name, json, pause] {
      command.action = [&command, name, json, pause] {
        return withTarget(command.data_dir, [&](const Target& t) { return planPauseVerb(t, *name, pause, *json); });
      };
    });
  }

  auto demo_options = std::make_shared<DemoOptions>();
  auto& demo = *app.add_subcommand("demo", "three machines with PostgreSQL, a consistent backup, a restore, the proof");
  demo.add_flag("--keep", demo_options->keep, "leave everything running and say how to stop it");
  demo.add_option("--stop", demo_options->stop, "end a demo that --keep left, and remove its directory");
  demo.callback([&command, demo_options] { command.action = [demo_options] { return demoVerb(*demo_options); }; });

  auto shell = std::make_shared<std::string>("bash");
  auto& completion = *app.add_subcommand("completion", "print the shell's completion script");
  completion.footer("Example:\n  stillpoint completion bash > /etc/bash_completion.d/stillpoint");
  completion.add_option("shell", *shell, "bash or zsh")->check(CLI::IsMember({"bash", "zsh"}));
  completion.callback([&command, shell] { command.action = [shell] { return completionVerb(*shell); }; });
}

/// Where a word stands for a verb that is not there: that word, and the verbs before it.
std::optional<std::string> unknownVerb(CLI::App& app) {
  auto* at = &app;
  std::string path;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().back();
    path += at->get_name() + " ";
  }
  // A word that a verb does not know may be left with those before it.
  const auto rest = app.remaining(true);
  // Of a verb without verbs below it the word is told by the library's own text; an option is no verb.
  if (rest.empty() || rest.front().starts_with("-") || at->get_subcommands({}).empty()) return std::nullopt;
  return fmt::format("there is no verb '{}{}': see stillpoint {}--help", path, rest.front(), path);
}

}  // namespace

namespace {

int runVerb(int argc, char** argv, const Hooks& hooks) {
  CLI::App app("Stillpoint takes application-consistent backups of a fleet of machines.", "stillpoint");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "help of all verbs");
  app.set_version_flag("--version", "stillpoint " + std::string(kVersion), "print the version");
  Command command;
  addServe(app, command, hooks);
  addAgent(app, command, hooks);
  addEnvironment(app, command);
  addRun(app, command);
  addRuns(app, command);
  addRehearse(app, command);
  addStatus(app, command);
  addTail(app, command);
  addEvents(app, command);
  addRestore(app, command);
  addInstances(app, command);
  addEnrol(app, command);
  addOthers(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const auto kind = static_cast<CLI::ExitCodes>(error.get_exit_code());
    const bool may_be_verb = kind == CLI::ExitCodes::RequiredError || kind == CLI::ExitCodes::ExtrasError;
    const auto unknown = may_be_verb ? unknownVerb(app) : std::nullopt;
    if (!unknown) return app.exit(error) == 0 ? 0 : 2;
    fmt::print(stderr, "stillpoint: {}\n", *unknown);
    return 2;
  }
  return command.action ? command.action() : 2;
}

/// `status`, unless what was printed did not get through: then 1, said on standard error. A reader that has gone is told nothing.
int checkOutput(int status, int error) {
  if (std::fflush(stdout) != 0) error = errno;
  if (std::ferror(stdout) == 0 || error == EPIPE) return status;
  std::fputs(fmt::format("stillpoint: cli.output: cannot write to standard output, what was printed is incomplete: {}\n",
                         error == 0 ? "write error" : std::generic_category().message(error))
                 .c_str(),
             stderr);
  return 1;
}

}  // namespace

int run(int argc, char** argv, const Hooks& hooks) {
  try {
    return checkOutput(runVerb(argc, argv, hooks), 0);
  } catch (const std::system_error& error) {
    // fmt's, which ends a verb at the first text that cannot be written.
    if (std::ferror(stdout) == 0) throw;
    return checkOutput(1, error.code().value());
  }
}

}  // namespace sp::cli
