// People's verbs. Everything here speaks the public APIs alone; `serve`, `agent` and what runs inside machines are handed
// in by main.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sp::cli {

/// The flags of `serve`, as given; unset ones leave the configuration's value.
struct ServeFlags {
  std::optional<std::string> data_dir, config, listen, console_listen, agent_listen, failpoints;
  bool insecure = false;
};

struct AgentFlags {
  std::string state_dir;
  /// Below it lie the demo machines this agent powers; empty: none.
  std::string machines_dir;
  std::string failpoints;
  /// Where and with what to enrol; empty once it is enrolled.
  std::string server, token, token_file;
  /// File with the hardware's own name; empty: where Linux has it.
  std::string machine_id_file;
  /// Users that scripts may run as.
  std::vector<std::string> run_as;
};

struct Hooks {
  std::function<int(const ServeFlags&)> serve;
  std::function<int(const AgentFlags&)> agent;
  /// The fail points there are, for `serve --list-failpoints`.
  std::string failpoint_list;
};

/// Parses the command line, runs the verb, returns the process's exit status: 0 done, 1 failed, 2 wrong usage.
int run(int argc, char** argv, const Hooks& hooks);

}  // namespace sp::cli
