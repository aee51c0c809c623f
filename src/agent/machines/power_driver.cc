#include "agent/machines/power_driver.h"

#include <sys/stat.h>

#include <array>
#include <csignal>
#include <thread>

#include <fmt/format.h>

#include "agent/machines/init.h"
#include "agentwire/messages.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr const char* kAgentFolder = "var/lib/stillpoint-agent";
constexpr std::int64_t kStopMs = 120'000;
constexpr milliseconds kKillPatience{30'000};
/// What a machine needs that was past its point of no return when it was told to stay up.
constexpr milliseconds kStayPatience{7'000};

bool isInstanceId(const std::string& id) {
  return id.size() > 2 && id.size() < 64 && id.starts_with("i-") && id.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
}

std::string stateOf(const Machine& machine) {
  if (!machine.exists()) return "terminated";
  return machine.process() ? "running" : "stopped";
}

/// Waits for the end of all processes: the pidfd of a pid 1 tells only when none of its namespace is left.
bool awaitDown(const MachineProcess& process, milliseconds limit) { return os::waitReadable(process.pidfd.get(), limit); }

}  // namespace

PowerDriver::PowerDriver(const Identity& identity, Outbox& outbox) : identity_(identity), outbox_(outbox) {
  for (const auto& id : machineIds(identity_.machinesDir()))
    if (Machine(identity_.machinesDir(), id).process()) watch(id);
}

std::vector<std::string> PowerDriver::types() const {
  return {std::string(agentwire::kPowerCreate), std::string(agentwire::kPowerStart), std::string(agentwire::kPowerStop),
          std::string(agentwire::kPowerReboot), std::string(agentwire::kPowerDestroy)};
}

std::mutex& PowerDriver::mutexOf(const std::string& id) {
  const std::lock_guard lock(mutex_);
  auto& mutex = machines_[id];
  if (!mutex) mutex = std::make_unique<std::mutex>();
  return *mutex;
}

json::Object PowerDriver::answer(const Machine& machine, const std::string& state, const std::string& error) const {
  json::Object out{
      {"type", agentwire::kPowerResult}, {"instance", machine.id()}, {"state", state}, {"bootGeneration", machine.generation()}};
  if (!error.empty()) out["error"] = error;
  return out;
}

json::Object PowerDriver::run(RequestContext& context) {
  const auto type = json::textOr(context.request(), "type");
  const auto id = json::textOr(context.request(), "instance");
  Machine machine(identity_.machinesDir(), id);
  if (!isInstanceId(id)) return answer(machine, "terminated", fmt::format("'{}' is not an instance id", id));
  const std::lock_guard lock(mutexOf(id));
  Result<std::string> state = "";
  if (type == agentwire::kPowerCreate) state = create(context, machine);
  else if (type == agentwire::kPowerStart) state = start(context, machine);
  else if (type == agentwire::kPowerStop) state = stop(context, machine, json::boolOr(context.request(), "force", false));
  else if (type == agentwire::kPowerReboot) state = reboot(context, machine);
  else state = destroy(context, machine);
  failpoint::hit("agent.power.done");
  if (state) return answer(machine, *state, "");
  log::error("power change failed", {{"instance", id}, {"request", type}, {"why", state.error().text()}});
  return answer(machine, stateOf(machine), state.error().text());
}

Result<std::string> PowerDriver::create(RequestContext& context, Machine& machine) {
  SP_CHECK_OK(canRunMachines());
  const auto& request = context.request();
  const auto folder = std::string(kAgentFolder) + "/";
  const json::Object self{{"agent", machine.id()}, {"serverName", identity_.tls().server_name}};
  MachineSpec spec;
  spec.image = json::textOr(request, "image");
  spec.hostname = json::textOr(request, "hostname", machine.id());
  SP_CHECK_OK(machine.create(spec, {{folder + "agent.json", json::toText(self)},
                                    {folder + "endpoint", json::textOr(request, "server") + "\n"},
                                    {folder + "ca.pem", json::textOr(request, "ca")},
                                    {folder + "cert.pem", json::textOr(request, "cert")},
                                    {folder + "key.pem", json::textOr(request, "key")}}));
  return start(context, machine);
}

Result<std::string> PowerDriver::start(RequestContext& context, Machine& machine) {
  (void)context;
  if (!machine.exists()) return fail("machine.missing", fmt::format("there is no machine {}", machine.id()));
  SP_CHECK_OK(writeEndpoint(machine));
  SP_TRY(const auto fresh, machine.start());
  if (fresh) log::info("machine started", {{"instance", machine.id()}, {"generation", machine.generation()}});
  if (!machine.process())
    return fail("machine.start", fmt::format("machine {} went down at once; see {}/var/log/console.log", machine.id(), machine.root()));
  watch(machine.id());
  return "running";
}

Result<std::string> PowerDriver::stop(RequestContext& context, Machine& machine, bool force) {
  if (!machine.exists()) return fail("machine.missing", fmt::format("there is no machine {}", machine.id()));
  const auto process = machine.process();
  if (!process) return "stopped";
  const auto limit = milliseconds(json::intOr(context.request(), "timeoutMs", kStopMs));
  os::signalPidfd(process->pidfd.get(), SIGTERM);
  failpoint::hit("agent.power.stopping");
  if (!awaitDown(*process, limit)) {
    if (!force) return takeBackStop(machine, *process, limit);
    log::warn("machine killed", {{"instance", machine.id()}, {"after_ms", limit.count()}});
    os::signalPidfd(process->pidfd.get(), SIGKILL);
    if (!awaitDown(*process, kKillPatience))
      return fail("machine.stop", fmt::format("machine {} has processes that cannot be killed", machine.id()));
  }
  log::info("machine stopped", {{"instance", machine.id()}, {"generation", process->generation}});
  return "stopped";
}

// Nobody starts a machine that goes down after its stop has failed: it is told to stay up, or has gone down after all.
Result<std::string> PowerDriver::takeBackStop(const Machine& machine, const MachineProcess& process, milliseconds limit) {
  os::signalPidfd(process.pidfd.get(), kStaySignal);
  if (awaitDown(process, kStayPatience)) return "stopped";
  return fail("machine.stop",
              fmt::format("machine {} did not shut down within {} s and was told to stay up; its log is {}/var/log/console.log",
                          machine.id(), std::chrono::duration<double>(limit).count(), machine.root()));
}

Result<std::string> PowerDriver::reboot(RequestContext& context, Machine& machine) {
  // Once: after a restart of this agent the boot that was asked for may have happened already.
  const auto* note = context.notes().empty() ? nullptr : &context.notes().back();
  const auto before = note ? json::intOr(*note, "generation", 0) : machine.generation();
  if (!note) SP_CHECK_OK(context.note({{"generation", before}}));
  if (machine.generation() == before)
    if (auto stopped = stop(context, machine, true); !stopped) return stopped;
  return start(context, machine);
}

Result<std::string> PowerDriver::destroy(RequestContext& context, Machine& machine) {
  (void)context;
  if (const auto process = machine.process()) {
    // For good: its data goes too, so nothing is asked.
    os::signalPidfd(process->pidfd.get(), SIGKILL);
    if (!awaitDown(*process, kKillPatience))
      return fail("machine.stop", fmt::format("machine {} has processes that cannot be killed", machine.id()));
  }
  SP_CHECK_OK(machine.destroy());
  log::info("machine removed", {{"instance", machine.id()}});
  return "terminated";
}

Result<void> PowerDriver::writeEndpoint(const Machine& machine) const {
  SP_TRY(const auto endpoint, identity_.endpoint());
  const auto path = fmt::format("{}/{}/endpoint", machine.root(), kAgentFolder);
  if (const auto now = os::readFile(path, 1024); now && trim(*now) == endpoint) return {};
  return os::writeFileDurably(path, endpoint + "\n");
}

void PowerDriver::tellAll() {
  for (const auto& id : machineIds(identity_.machinesDir())) {
    const Machine machine(identity_.machinesDir(), id);
    if (auto written = writeEndpoint(machine); !written)
      log::warn("endpoint not written", {{"instance", id}, {"why", written.error().text()}});
    // While a change is under way its answer tells.
    std::unique_lock lock(mutexOf(id), std::try_to_lock);
    if (lock) tell(machine, stateOf(machine));
  }
}

void PowerDriver::tell(const Machine& machine, const std::string& state) {
  outbox_.send(
      {{"type", agentwire::kPowerChanged}, {"instance", machine.id()}, {"state", state}, {"bootGeneration", machine.generation()}});
}

void PowerDriver::watch(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    if (!watched_.insert(id).second) return;
  }
  std::thread([this, id] {
    const Machine machine(identity_.machinesDir(), id);
    while (true) {
      if (const auto process = machine.process()) {
        awaitDown(*process, milliseconds(-1));
        continue;
      }
      const std::lock_guard lock(mutex_);
      if (machine.alive()) continue;
      watched_.erase(id);
      break;
    }
    // After a change that was asked for this tells what its answer told; the server sees nothing new in it.
    const std::lock_guard lock(mutexOf(id));
    if (machine.exists()) tell(machine, stateOf(machine));
  }).detach();
}

}  // namespace sp::agent
