#include "agent/guard/guards.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "agent/boot.h"
#include "agent/freeze_rules.h"
#include "agent/scripts/transfer.h"
#include "agentwire/messages.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDownloadPatience{60'000};
constexpr milliseconds kStartPatience{15'000};
constexpr milliseconds kStartLook{2};
/// While a thaw that the server has sent runs, or one cannot be begun.
constexpr std::chrono::seconds kLookAgain{5};
constexpr std::chrono::seconds kLook{1};
constexpr std::chrono::seconds kProcessLook{2};
/// A thaw of its own has its script's time and this: then the guard's process looks whether this one hangs.
constexpr std::chrono::minutes kThawSlack{5};

/// Run Command's default, and its most.
constexpr std::int64_t kScriptMs = 3'600'000;
constexpr std::int64_t kScriptMsMost = 172'800'000;
constexpr std::int64_t kLeaseMsMost = milliseconds(std::chrono::days(30)).count();
constexpr std::size_t kIdMost = 128;

/// Of all its scripts; of a document that it finds on the machine nothing is known.
Duration longest(const json::Object& steps_of) {
  milliseconds sum{0};
  const auto* steps = json::find(steps_of, "steps");
  if (steps == nullptr || !steps->is_array()) return sum;
  for (const auto& each : steps->get_array()) {
    if (!each.is_object()) continue;
    const auto& step = each.get_object();
    if (step.contains("script")) sum += milliseconds(std::clamp<std::int64_t>(json::intOr(step, "timeoutMs", kScriptMs), 0, kScriptMsMost));
    if (step.contains("documentParameters")) sum += milliseconds(kScriptMsMost);
    sum += std::chrono::duration_cast<milliseconds>(longest(step));
  }
  return sum;
}

/// It names files.
bool isFreezeId(std::string_view id) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !id.empty() && id.size() <= kIdMost && id.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<void> makeDurable(const std::string& path) {
  const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) return failErrno("os.sync", "cannot make durable " + path, errno);
  return {};
}

}  // namespace

Guards::Guards(Journal& journal, const Identity& identity, Outbox& outbox, GuardedRequests& requests)
    : journal_(journal), identity_(identity), outbox_(outbox), requests_(requests), files_(identity.stateDir()) {}

Result<void> Guards::arm(RequestContext& context, const std::string& freeze_id) {
  SP_TRY(auto asked, GuardOrder::of(context.request()));
  if (!asked) return {};
  if (!isFreezeId(freeze_id))
    return fail("agent.guard", fmt::format("'{}' is no id of a freeze: letters, digits, '-' and '_', at most {}", freeze_id, kIdMost));
  if (const auto known = journal_.freeze(freeze_id); known && known->guard) return notYetOver(freeze_id);
  auto armed = armWith(context, freeze_id, std::move(*asked));
  if (!armed) files_.remove(freeze_id);
  return armed;
}

/// Of one that an earlier process had armed.
Result<void> Guards::notYetOver(const std::string& freeze_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = leases_.find(freeze_id);
  if (found != leases_.end() && !found->second.thawing && found->second.broken.empty() && found->second.until > clock_.boottime())
    return {};
  return fail("agent.guard", "the freeze's lease ended before its pre-script began");
}

Result<void> Guards::armWith(RequestContext& context, const std::string& freeze_id, GuardOrder asked) {
  SP_CHECK_OK(os::makeDirectories(files_.directory()));
  SP_TRY(auto order, keepFiles(context, freeze_id, std::move(asked)));
  order.boot = thisBoot();
  SP_CHECK_OK(files_.set(freeze_id, clock_.boottime() + milliseconds(order.lease_ms)));
  SP_CHECK_OK(startProcess());
  SP_CHECK_OK(requests_.changeFreeze(freeze_id, [&](Freeze& freeze) { freeze.guard = order; }));
  failpoint::hit("agent.guard.armed");
  {
    const std::lock_guard lock(mutex_);
    writeUntil(freeze_id, leases_[freeze_id], clock_.boottime() + milliseconds(order.lease_ms));
    (void)wake();
  }
  log::info("freeze guarded", {{"freeze", freeze_id}, {"leaseMs", order.lease_ms}});
  return {};
}

/// What its post-script needs must be here before anything is frozen: when it is needed there may be no server.
Result<GuardOrder> Guards::keepFiles(RequestContext& context, const std::string& freeze_id, GuardOrder order) const {
  const auto folder = files_.folder(freeze_id);
  std::size_t count = 0;
  for (auto& step : order.thaw["steps"].as_array()) {
    auto* files = step.is_object() ? step.get_object().if_contains("files") : nullptr;
    if (step.is_object())
      if (const auto why = json::textOr(step.get_object(), "error"); !why.empty()) return fail("agent.guard", "the post-script: " + why);
    if (files == nullptr || !files->is_array()) continue;
    for (auto& each : files->get_array()) {
      if (!each.is_object() || each.get_object().contains("content")) continue;
      auto& file = each.get_object();
      const auto name = std::to_string(count++);
      SP_TRY(const auto fetched,
             withContext(
                 download(context, {json::textOr(file, "source"), folder + "/" + name, json::textOr(file, "sha256")}, kDownloadPatience),
                 "fetch the post-script"));
      file["kept"] = percentEncode(freeze_id) + "/" + name;
      file["sha256"] = fetched.sha256;
    }
  }
  if (count == 0) return order;
  // As durable as the record that names them: the next boot may be the one that needs them.
  for (std::size_t i = 0; i < count; ++i) SP_CHECK_OK(makeDurable(folder + "/" + std::to_string(i)));
  for (const auto& directory : {folder, files_.directory(), identity_.stateDir()}) SP_CHECK_OK(os::fsyncDirectory(directory));
  return order;
}

// One process for all freezes; it ends when there is none. The file of this lease is there already: one that is about to end sees it.
Result<void> Guards::startProcess() {
  const std::lock_guard lock(process_mutex_);
  if (files_.isGuarded()) return {};
  if (process_) (void)process_->wait(milliseconds(0));
  SP_TRY(auto process,
         os::spawn({.argv = os::inScope("guard", {os::ownProgram(), "agent-guard", std::filesystem::absolute(identity_.stateDir())}),
                    .environment = os::environmentForChildren(),
                    .cwd = "/",
                    .stderr_fd = STDERR_FILENO,
                    .new_session = true}));
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
  while (!files_.isGuarded()) {
    const auto ended = process.wait(kStartLook);
    // Another one may have been there first.
    if (ended && *ended && files_.isGuarded()) break;
    if (ended && *ended) return fail("agent.guard", fmt::format("the freeze guard ended at once with {}", (*ended)->text()));
    if (std::chrono::steady_clock::now() > deadline) return fail("agent.guard", "the freeze guard did not start within 15 s");
  }
  process_ = std::move(process);
  return {};
}

void Guards::adopt(const std::set<std::string>& thawing) {
  const auto guarded = journal_.guarded();
  for (const auto& [id, lease] : files_.known())
    if (!guarded.contains(id)) files_.remove(id);
  if (guarded.empty()) return;
  if (auto made = os::makeDirectories(files_.directory()); !made) log::error("no folder for leases", {{"why", made.error().text()}});
  for (const auto& [id, freeze] : guarded) {
    const auto& order = *freeze.guard;
    const auto now = clock_.boottime();
    const auto whole = now + milliseconds(order.lease_ms);
    Lease lease{std::min(files_.get(id).value_or(whole), whole), thawing.contains(id), freeze.broken};
    const bool rebooted = !isThisBoot(order.boot);
    if (rebooted) {
      // What the pre-script had prepared may have outlived the boot, and nobody knows it.
      lease.until = now + (order.stops ? milliseconds(order.boot_ms) : milliseconds(0));
      if (lease.broken.empty()) lease.broken = machineRebooted();
    }
    // The guard's process is to look whether this one hangs when its script must have ended.
    if (lease.thawing) lease.until = now + longest(order.thaw) + kThawSlack;
    {
      const std::lock_guard lock(mutex_);
      leases_[id] = lease;
      writeUntil(id, leases_[id], lease.until);
    }
    if (rebooted) noteReboot(id);
    if (auto started = startProcess(); !started) log::error("no freeze guard", {{"freeze", id}, {"why", started.error().text()}});
  }
}

// After the time is in its file: until then the file's is of the boot before.
void Guards::noteReboot(const std::string& freeze_id) {
  log::warn("the machine was rebooted while frozen", {{"freeze", freeze_id}});
  const auto changed = requests_.changeFreeze(freeze_id, [](Freeze& record) {
    if (record.broken.empty()) record.broken = machineRebooted();
    if (record.guard) record.guard->boot = thisBoot();
  });
  if (!changed) log::error("freeze not marked as broken", {{"freeze", freeze_id}, {"why", changed.error().text()}});
}

bool Guards::begin() {
  const std::lock_guard lock(mutex_);
  begun_ = true;
  return leases_.empty() || wake();
}

bool Guards::wake() {
  changed_.notify_all();
  if (looping_ || !begun_) return true;
  try {
    std::thread([this] { loop(); }).detach();
    looping_ = true;
  } catch (const std::exception& error) {
    // The guard's process does it then.
    log::error("no thread for the leases", {{"why", error.what()}});
  }
  return looping_;
}

void Guards::onLease(const json::Object& message) {
  const auto id = json::textOr(message, "freeze");
  if (id.empty()) return;
  const milliseconds time(std::min(json::intOr(message, "leaseMs", 0), kLeaseMsMost));
  json::Object answer{{"type", agentwire::kLeased}, {"freeze", id}, {"ask", json::textOr(message, "ask")}};
  {
    const std::lock_guard lock(mutex_);
    const auto found = leases_.find(id);
    const bool known = found != leases_.end();
    const bool thawing = known && found->second.thawing;
    if (time.count() > 0 && known && !thawing) {
      writeUntil(id, found->second, clock_.boottime() + time);
      changed_.notify_all();
    }
    // Under the lock that a thaw is decided under: what is told as held was whole until now.
    const auto freeze = journal_.freeze(id);
    auto hold = holdOf(freeze, id);
    if (hold.held && !known) hold = {false, "the agent has no lease of it"};
    if (hold.held && !found->second.broken.empty()) hold = {false, found->second.broken};
    if (hold.held && thawing) hold = {false, leaseEnded(*freeze->guard)};
    answer["held"] = hold.held;
    answer["why"] = hold.why;
  }
  outbox_.send(answer);
}

/// With the mutex held.
void Guards::writeUntil(const std::string& freeze_id, Lease& lease, Duration until) {
  lease.until = until;
  if (auto written = files_.set(freeze_id, until); !written)
    log::error("lease not written", {{"freeze", freeze_id}, {"why", written.error().text()}});
}

void Guards::thaw(const std::string& freeze_id) {
  const auto freeze = journal_.freeze(freeze_id);
  if (!freeze || !freeze->guard) return thawEnded(freeze_id);
  const auto why = freeze->broken.empty() ? leaseEnded(*freeze->guard) : freeze->broken;
  log::warn("thaws by itself", {{"freeze", freeze_id}, {"attempt", freeze->guard->attempts + 1}, {"why", why}});
  const auto begun = requests_.beginThaw(thawRequest(*freeze->guard, freeze_id, why));
  if (begun) return;
  log::error("thaw not begun", {{"freeze", freeze_id}, {"why", begun.error().text()}});
  const std::lock_guard lock(mutex_);
  if (const auto found = leases_.find(freeze_id); found != leases_.end()) {
    found->second.thawing = false;
    writeUntil(freeze_id, found->second, clock_.boottime() + kLookAgain);
  }
}

void Guards::thawEnded(const std::string& freeze_id) {
  const auto freeze = journal_.freeze(freeze_id);
  const bool over = !freeze || !freeze->guard;
  const std::lock_guard lock(mutex_);
  if (over) files_.remove(freeze_id);
  const auto found = leases_.find(freeze_id);
  if (found == leases_.end()) return;
  if (over) leases_.erase(found);
  else if (found->second.thawing && !requests_.thawUnderWay(freeze_id)) {
    found->second.thawing = false;
    writeUntil(freeze_id, found->second, clock_.boottime() + retryPause(freeze->guard->attempts));
  }
  changed_.notify_all();
}

bool Guards::idle() const {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.boottime();
  return std::ranges::none_of(
      leases_, [&](const auto& each) { return each.second.thawing || each.second.until <= now || requests_.thawUnderWay(each.first); });
}

/// Those whose lease has ended; each is thawing from now on. With the mutex held.
std::vector<std::string> Guards::takeDue(Duration now) {
  std::vector<std::string> due;
  for (auto& [id, lease] : leases_) {
    if (lease.thawing || lease.until > now) continue;
    if (requests_.thawUnderWay(id)) {
      // The server's own; if it fails this one is due.
      writeUntil(id, lease, now + kLookAgain);
      continue;
    }
    lease.thawing = true;
    const auto freeze = journal_.freeze(id);
    writeUntil(id, lease, now + (freeze && freeze->guard ? longest(freeze->guard->thaw) : Duration(0)) + kThawSlack);
    due.push_back(id);
  }
  return due;
}

// Its waits are short: CLOCK_BOOTTIME goes on while the machine sleeps, a condition's clock does not.
void Guards::loop() {
  std::unique_lock lock(mutex_);
  auto look = clock_.boottime() + kProcessLook;
  while (!leases_.empty()) {
    const auto now = clock_.boottime();
    const auto due = takeDue(now);
    lock.unlock();
    for (const auto& id : due) thaw(id);
    if (now >= look) {
      look = now + kProcessLook;
      if (auto started = startProcess(); !started) log::error("no freeze guard", {{"why", started.error().text()}});
    }
    lock.lock();
    Duration wait = kLook;
    for (const auto& [id, lease] : leases_)
      if (!lease.thawing) wait = std::min(wait, lease.until - clock_.boottime());
    if (!leases_.empty()) changed_.wait_for(lock, std::max<Duration>(wait, milliseconds(1)));
  }
  looping_ = false;
  lock.unlock();
  std::optional<os::Process> process;
  {
    const std::lock_guard process_lock(process_mutex_);
    process.swap(process_);
  }
  // It ends with the last lease.
  if (process) (void)process->wait();
}

}  // namespace sp::agent
