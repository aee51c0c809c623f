#include "fleet/vault/maintenance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "json/json.h"

namespace sp::fleet {
namespace {

/// For another's restic to end after it was asked to.
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kLeasePatience = std::chrono::seconds(60);
constexpr auto kLookAgain = std::chrono::milliseconds(50);
constexpr auto kLookLimit = std::chrono::minutes(2);
constexpr std::size_t kNamedAtOnce = 500;
/// What one maintenance packs anew at most, so that a large repository is cleared over several days and not in one long lease.
constexpr std::string_view kRepackAtOnce = "--max-repack-size=16G";
/// What restic seals has a nonce and a signature.
constexpr std::size_t kLeastSealed = 32;
constexpr auto kHalfWrittenFor = std::chrono::minutes(10);
/// Removes only what is not needed at all: takes next to no room.
constexpr std::string_view kRepackNothing = "--max-repack-size=0";

std::string hostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

std::vector<std::string> textsOf(const json::Object& object, std::string_view key) {
  std::vector<std::string> out;
  const auto* value = json::find(object, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const auto& entry : value->get_array())
    if (entry.is_string()) out.push_back(json::toStd(entry.get_string()));
  return out;
}

bool isFull(const Error& error) { return error.message.find("no space left on device") != std::string::npos; }

}  // namespace

Maintenance::Maintenance(std::string directory, runtime::VaultRepository repository, const Restic& restic,
                         const std::atomic<bool>& stopping)
    : path_(fmt::format("{}/{}/{}", directory, repository.vault, repository.name)),
      aside_(fmt::format("{}/{}/.stillpoint", directory, repository.vault)),
      repository_(std::move(repository)),
      restic_(restic),
      stopping_(stopping) {}

Maintenance::Process Maintenance::Process::noted(const os::Fd& fd) {
  std::array<char, 256> buffer{};
  const auto got = ::pread(fd.get(), buffer.data(), buffer.size(), 0);
  const auto words = split(trim(std::string_view(buffer.data(), got < 0 ? 0 : static_cast<std::size_t>(got))), ' ');
  if (words.size() != 3) return {};
  return {static_cast<pid_t>(parseInt(words[0]).value_or(0)), static_cast<std::uint64_t>(parseInt(words[1]).value_or(0)),
          std::string(words[2])};
}

bool Maintenance::Process::alive() const { return pid > 0 && boot == os::bootId() && os::processStartTime(pid) == start; }

Result<Maintenance::Lease> Maintenance::lease() const {
  SP_CHECK_OK(os::makeDirectories(aside_ + "/tmp"));
  const auto file = fmt::format("{}/{}.maintenance", aside_, repository_.name);
  Lease lease;
  lease.fd = os::Fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lease.fd) return failErrno("vault.lease", "cannot open " + file, errno);
  const auto began = std::chrono::steady_clock::now();
  bool asked = false;
  while (::flock(lease.fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR && errno != EWOULDBLOCK) return failErrno("vault.lease", "cannot lock " + file, errno);
    const auto waited = std::chrono::steady_clock::now() - began;
    if (stopping_ || waited > kLeasePatience)
      return fail("vault.lease", fmt::format("another maintenance of {} still runs and holds {}", path_, file));
    // The descriptor first: it cannot come to name another process once its start was compared.
    const auto other = Process::noted(lease.fd);
    const auto pidfd = os::openPidfd(other.pid);
    if (pidfd && other.alive() && (!asked || waited > kPatience)) {
      os::signalPidfd(pidfd->get(), asked ? SIGKILL : SIGINT);
      asked = true;
    }
    os::waitReadable(pidfd ? pidfd->get() : -1, kLookAgain);
  }
  lease.last = Process::noted(lease.fd);
  lease.until = std::chrono::steady_clock::now() + runtime::VaultKeeper::kMaintenanceLimit;
  return lease;
}

Result<os::Fd> Maintenance::hold() const {
  SP_TRY(auto held, lease());
  return std::move(held.fd);
}

Result<std::string> Maintenance::restic(const Lease& lease, std::vector<std::string> arguments) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(lease.until - std::chrono::steady_clock::now());
  ResticRun run{path_, repository_.key, std::move(arguments), std::max(left, std::chrono::milliseconds(0)), aside_ + "/tmp",
                true,  lease.fd.get()};
  run.started = [&](pid_t pid) {
    // Not fsynced: what it names does not outlive the machine's next boot either.
    const auto text = fmt::format("{} {} {}\n", pid, os::processStartTime(pid), os::bootId());
    if (::ftruncate(lease.fd.get(), 0) != 0 || ::pwrite(lease.fd.get(), text.data(), text.size(), 0) < 0)
      log::warn("a maintenance is not noted", {{"repository", path_}, {"process", static_cast<std::int64_t>(pid)}});
  };
  return restic_.run(run);
}

std::set<std::string> Maintenance::listing(std::string_view folder) const {
  std::set<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("{}/{}", path_, folder), error))
    out.insert(entry.path().filename().string());
  return out;
}

// Locks that clients made over the agents' port are known by their ids, and no credential is open. Others: restic itself removes
// those whose process is gone from this host, or that were not kept alive for half an hour.
Result<void> Maintenance::clearLocks(const Lease& lease) const {
  std::error_code error;
  const auto made = fmt::format("{}/locks/{}", aside_, repository_.name);
  for (const auto& entry : std::filesystem::directory_iterator(made, error)) {
    std::error_code ignored;
    std::filesystem::remove(fmt::format("{}/locks/{}", path_, entry.path().filename().string()), ignored);
  }
  std::filesystem::remove_all(made, error);
  // A damaged one is nobody's, and keeps every restic from its work.
  for (const auto& id : listing("locks")) {
    const auto bytes = os::readFile(fmt::format("{}/locks/{}", path_, id), 1U << 20U);
    if (isResticId(id) && bytes && (bytes->size() < kLeastSealed || sha256Hex(*bytes) != id)) SP_CHECK_OK(removeLock(id));
  }
  // What a restic that was killed while it wrote its lock left: no restic reads it, and none writes at one for so long.
  const auto old = std::filesystem::file_time_type::clock::now() - kHalfWrittenFor;
  for (const auto& name : listing("locks")) {
    const std::filesystem::path file(fmt::format("{}/locks/{}", path_, name));
    const auto written = std::filesystem::last_write_time(file, error);
    if (!error && written < old && isResticId(name.substr(0, kResticIdLength)) && name.find("-tmp-") == kResticIdLength)
      std::filesystem::remove(file, error);
  }
  if (std::ranges::none_of(listing("locks"), isResticId)) return {};
  SP_CHECK_OK(restic(lease, {"unlock"}));
  for (const auto& id : listing("locks"))
    if (isResticId(id)) SP_CHECK_OK(clearLock(lease, id));
  return {};
}

Result<void> Maintenance::removeLock(const std::string& id) const {
  const auto file = fmt::format("{}/locks/{}", path_, id);
  log::warn("a dead lock is removed from a repository", {{"repository", path_}, {"lock", id}});
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) return failErrno("vault.remove", "cannot remove " + file, errno);
  return {};
}

// What restic leaves: the lock of a dead maintenance of ours whose process number was given to another meanwhile.
Result<void> Maintenance::clearLock(const Lease& lease, const std::string& id) const {
  if (lease.last.pid <= 0 || lease.last.alive()) return {};
  const auto text = restic(lease, {"cat", "lock", id, "--no-lock"});
  const auto lock = text ? json::parse(*text) : Result<json::Value>(std::unexpected(text.error()));
  const bool ours = lock && lock->is_object() && json::intOr(lock->get_object(), "pid", 0) == lease.last.pid &&
                    json::textOr(lock->get_object(), "hostname") == hostName();
  return ours ? removeLock(id) : Result<void>();
}

Result<void> Maintenance::prune(const Lease& lease) const {
  const auto pruned = restic(lease, {"prune", std::string(kRepackAtOnce)});
  if (pruned) return {};
  if (!isFull(pruned.error())) return std::unexpected(pruned.error());
  SP_CHECK_OK(restic(lease, {"prune", std::string(kRepackNothing)}));
  return {};
}

Result<void> Maintenance::forget(const std::vector<std::string>& snapshots) const {
  if (failpoint::hit("vault.maintaining")) return fail("vault.failpoint", "made to fail");
  SP_TRY(const auto held, lease());
  SP_CHECK_OK(clearLocks(held));
  std::vector<std::string> arguments{"forget"};
  const auto present = listing("snapshots");
  for (const auto& id : snapshots)
    if (present.contains(id)) arguments.push_back(id);
  if (arguments.size() > 1) SP_CHECK_OK(restic(held, std::move(arguments)));
  if (failpoint::hit("vault.forgotten")) return fail("vault.failpoint", "made to fail");
  SP_CHECK_OK(prune(held));
  if (failpoint::hit("vault.pruned")) return fail("vault.failpoint", "made to fail");
  return {};
}

Result<std::vector<runtime::VaultSnapshot>> Maintenance::look(const std::set<std::string>& known) const {
  std::vector<std::string> unknown;
  for (const auto& id : listing("snapshots"))
    if (isResticId(id) && !known.contains(id)) unknown.push_back(id);
  std::vector<runtime::VaultSnapshot> out;
  for (std::size_t from = 0; from < unknown.size(); from += kNamedAtOnce) {
    const auto to = std::min(from + kNamedAtOnce, unknown.size());
    ResticRun run{path_, repository_.key, {"snapshots", "--json", "--no-lock"}, kLookLimit};
    run.arguments.insert(run.arguments.end(), unknown.begin() + static_cast<std::ptrdiff_t>(from),
                         unknown.begin() + static_cast<std::ptrdiff_t>(to));
    const auto text = restic_.run(run);
    const auto parsed = text ? json::parse(*text) : Result<json::Value>(std::unexpected(text.error()));
    std::set<std::string> told;
    if (parsed && parsed->is_array()) {
      for (const auto& entry : parsed->get_array()) {
        if (!entry.is_object()) continue;
        const auto& snapshot = entry.get_object();
        out.push_back({json::textOr(snapshot, "id"), json::textOr(snapshot, "time"), json::textOr(snapshot, "hostname"),
                       json::textOr(snapshot, "username"), textsOf(snapshot, "paths"), textsOf(snapshot, "tags"), ""});
        told.insert(out.back().id);
      }
    }
    // One that cannot be read keeps restic from telling of the others too.
    for (auto i = from; i < to; ++i)
      if (!told.contains(unknown[i]))
        out.push_back({unknown[i], "", "", "", {}, {}, parsed ? "restic does not list it" : parsed.error().message});
  }
  return out;
}

}  // namespace sp::fleet
