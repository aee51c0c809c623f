#include "agent/power/start_leases.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "agent/boot.h"
#include "agent/power/added_machine.h"
#include "base/log.h"
#include "json/json.h"
#include "os/file.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kLeaseMs = 300'000;
constexpr std::int64_t kLongestMs = milliseconds(std::chrono::days(30)).count();
constexpr milliseconds kBootPatience{120'000};
constexpr std::chrono::seconds kLook{1};
constexpr std::chrono::seconds kFirstPause{5};
constexpr std::chrono::seconds kLongestPause{300};
constexpr unsigned kDoublings = 8;

}  // namespace

void StartLeases::adopt() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    const auto instance = entry.path().filename().string();
    const auto text = os::readFile(entry.path(), 4096);
    const auto kept = text ? json::parse(*text) : std::unexpected(text.error());
    if (!isInstanceId(instance) || !kept || !kept->is_object()) continue;
    const auto& debt = kept->get_object();
    const auto lease = milliseconds(std::clamp<std::int64_t>(json::intOr(debt, "leaseMs", kLeaseMs), 1, kLongestMs));
    const auto* boot = json::find(debt, "boot");
    // When the lease would have ended is not kept: of this boot it has a whole one again.
    const bool here = boot != nullptr && boot->is_object() && isThisBoot(boot->get_object());
    log::info("machine owed its start", {{"instance", instance}});
    const std::lock_guard lock(mutex_);
    setUntil(instance, clock_.boottime() + (here ? lease : std::min(lease, kBootPatience)));
  }
}

Result<void> StartLeases::owe(const std::string& instance, std::int64_t lease_ms) {
  const auto text = json::toText(json::Object{{"leaseMs", lease_ms}, {"boot", thisBoot()}});
  // Under the mutex: whoever says that nothing is owed any more removes the file too.
  const std::lock_guard lock(mutex_);
  SP_CHECK_OK(os::makeDirectories(directory_));
  SP_CHECK_OK(os::writeFileDurably(directory_ + "/" + instance, text));
  setUntil(instance, clock_.boottime() + milliseconds(std::clamp<std::int64_t>(lease_ms, 1, kLongestMs)));
  return {};
}

void StartLeases::setUntil(const std::string& instance, Duration until) {
  auto& lease = leases_[instance];
  lease.until = until;
  lease.tries = 0;
  wake();
}

void StartLeases::wake() {
  changed_.notify_all();
  if (looping_) return;
  try {
    std::thread([this] { loop(); }).detach();
    looping_ = true;
  } catch (const std::exception& error) { log::error("no thread for machines that are owed their start", {{"why", error.what()}}); }
}

void StartLeases::renew(const std::string& instance, std::int64_t ms) {
  const std::lock_guard lock(mutex_);
  const auto found = leases_.find(instance);
  if (found == leases_.end() || ms == 0) return;
  if (ms > 0) return setUntil(instance, clock_.boottime() + milliseconds(std::min(ms, kLongestMs)));
  leases_.erase(found);
  ::unlink((directory_ + "/" + instance).c_str());
  changed_.notify_all();
}

void StartLeases::retry(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  const auto found = leases_.find(instance);
  const auto now = clock_.boottime();
  if (found == leases_.end() || found->second.until > now) return;
  auto& lease = found->second;
  lease.until = now + std::min<Duration>(kLongestPause, kFirstPause * (1U << std::min(lease.tries++, kDoublings)));
}

bool StartLeases::owed(const std::string& instance) const {
  const std::lock_guard lock(mutex_);
  return leases_.contains(instance);
}

bool StartLeases::due(const std::string& instance) const {
  const std::lock_guard lock(mutex_);
  const auto found = leases_.find(instance);
  return found != leases_.end() && found->second.until <= clock_.boottime();
}

/// One that takes its time keeps no other waiting.
bool StartLeases::startOn(const std::string& instance) {
  try {
    std::thread([this, instance] {
      start_(instance);
      const std::lock_guard lock(mutex_);
      if (const auto found = leases_.find(instance); found != leases_.end()) found->second.starting = false;
      changed_.notify_all();
    }).detach();
    return true;
  } catch (const std::exception& error) {
    log::error("no thread to start a machine: tried again", {{"instance", instance}, {"why", error.what()}});
    return false;
  }
}

// Its waits are short: CLOCK_BOOTTIME goes on while the machine sleeps, a condition's clock does not.
void StartLeases::loop() {
  std::unique_lock lock(mutex_);
  while (!leases_.empty()) {
    const auto now = clock_.boottime();
    Duration wait = kLook;
    for (auto& [instance, lease] : leases_) {
      if (lease.starting) continue;
      if (lease.until > now) {
        wait = std::min(wait, lease.until - now);
        continue;
      }
      log::warn("the lease of a stopped machine has ended: it is started", {{"instance", instance}});
      lease.starting = startOn(instance);
    }
    changed_.wait_for(lock, std::max<Duration>(wait, milliseconds(1)));
  }
  looping_ = false;
}

}  // namespace sp::agent
