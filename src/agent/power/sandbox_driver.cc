#include "agent/power/sandbox_driver.h"

#include <poll.h>

#include <csignal>

#include <fmt/format.h>

#include "agent/machines/init.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr const char* kAgentFolder = "var/lib/stillpoint-agent";
constexpr milliseconds kKillPatience{30'000};
/// What a machine needs that was past its point of no return when it was told to stay up.
constexpr milliseconds kStayPatience{7'000};

/// Waits for the end of all processes: the pidfd of a pid 1 tells only when none of its namespace is left.
bool awaitDown(const MachineProcess& process, milliseconds limit) { return os::waitReadable(process.pidfd.get(), limit); }

}  // namespace

SandboxDriver::SandboxDriver(const Identity& identity, const std::string& instance)
    : identity_(identity), machine_(identity.machinesDir(), instance) {}

Result<void> SandboxDriver::preflight() {
  SP_CHECK_OK(canRunMachines());
  if (machine_.exists()) return {};
  return fail("machine.missing", fmt::format("there is no machine {}", machine_.id()));
}

Result<PowerNow> SandboxDriver::status() {
  if (!machine_.exists()) return fail("machine.missing", fmt::format("there is no machine {}", machine_.id()));
  const auto process = machine_.process();
  return process ? PowerNow{true, fmt::format("{}", process->generation)} : PowerNow{};
}

Result<void> SandboxDriver::start() {
  SP_CHECK_OK(preflight());
  SP_CHECK_OK(writeEndpoint());
  SP_TRY(const auto fresh, machine_.start());
  if (fresh) log::info("machine started", {{"instance", machine_.id()}, {"generation", machine_.generation()}});
  if (machine_.process()) return {};
  return fail("machine.start", fmt::format("machine {} went down at once{}", machine_.id(), hint()));
}

Result<void> SandboxDriver::askToStop() {
  if (const auto process = machine_.process()) os::signalPidfd(process->pidfd.get(), SIGTERM);
  return {};
}

Result<void> SandboxDriver::kill() {
  if (const auto process = machine_.process()) os::signalPidfd(process->pidfd.get(), SIGKILL);
  return {};
}

// Nobody starts a machine that goes down after its stop has failed: it is told to stay up, or has gone down after all.
bool SandboxDriver::takeBackStop() {
  const auto process = machine_.process();
  if (!process) return true;
  os::signalPidfd(process->pidfd.get(), kStaySignal);
  awaitDown(*process, kStayPatience);
  return true;
}

void SandboxDriver::awaitChange(milliseconds limit) {
  if (const auto process = machine_.process()) awaitDown(*process, limit);
}

std::string SandboxDriver::hint() const { return fmt::format("; its log is {}/var/log/console.log", machine_.root()); }

Result<void> SandboxDriver::create(const json::Object& request) {
  SP_CHECK_OK(canRunMachines());
  const auto folder = std::string(kAgentFolder) + "/";
  const json::Object self{{"agent", machine_.id()}, {"serverName", identity_.tls().server_name}};
  MachineSpec spec;
  spec.image = json::textOr(request, "image");
  spec.hostname = json::textOr(request, "hostname", machine_.id());
  return machine_.create(spec, {{folder + "agent.json", json::toText(self)},
                                {folder + "endpoint", json::textOr(request, "server") + "\n"},
                                {folder + "ca.pem", json::textOr(request, "ca")},
                                {folder + "cert.pem", json::textOr(request, "cert")},
                                {folder + "key.pem", json::textOr(request, "key")}});
}

Result<void> SandboxDriver::destroy() {
  if (const auto process = machine_.process()) {
    // For good: its data goes too, so nothing is asked.
    os::signalPidfd(process->pidfd.get(), SIGKILL);
    if (!awaitDown(*process, kKillPatience))
      return fail("machine.stop", fmt::format("machine {} has processes that cannot be killed", machine_.id()));
  }
  SP_CHECK_OK(machine_.destroy());
  log::info("machine removed", {{"instance", machine_.id()}});
  return {};
}

Result<void> SandboxDriver::writeEndpoint() const {
  SP_TRY(const auto endpoint, identity_.endpoint());
  const auto path = fmt::format("{}/{}/endpoint", machine_.root(), kAgentFolder);
  if (const auto now = os::readFile(path, 1024); now && trim(*now) == endpoint) return {};
  return os::writeFileDurably(path, endpoint + "\n");
}

}  // namespace sp::agent
