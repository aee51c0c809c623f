#include "agent/power/power_handler.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "os/process.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr std::int64_t kStopMs = 120'000;
constexpr std::int64_t kStartMs = 300'000;
constexpr milliseconds kKillPatience{30'000};
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{1'000};
/// How long the shutdown of a stop that has failed may still happen.
constexpr std::chrono::minutes kLateShutdown{15};
/// How often a machine is looked at meanwhile, at least.
constexpr milliseconds kLateLook{5'000};
/// Between two starts of one that went down; doubled by each that does not help.
constexpr milliseconds kFirstRetry{5'000};
constexpr milliseconds kLongestRetry{300'000};

bool hasNote(const RequestContext& context, std::string_view what) {
  return std::ranges::any_of(context.notes(), [&](const json::Object& note) { return json::textOr(note, "did") == what; });
}

double seconds(milliseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

PowerHandler::PowerHandler(const Identity& identity, Outbox& outbox)
    : identity_(identity), outbox_(outbox), starts_(identity.stateDir(), [this](const std::string& id) { startOwed(id); }) {
  for (const auto& id : machineIds(identity_.machinesDir()))
    if (Machine(identity_.machinesDir(), id).process()) watch(id);
  for (const auto& id : AddedMachine::all(identity_.stateDir())) follow(id, false);
  starts_.adopt();
}

std::vector<std::string> PowerHandler::types() const {
  std::vector<std::string> types;
  for (const auto type : {agentwire::kPowerCreate, agentwire::kPowerStart, agentwire::kPowerStop, agentwire::kPowerReboot,
                          agentwire::kPowerDestroy, agentwire::kPowerAdopt, agentwire::kPowerCheck, agentwire::kPowerForget})
    types.emplace_back(type);
  return types;
}

std::mutex& PowerHandler::mutexOf(const std::string& id) {
  const std::lock_guard lock(mutex_);
  auto& mutex = machines_[id];
  if (!mutex) mutex = std::make_unique<std::mutex>();
  return *mutex;
}

json::Object PowerHandler::message(std::string_view type, const std::string& id, const std::string& state, std::int64_t generation,
                                   const std::string& error) {
  json::Object out{{"type", type}, {"instance", id}, {"state", state}, {"bootGeneration", generation}};
  if (!error.empty()) out["error"] = error;
  return out;
}

Result<PowerHandler::Subject> PowerHandler::subjectOf(const json::Object& request) const {
  Subject subject;
  subject.id = json::textOr(request, "instance");
  const auto driver = json::textOr(request, "driver", kSandbox);
  if (driver == kSandbox) {
    if (identity_.machinesDir().empty()) return fail("agent.power", "this agent keeps no demo machines");
    auto sandbox = std::make_unique<SandboxDriver>(identity_, subject.id);
    subject.sandbox = sandbox.get();
    subject.driver = std::move(sandbox);
    return subject;
  }
  const auto* power = json::find(request, "power");
  if (power == nullptr || !power->is_object()) return fail("agent.power", "the request names a driver but does not describe it");
  subject.added.emplace(identity_.stateDir(), subject.id);
  SP_TRY(subject.driver, subject.added->take(driver, power->get_object()));
  return subject;
}

json::Object PowerHandler::run(RequestContext& context) {
  const auto type = json::textOr(context.request(), "type");
  const auto id = json::textOr(context.request(), "instance");
  if (!isInstanceId(id)) return message(agentwire::kPowerResult, id, "terminated", 0, fmt::format("'{}' is not an instance id", id));
  const std::lock_guard lock(mutexOf(id));
  if (type == agentwire::kPowerForget) {
    starts_.paid(id);
    const auto state = forget(id);
    return message(agentwire::kPowerResult, id, "terminated", 0, state ? "" : state.error().text());
  }
  auto subject = subjectOf(context.request());
  if (!subject) return message(agentwire::kPowerResult, id, "unknown", 0, subject.error().text());
  if (type == agentwire::kPowerStop)
    if (const auto owed = oweStart(context.request(), id); !owed)
      return message(agentwire::kPowerResult, id, stateOf(*subject), generationOf(*subject),
                     "it was not stopped, since its start could not be promised: " + owed.error().text());
  const auto state = change(context, *subject);
  if (state && (*state == "terminated" || (type == agentwire::kPowerStart && *state == "running"))) starts_.paid(id);
  failpoint::hit("agent.power.done");
  // The one that follows it may wait for hours, or for ever, by a description that is no longer, or for a machine that is kept up now.
  if (subject->added) follow(id, type == agentwire::kPowerAdopt || subject->added->isKeptUp());
  // A check was one look, and an administrator's command may take its time: it is not done twice.
  const bool looked = subject->added && (type == agentwire::kPowerAdopt || type == agentwire::kPowerCheck);
  if (state) {
    if (!looked) (void)stateOf(*subject);  // counts the boot
    return message(agentwire::kPowerResult, id, *state, generationOf(*subject), "");
  }
  log::error("power change failed", {{"instance", id}, {"request", type}, {"why", state.error().text()}});
  const auto now = looked ? "unknown" : stateOf(*subject);
  if (type == agentwire::kPowerStop && now == "stopped") {
    // Off after all, and the server is told so: whoever wants it up again asks for that.
    if (subject->added) subject->added->letDown();
    return message(agentwire::kPowerResult, id, now, generationOf(*subject), "");
  }
  return message(agentwire::kPowerResult, id, now, generationOf(*subject), state.error().text());
}

// A person's stop is not taken back by anybody.
Result<void> PowerHandler::oweStart(const json::Object& request, const std::string& id) {
  const auto* lease = json::find(request, "lease");
  if (lease != nullptr && lease->is_object()) return starts_.owe(id, json::intOr(lease->get_object(), "leaseMs", 0));
  starts_.paid(id);
  return {};
}

void PowerHandler::onLease(const json::Object& message) {
  const auto id = json::textOr(message, "start");
  if (!isInstanceId(id)) return;
  const auto ms = json::intOr(message, "leaseMs", 0);
  // Of one that was off already when its run wanted to stop it, or that a person has let be stopped and started again, this is the first
  // word.
  const bool ours = Machine(identity_.machinesDir(), id).exists() || AddedMachine(identity_.stateDir(), id).load();
  if (ms > 0 && !starts_.owed(id) && ours) {
    if (const auto owed = starts_.owe(id, ms); !owed)
      log::error("a start is not promised", {{"instance", id}, {"why", owed.error().text()}});
    return;
  }
  starts_.renew(id, ms);
}

void PowerHandler::tellNow(const Subject& subject, const std::string& error) {
  const auto state = stateOf(subject);
  outbox_.send(message(agentwire::kPowerChanged, subject.id, state, generationOf(subject), error));
}

void PowerHandler::startOwed(const std::string& id) {
  const std::lock_guard lock(mutexOf(id));
  // A request may have had the machine meanwhile, or the server may be back.
  if (!starts_.due(id)) return;
  AddedMachine added(identity_.stateDir(), id);
  if (added.load()) {
    // Who follows it starts it until it runs, through any restart.
    if (const auto noted = added.wentDown(); !noted) {
      log::error("the start of a machine is not noted", {{"instance", id}, {"why", noted.error().text()}});
      return starts_.retry(id);
    }
    starts_.paid(id);
    return follow(id, true);
  }
  Subject subject;
  subject.id = id;
  auto sandbox = std::make_unique<SandboxDriver>(identity_, id);
  if (!sandbox->machine().exists()) return starts_.paid(id);
  subject.sandbox = sandbox.get();
  subject.driver = std::move(sandbox);
  auto& driver = *subject.driver;
  std::string last;
  const auto now = driver.status();
  const auto started = now && now->running ? Result<void>() : driver.start();
  const bool runs = started && awaitState(driver, true, milliseconds(kStartMs), last);
  if (runs) {
    starts_.paid(id);
    watch(id);
  } else {
    starts_.retry(id);
  }
  tellNow(subject, runs ? "" : started ? last : started.error().message);
}

PowerHandler::State PowerHandler::change(RequestContext& context, Subject& subject) {
  const auto& request = context.request();
  const auto type = json::textOr(request, "type");
  if (type == agentwire::kPowerStart) return start(context, subject);
  if (type == agentwire::kPowerStop) return stop(context, subject, json::boolOr(request, "force", false));
  if (type == agentwire::kPowerReboot) return reboot(context, subject);
  if (!subject.sandbox) return check(subject);
  if (type == agentwire::kPowerCreate) {
    SP_CHECK_OK(subject.sandbox->create(request));
    return start(context, subject);
  }
  if (type == agentwire::kPowerDestroy) {
    SP_CHECK_OK(subject.sandbox->destroy());
    return "terminated";
  }
  return check(subject);
}

bool PowerHandler::awaitState(PowerDriver& driver, bool running, milliseconds limit, std::string& last) {
  const auto deadline = Steady::now() + limit;
  auto pause = kFirstPause;
  while (true) {
    const auto now = driver.status();
    last = now ? "" : now.error().message;
    if (now && now->running == running) return true;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Steady::now());
    if (left.count() <= 0) return false;
    driver.awaitChange(std::min(left, pause));
    pause = std::min(kLongestPause, pause * 2);
  }
}

PowerHandler::State PowerHandler::start(RequestContext& context, Subject& subject) {
  auto& driver = *subject.driver;
  if (subject.added) subject.added->letDown();
  SP_CHECK_OK(driver.preflight());
  const bool asked = !driver.mayAskAgain() && hasNote(context, "start");
  if (const auto now = driver.status(); !asked && !(now && now->running)) {
    if (!driver.mayAskAgain()) SP_CHECK_OK(context.note({{"did", "start"}}));
    SP_CHECK_OK(driver.start());
  }
  std::string last;
  const auto limit = milliseconds(json::intOr(context.request(), "startTimeoutMs", kStartMs));
  if (!awaitState(driver, true, limit, last))
    return fail("machine.start", fmt::format("machine {} does not run {} s after it was started{}{}", subject.id, seconds(limit),
                                             last.empty() ? "" : ": " + last, driver.hint()));
  if (subject.sandbox) watch(subject.id);
  return "running";
}

PowerHandler::State PowerHandler::stop(RequestContext& context, Subject& subject, bool force) {
  auto& driver = *subject.driver;
  if (subject.added) subject.added->letDown();
  const auto now = driver.status();
  // Asked before this agent died: it may be on its way down.
  if (!now && !force && hasNote(context, "stop")) return fail(now.error().code, now.error().message + standBy(subject));
  if (!now) return std::unexpected(now.error());
  if (!now->running) return "stopped";
  const auto limit = milliseconds(json::intOr(context.request(), "timeoutMs", kStopMs));
  if (driver.mayAskAgain() || !hasNote(context, "stop")) {
    if (!driver.mayAskAgain()) SP_CHECK_OK(context.note({{"did", "stop"}}));
    // A machine that cannot even be asked may still be killed. One that was asked may heed it, whatever the command said then: `ssh db1
    // poweroff` loses its connection.
    if (const auto asked = driver.askToStop(); !asked && !force) return fail(asked.error().code, asked.error().message + standBy(subject));
  }
  failpoint::hit("agent.power.stopping");
  std::string last;
  if (!awaitState(driver, false, limit, last)) {
    if (!force) return giveUpStop(subject, limit);
    log::warn("machine killed", {{"instance", subject.id}, {"after_ms", limit.count()}});
    SP_CHECK_OK(driver.kill());
    if (!awaitState(driver, false, kKillPatience, last))
      return fail("machine.stop", subject.sandbox ? fmt::format("machine {} has processes that cannot be killed", subject.id)
                                                  : fmt::format("machine {} runs {} s after it was ended by force{}", subject.id,
                                                                seconds(kKillPatience), last.empty() ? "" : ": " + last));
  }
  log::info("machine stopped", {{"instance", subject.id}});
  return "stopped";
}

// Past its limit the stop has failed. Where it cannot be taken back it may still happen, and nobody else would start the machine then.
PowerHandler::State PowerHandler::giveUpStop(const Subject& subject, milliseconds limit) {
  const bool taken_back = subject.driver->takeBackStop();
  if (const auto now = subject.driver->status(); now && !now->running) return "stopped";
  return fail("machine.stop", fmt::format("machine {} did not shut down within {} s{}{}", subject.id, seconds(limit),
                                          taken_back ? " and was told to stay up" : standBy(subject), subject.driver->hint()));
}

std::string PowerHandler::standBy(const Subject& subject) {
  if (!subject.added) return "";
  const auto kept = subject.added->keepUp(kLateShutdown);
  if (kept) return "; the machine will be started again if it goes down late";
  log::error("a late shutdown will not be answered by a start", {{"instance", subject.id}, {"why", kept.error().text()}});
  return "; the machine will not be started again if it goes down late: " + kept.error().message;
}

PowerHandler::State PowerHandler::reboot(RequestContext& context, Subject& subject) {
  // Once: after a restart of this agent the boot that was asked for may have happened already.
  (void)stateOf(subject);  // counts a boot that nobody has seen yet
  const auto noted = std::ranges::find_if(context.notes(), [](const auto& note) { return note.contains("generation"); });
  const auto before = noted != context.notes().end() ? json::intOr(*noted, "generation", 0) : generationOf(subject);
  if (noted == context.notes().end()) SP_CHECK_OK(context.note({{"generation", before}}));
  if (generationOf(subject) == before)
    if (const auto stopped = stop(context, subject, true); !stopped) {
      // Asked to shut down it may still do so, and what is rebooted shall run.
      const auto now = subject.driver->status();
      if (!now || now->running) return fail(stopped.error().code, stopped.error().message + standBy(subject));
    }
  (void)stateOf(subject);
  return start(context, subject);
}

PowerHandler::State PowerHandler::check(Subject& subject) {
  SP_CHECK_OK(subject.driver->preflight());
  auto now = subject.driver->status();
  if (!now) return std::unexpected(std::move(now).error());
  // Not one that stays off: nobody may begin to read it as that.
  if (subject.added && !now->running && subject.added->isKeptUp())
    return fail("machine.late", fmt::format("machine {} went down after its stop had failed and is started again", subject.id));
  return stateOf(subject, now);
}

PowerHandler::State PowerHandler::forget(const std::string& id) {
  SP_CHECK_OK(AddedMachine(identity_.stateDir(), id).forget());
  const std::lock_guard lock(mutex_);
  followed_.erase(id);
  wake_.notify_all();
  return "terminated";
}

std::string PowerHandler::stateOf(const Subject& subject) const {
  if (subject.sandbox && !subject.sandbox->machine().exists()) return "terminated";
  return stateOf(subject, subject.driver->status());
}

std::string PowerHandler::stateOf(const Subject& subject, const Result<PowerNow>& now) const {
  if (!now) return "unknown";
  if (subject.added)
    if (auto counted = subject.added->seen(*now); !counted)
      log::error("a machine's boot is not noted", {{"instance", subject.id}, {"why", counted.error().text()}});
  return now->running ? "running" : "stopped";
}

std::int64_t PowerHandler::generationOf(const Subject& subject) {
  return subject.sandbox ? subject.sandbox->machine().generation() : subject.added->generation();
}

Result<PowerHandler::Look> PowerHandler::look(const std::string& instance) {
  if (!isInstanceId(instance)) return fail("power.unknown", fmt::format("'{}' is not an instance id", instance));
  const std::lock_guard lock(mutexOf(instance));
  const AddedMachine added(identity_.stateDir(), instance);
  SP_TRY(const auto driver, added.load());
  SP_TRY(const auto now, driver->status());
  SP_TRY(const auto generation, added.seen(now));
  return Look{now.running, generation};
}

void PowerHandler::tellAll() {
  for (const auto& id : machineIds(identity_.machinesDir())) {
    const SandboxDriver driver(identity_, id);
    if (auto written = driver.writeEndpoint(); !written)
      log::warn("endpoint not written", {{"instance", id}, {"why", written.error().text()}});
    // While a change is under way its answer tells.
    const std::unique_lock lock(mutexOf(id), std::try_to_lock);
    if (lock)
      outbox_.send(
          message(agentwire::kPowerChanged, id, driver.machine().process() ? "running" : "stopped", driver.machine().generation(), ""));
  }
  // Drivers of other machines may take their time to look.
  const std::lock_guard lock(mutex_);
  ++welcomes_;
  wake_.notify_all();
}

void PowerHandler::watch(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    if (!watched_.insert(id).second) return;
  }
  std::thread([this, id] {
    const Machine machine(identity_.machinesDir(), id);
    while (true) {
      if (const auto process = machine.process()) {
        os::waitReadable(process->pidfd.get(), milliseconds(-1));
        continue;
      }
      const std::lock_guard lock(mutex_);
      if (machine.alive()) continue;
      watched_.erase(id);
      break;
    }
    // After a change that was asked for this tells what its answer told; the server sees nothing new in it.
    const std::lock_guard lock(mutexOf(id));
    if (machine.exists())
      outbox_.send(message(agentwire::kPowerChanged, id, machine.process() ? "running" : "stopped", machine.generation(), ""));
  }).detach();
}

void PowerHandler::follow(const std::string& id, bool now) {
  const std::lock_guard lock(mutex_);
  const auto [followed, fresh] = followed_.try_emplace(id, 0);
  if (fresh) {
    std::thread([this, id] { followOn(id); }).detach();
  } else if (now) {
    ++followed->second;
    wake_.notify_all();
  }
}

Result<PowerNow> PowerHandler::raise(const Subject& subject, Result<PowerNow> now, Raising& raising) const {
  const auto& added = *subject.added;
  if (!now) return now;
  if (now->running || !added.isKeptUp()) {
    raising = {};
    if (added.isDown()) added.letDown();
    return now;
  }
  (void)stateOf(subject, now);  // the next boot is another one
  if (auto noted = added.wentDown(); !noted)
    log::error("a late shutdown is not noted", {{"instance", subject.id}, {"why", noted.error().text()}});
  if (Steady::now() >= raising.again) {
    log::warn("machine is owed its start and is off: it is started", {{"instance", subject.id}, {"try", raising.tries + 1}});
    const auto started = subject.driver->start();
    now = subject.driver->status();
    if (now && now->running) {
      raising = {};
      added.letDown();
      return now;
    }
    raising.why = !started ? started.error().message : !now ? now.error().message : "it does not run yet";
    // One that was begun has its time: a second would reset, or switch off, what is just booting.
    const auto pause = started ? milliseconds(kStartMs) : std::min(kLongestRetry, kFirstRetry * (1U << std::min(raising.tries, 8)));
    raising.again = Steady::now() + pause;
    ++raising.tries;
  }
  return fail("machine.late",
              fmt::format("machine {} went down after its stop had failed, or its server was away for too long; start {} did not help: {}",
                          subject.id, raising.tries, raising.why));
}

void PowerHandler::followOn(const std::string& id) {
  const AddedMachine added(identity_.stateDir(), id);
  std::string told;
  std::uint64_t welcomes = 0;
  Raising raising;
  while (true) {
    milliseconds pause{0};
    json::Object news;
    std::uint64_t asked = 0;
    {
      const std::lock_guard lock(mutex_);
      if (const auto followed = followed_.find(id); followed != followed_.end()) asked = followed->second;
    }
    {
      const std::lock_guard lock(mutexOf(id));
      auto driver = added.load();
      if (!driver) break;
      pause = (*driver)->lookEvery();
      Subject subject{id, std::move(*driver), added, nullptr};
      const auto now = raise(subject, subject.driver->status(), raising);
      if (added.isKeptUp()) pause = pause.count() > 0 ? std::min(pause, kLateLook) : kLateLook;
      const auto state = stateOf(subject, now);
      // One that could be seen but not started is told before somebody has stopped it.
      const auto able = subject.driver->preflight();
      news = message(agentwire::kPowerChanged, id, state, added.generation(), !now ? now.error().text() : !able ? able.error().text() : "");
    }
    std::unique_lock lock(mutex_);
    if (!followed_.contains(id)) return;
    if (const auto text = json::toText(news); text != told || welcomes != welcomes_) {
      told = text;
      welcomes = welcomes_;
      lock.unlock();
      outbox_.send(news);
      lock.lock();
    }
    const auto again = [&] {
      const auto followed = followed_.find(id);
      return welcomes != welcomes_ || followed == followed_.end() || followed->second != asked;
    };
    if (pause.count() > 0) wake_.wait_for(lock, pause, again);
    else wake_.wait(lock, again);
    if (!followed_.contains(id)) return;
  }
  const std::lock_guard lock(mutex_);
  followed_.erase(id);
}

}  // namespace sp::agent
