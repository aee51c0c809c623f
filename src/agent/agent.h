// The host program: `stillpoint agent`. It dials the server, keeps a journal of what it was asked, runs scripts, backups
// and power changes at most once each, and sends results until the server says they are settled.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace sp::agent {

struct Options {
  /// agent.json, endpoint, ca.pem, cert.pem, key.pem, journal/, runs/.
  std::string state_dir;
  /// Where this agent keeps demo machines; empty: it holds no power driver.
  std::string machines_dir;
  /// Fail points file (base/failpoint.h); empty: none.
  std::string failpoints;
  /// Where to enrol, "HOST:PORT", and with what (agent/enrolment.h); empty once it is enrolled, or if the server made the directory.
  std::string server;
  std::string token;
  std::string token_file;
  /// File with the hardware's own name; empty: DMI's, or the device tree's.
  std::string machine_id_file;
  /// Users that scripts may run as (Identity::runAs); empty: what agent.json says.
  std::vector<std::string> run_as;
};

/// Runs until SIGTERM or SIGINT. Returns the process's exit code: 0 stopped, 1 cannot start (said on standard error),
/// 3 another agent holds the state directory, 4 the directory is a copy of another machine's,
/// 5 the token is not good, or of another server. Scripts and machines go on when it ends; the
/// next run adopts them.
int runAgent(const Options& options);

/// Subcommands that this program starts itself with (script supervisor, init of a machine …), dispatched before any
/// command line is parsed. nullopt: argv[1] is none of them.
std::optional<int> internalVerb(int argc, char** argv);

/// `stillpoint demo-verify DIR [--marker N:HASH]`: proves that a restored demo machine's database is whole. DIR is the
/// restored tree or the database folder in it; it is left as it is. Prints each finding; 0 all hold, 1 one does not, 2 usage.
/// Arguments after the verb. internalVerb() dispatches it too.
int demoVerify(int argc, char** argv);

}  // namespace sp::agent
