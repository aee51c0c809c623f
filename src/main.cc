// One program: the server, the agent, what runs inside machines, and people's verbs.
#include <fmt/format.h>

#include "agent/agent.h"
#include "base/failpoint.h"
#include "cli/cli.h"
#include "daemon/serve.h"

namespace {

int serve(const sp::cli::ServeFlags& flags) {
  sp::daemon::Config config;
  config.data_dir = flags.data_dir.value_or("");
  if (flags.config) {
    if (const auto loaded = sp::daemon::loadConfig(*flags.config, config); !loaded) {
      fmt::print(stderr, "stillpoint: {}\n", loaded.error().text());
      return 1;
    }
  }
  // A flag's value has no place in the file.
  const auto replace = [&](const char* key, std::string& value, const std::string& by) {
    value = by;
    config.places.erase(key);
  };
  if (flags.data_dir) replace("data_dir", config.data_dir, *flags.data_dir);
  if (flags.listen) replace("listen", config.listen, *flags.listen);
  if (flags.console_listen) replace("console_listen", config.console_listen, *flags.console_listen);
  if (flags.agent_listen) replace("agent_listen", config.agent_listen, *flags.agent_listen);
  if (flags.failpoints) config.failpoints = *flags.failpoints;
  if (flags.insecure) config.insecure = true;
  return sp::daemon::serve(config);
}

int agent(const sp::cli::AgentFlags& flags) {
  sp::agent::Options options;
  options.state_dir = flags.state_dir;
  options.machines_dir = flags.machines_dir;
  options.failpoints = flags.failpoints;
  options.server = flags.server;
  options.token = flags.token;
  options.token_file = flags.token_file;
  options.run_as = flags.run_as;
  options.machine_id_file = flags.machine_id_file;
  return sp::agent::runAgent(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto status = sp::agent::internalVerb(argc, argv)) return *status;
  return sp::cli::run(argc, argv, {serve, agent, std::string(sp::failpoint::allPointsText())});
}
