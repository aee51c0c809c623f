#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "fleet/vault/repository_key.h"
#include "fleet/vault_http.h"
#include "os/file.h"
#include "os/process.h"

namespace sp::fleet {
namespace {

constexpr auto kCreateLimit = std::chrono::minutes(2);
constexpr auto kMaintenanceLimit = std::chrono::hours(12);
constexpr int kPasswordFd = 3;
constexpr int kLockFd = 4;

/// The password reaches restic as a descriptor: it stands in no argument, no variable and on no disk.
Result<os::Fd> passwordDescriptor(const std::string& key) {
  os::Fd fd(::memfd_create("repository-key", MFD_CLOEXEC));
  if (!fd) return failErrno("vault.memfd", "cannot hand over the repository's key", errno);
  const auto text = key + "\n";
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return failErrno("vault.memfd", "cannot hand over the repository's key", errno);
  }
  return fd;
}

class Keeper final : public runtime::VaultKeeper {
 public:
  Keeper(std::string directory, unsigned threads) : directory_(std::move(directory)) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      queue_.clear();
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void create(const runtime::VaultRepository& repository, Done done) override {
    post([this, repository, done = std::move(done)] { done(createNow(repository)); });
  }
  void forget(const runtime::VaultRepository& repository, const std::vector<std::string>& snapshot_ids, Done done) override {
    post([this, repository, snapshot_ids, done = std::move(done)] { done(forgetNow(repository, snapshot_ids)); });
  }
  void removeVault(const std::string& vault, Done done) override {
    post([this, vault, done = std::move(done)] { done(removeNow(vault)); });
  }
  std::string pathOf(std::string_view vault, std::string_view name) const override {
    return fmt::format("{}/{}/{}", directory_, vault, name);
  }

 private:
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
    wake_.notify_one();
  }

  void work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (stopping_) return;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      task();
    }
  }

  /// Runs restic on a repository's folder; its error is restic's own last words.
  Result<void> restic(const std::string& path, const std::string& key, std::vector<std::string> arguments, std::chrono::milliseconds limit,
                      int lock = -1) {
    SP_TRY(const auto password, passwordDescriptor(key));
    os::SpawnSpec spec;
    spec.argv = {"restic", "-r", path, "--password-file", fmt::format("/proc/self/fd/{}", kPasswordFd), "--no-cache"};
    const auto verb = arguments.front();
    for (auto& argument : arguments) spec.argv.push_back(std::move(argument));
    spec.environment = {
        {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TZ=UTC", "LC_ALL=C.UTF-8", "HOME=/nonexistent"}};
    spec.pass = {{password.get(), kPasswordFd}};
    if (lock >= 0) spec.pass.emplace_back(lock, kLockFd);
    spec.new_group = true;
    const os::Fd words(::memfd_create("restic-words", MFD_CLOEXEC));
    if (!words) return failErrno("vault.memfd", "cannot keep restic's words", errno);
    spec.stderr_fd = words.get();
    SP_TRY(const auto process, os::spawn(spec));
    SP_TRY(const auto status, follow(process, limit));
    if (!status)
      return fail("vault.restic",
                  fmt::format("restic {} on {} was ended after {} s or at the server's stop", verb, path, limit.count() / 1000));
    if (status->ok()) return {};
    std::string text(4096, '\0');
    const auto got = ::pread(words.get(), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return fail("vault.restic", fmt::format("restic {} on {} ended with {}: {}", verb, path, status->text(), trim(text)));
  }

  /// Waits for the end; nullopt when it had to be ended: its time was over, or the server stops.
  Result<std::optional<os::ExitStatus>> follow(const os::Process& process, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (true) {
      SP_TRY(const auto status, process.wait(std::chrono::milliseconds(200)));
      if (status) return status;
      if (!stopping_ && std::chrono::steady_clock::now() < deadline) continue;
      // SIGINT lets it take back its lock.
      process.signal(SIGINT);
      SP_TRY(const auto interrupted, process.wait(std::chrono::seconds(10)));
      if (interrupted) return std::optional<os::ExitStatus>();
      process.killGroup(SIGKILL);
      SP_CHECK_OK(process.wait());
      return std::optional<os::ExitStatus>();
    }
  }

  // Made under another name and renamed when whole, so that a repository under its own name always opens: a restic that
  // outlived a killed server writes into a folder nobody looks at.
  Result<void> createNow(const runtime::VaultRepository& repository) {
    const auto path = pathOf(repository.vault, repository.name);
    std::error_code error;
    if (std::filesystem::exists(path + "/config", error)) return restic(path, repository.key, {"cat", "config"}, kCreateLimit);
    const auto folder = fmt::format("{}/{}/.stillpoint/made", directory_, repository.vault);
    SP_CHECK_OK(os::makeDirectories(folder));
    SystemRandom random;
    const auto making = fmt::format("{}/{}-{}", folder, repository.name, random.hex(16));
    auto made = restic(making, repository.key, {"init"}, kCreateLimit);
    if (made) {
      // Each job opens the repository, some of them while an application is frozen.
      if (auto quick = quickenKey(making, repository.key, random); !quick)
        log::warn("a repository keeps restic's own key derivation", {{"repository", path}, {"why", quick.error().text()}});
    }
    if (made && ::rename(making.c_str(), path.c_str()) != 0)
      made = failErrno("vault.create", "cannot rename " + making + " to " + path, errno);
    if (!made) {
      std::filesystem::remove_all(making, error);
      return made;
    }
    return os::fsyncDirectory(pathOf(repository.vault, ""));
  }

  /// Blocks until no maintenance runs there. The restic it starts holds the lock too: one that outlived a killed server is
  /// waited for instead of being pruned against.
  Result<os::Fd> lockMaintenance(const runtime::VaultRepository& repository) const {
    const auto folder = fmt::format("{}/{}/.stillpoint", directory_, repository.vault);
    SP_CHECK_OK(os::makeDirectories(folder));
    const auto path = fmt::format("{}/{}.maintenance", folder, repository.name);
    os::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return failErrno("vault.lock", "cannot open " + path, errno);
    while (::flock(fd.get(), LOCK_EX) != 0)
      if (errno != EINTR) return failErrno("vault.lock", "cannot lock " + path, errno);
    return fd;
  }

  Result<void> forgetNow(const runtime::VaultRepository& repository, const std::vector<std::string>& snapshot_ids) {
    const auto path = pathOf(repository.vault, repository.name);
    SP_TRY(const auto lock, lockMaintenance(repository));
    std::vector<std::string> present;
    std::error_code error;
    for (const auto& id : snapshot_ids)
      if (std::filesystem::exists(fmt::format("{}/snapshots/{}", path, id), error)) present.push_back(id);
    // Nobody uses the repository now: what locks it is what killed clients left.
    SP_CHECK_OK(restic(path, repository.key, {"unlock", "--remove-all"}, kMaintenanceLimit, lock.get()));
    std::filesystem::remove_all(fmt::format("{}/{}/.stillpoint/locks/{}", directory_, repository.vault, repository.name), error);
    if (!present.empty()) {
      std::vector<std::string> arguments{"forget"};
      arguments.insert(arguments.end(), present.begin(), present.end());
      SP_CHECK_OK(restic(path, repository.key, std::move(arguments), kMaintenanceLimit, lock.get()));
    }
    return restic(path, repository.key, {"prune"}, kMaintenanceLimit, lock.get());
  }

  // Renamed first: a vault of the same name may be made again at once.
  Result<void> removeNow(const std::string& vault) {
    const auto path = fmt::format("{}/{}", directory_, vault);
    std::error_code error;
    if (!std::filesystem::exists(path, error)) return {};
    SystemRandom random;
    const auto aside = fmt::format("{}/.removed-{}", directory_, random.hex(16));
    if (::rename(path.c_str(), aside.c_str()) != 0) return failErrno("vault.remove", "cannot rename " + path, errno);
    std::filesystem::remove_all(aside, error);
    if (error) return failErrno("vault.remove", "cannot remove " + aside, error.value());
    return {};
  }

  std::string directory_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;
};

/// What a killed server was receiving or making: nobody names it any more.
void removeLeftovers(const std::string& directory) {
  std::error_code error;
  for (const auto& vault : std::filesystem::directory_iterator(directory, error)) {
    std::error_code ignored;
    if (vault.path().filename().string().starts_with(".removed-")) std::filesystem::remove_all(vault.path(), ignored);
    for (const auto* folder : {"/.stillpoint/incoming", "/.stillpoint/made"})
      std::filesystem::remove_all(vault.path().string() + folder, ignored);
  }
}

}  // namespace

std::unique_ptr<runtime::VaultKeeper> makeVaultKeeper(std::string directory, unsigned threads) {
  removeLeftovers(directory);
  return std::make_unique<Keeper>(std::move(directory), threads);
}

}  // namespace sp::fleet
