#include "agent/agent.h"

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "agent/backup/contain.h"
#include "agent/demo/demo_app.h"
#include "agent/enrolment.h"
#include "agent/facts.h"
#include "agent/guard/guard_process.h"
#include "agent/handlers.h"
#include "agent/identity.h"
#include "agent/journal.h"
#include "agent/machines/init.h"
#include "agent/machines/launcher.h"
#include "agent/outbox.h"
#include "agent/requests.h"
#include "agent/session.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

constexpr int kExitCannotStart = 1;
constexpr int kExitOtherRuns = 3;
constexpr int kExitCopy = 4;
constexpr int kExitRefused = 5;

int sayAndFail(const Error& error) {
  std::fputs(fmt::format("stillpoint agent: {}\n", error.text()).c_str(), stderr);
  if (error.code == "agent.cloned" || error.code == "agent.hardware_unknown") return kExitCopy;
  // Another start with the same token would hear the same.
  if (error.code == "net.pin" || error.code == "agent.token" || error.code.starts_with("agent.token_")) return kExitRefused;
  if (error.code == "agent.stopped") return 0;
  return error.code == "os.locked" ? kExitOtherRuns : kExitCannotStart;
}

/// Few threads live for a moment only: one heap for all of them, given back early.
void keepMemorySmall() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

Result<void> runLocked(const Options& options, int stop_fd) {
  SP_CHECK_OK(enrolIfNeeded(options, stop_fd));
  SP_TRY(const auto identity, FileIdentity::load(options));
  SP_TRY(const auto machine, machineHash(options.machine_id_file));
  SP_TRY(const auto journal, Journal::open(options.state_dir + "/journal"));
  SP_CHECK_OK(writePid(options.state_dir, false));
  SP_CHECK_OK(keepRunAs(options.state_dir, identity.runAs()));
  Outbox outbox;
  SP_TRY(auto parts, makeParts(identity, *journal, outbox));
  // Its handlers' threads are never joined: it stays until the process ends.
  auto* const requests = new Requests(*journal, identity, outbox, std::move(parts.handlers));
  Session session(identity, *journal, *requests, outbox, stop_fd, machine);
  for (auto& call : parts.on_welcome) session.onWelcome(std::move(call));
  for (auto& call : parts.on_lease) session.onLease(std::move(call));
  requests->adopt();
  os::notifySystemd("READY=1");
  log::info("agent runs", {{"agent", identity.agent()}, {"state", options.state_dir}});
  session.run();
  os::notifySystemd("STOPPING=1");
  log::info("agent ends", {{"agent", identity.agent()}, {"running", requests->running()}});
  // No destructors: threads may still use what they would destroy. Everything that counts is on disk.
  std::fflush(nullptr);
  ::_exit(0);
}

}  // namespace

int runAgent(const Options& options) {
  keepMemorySmall();
  // What it makes for machines and scripts must be readable there, whatever the caller's umask (the server's is strict);
  // its own secrets have modes of their own.
  ::umask(0022);
  const auto stop = os::stopSignals();
  // Sent to who holds a lease on a file that somebody opens (scripts/run_folders.cc).
  ::signal(SIGIO, SIG_IGN);
  // A machine's init has no flags to hand on: tests lay the file into the agent's own state directory, which is root's.
  const auto laid = options.state_dir + "/failpoints";
  const auto points = options.failpoints.empty() && ::access(laid.c_str(), R_OK) == 0 ? laid : options.failpoints;
  if (!points.empty())
    if (auto armed = failpoint::arm(points); !armed) return sayAndFail(armed.error());
  if (!options.server.empty())
    if (auto made = os::makeDirectories(options.state_dir, 0700); !made) return sayAndFail(made.error());
  const auto lock = lockState(options.state_dir);
  if (!lock) return sayAndFail(lock.error());
  if (auto ran = runLocked(options, stop.get()); !ran) return sayAndFail(ran.error());
  return 0;
}

std::optional<int> internalVerb(int argc, char** argv) {
  if (argc < 2) return std::nullopt;
  const std::string_view verb = argv[1];
  if (verb == "in-scope") return os::inScopeMain(argc, argv);
  if (verb == "agent-contain") return containMain(argc, argv);
  if (verb == "agent-relay") return relayMain(argc, argv);
  if (verb == "agent-guard" && argc == 3) return guardMain(argv[2]);
  if (verb == "agent-stand-in" && argc == 3) return standInMain(argv[2]);
  if (verb == "machine-launch" && argc == 4) return launchMachine(argv[2], argv[3]);
  if (verb == "machine-init" && argc == 2) return machineInit();
  if (verb == "demo-app" && argc == 2) return demoApp();
  if (verb == "demo-ballast" && argc == 3) return demoBallast(argv[2]);
  if (verb == "demo-verify") return demoVerify(argc - 2, argv + 2);
  return std::nullopt;
}

}  // namespace sp::agent
