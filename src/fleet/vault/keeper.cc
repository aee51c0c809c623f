#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "fleet/vault/maintenance.h"
#include "fleet/vault/repository_key.h"
#include "fleet/vault_http.h"
#include "os/file.h"

namespace sp::fleet {
namespace {

constexpr auto kCreateLimit = std::chrono::minutes(2);
/// How the folders of deleted vaults begin; no vault has such a name.
constexpr std::string_view kRemoved = ".removed-";

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
    post([this, repository, snapshot_ids, done = std::move(done)] {
      done(Maintenance(directory_, repository, restic_, stopping_).forget(snapshot_ids));
    });
  }
  void look(const runtime::VaultRepository& repository, std::set<std::string> known, Found done) override {
    post([this, repository, known = std::move(known), done = std::move(done)] {
      done(Maintenance(directory_, repository, restic_, stopping_).look(known));
    });
  }
  Result<std::set<std::string>> snapshots(const std::string& vault) const override {
    std::set<std::string> out;
    SP_TRY(const auto names, repositories(vault));
    for (const auto& name : names) {
      const auto folder = pathOf(vault, name) + "/snapshots";
      SP_TRY(const auto files, listing(folder));
      for (const auto& file : files)
        if (isResticId(file)) out.insert(fmt::format("{}/{}", name, file));
    }
    return out;
  }
  void removeVault(const std::string& vault, std::set<std::string> known, Done done) override {
    post([this, vault, known = std::move(known), done = std::move(done)] { done(removeNow(vault, known)); });
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

  Result<void> restic(const std::string& path, const std::string& key, std::vector<std::string> arguments) const {
    SP_CHECK_OK(restic_.run({path, key, std::move(arguments), kCreateLimit}));
    return {};
  }

  // Made under another name and renamed when whole, so that a repository under its own name always opens: a restic that
  // outlived a killed server writes into a folder nobody looks at.
  Result<void> createNow(const runtime::VaultRepository& repository) {
    const auto path = pathOf(repository.vault, repository.name);
    std::error_code error;
    if (std::filesystem::exists(path + "/config", error)) return restic(path, repository.key, {"cat", "config"});
    const auto folder = fmt::format("{}/{}/.stillpoint/made", directory_, repository.vault);
    SP_CHECK_OK(os::makeDirectories(folder));
    SystemRandom random;
    const auto making = fmt::format("{}/{}-{}", folder, repository.name, random.hex(16));
    auto made = restic(making, repository.key, {"init"});
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

  /// The names in a folder; none if it is not there.
  static Result<std::set<std::string>> listing(const std::string& folder) {
    std::set<std::string> out;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    while (!error && entries != std::filesystem::directory_iterator()) {
      out.insert(entries->path().filename().string());
      entries.increment(error);
    }
    if (error && error != std::errc::no_such_file_or_directory) return failErrno("vault.list", "cannot list " + folder, error.value());
    return out;
  }

  /// The names of a vault's repositories, whoever made them.
  Result<std::set<std::string>> repositories(const std::string& vault) const {
    SP_TRY(auto names, listing(pathOf(vault, "")));
    std::erase_if(names, [&](const std::string& name) {
      std::error_code error;
      return name == ".stillpoint" || !std::filesystem::is_directory(pathOf(vault, name), error);
    });
    return names;
  }

  // Renamed first: a vault of the same name may be made again at once.
  Result<void> removeNow(const std::string& vault, const std::set<std::string>& known) {
    const auto path = fmt::format("{}/{}", directory_, vault);
    SP_CHECK_OK(os::makeDirectories(directory_));
    // A restic that a killed server left in one of them would make its folders again.
    // It has ended once its lease was held: this server's own work waits for the removal, so that none begins after.
    SP_TRY(const auto names, repositories(vault));
    for (const auto& name : names) SP_CHECK_OK(Maintenance(directory_, {vault, name, ""}, restic_, stopping_).hold());
    SP_TRY(const auto present, snapshots(vault));
    for (const auto& snapshot : present)
      if (!known.contains(snapshot)) return fail("vault.strange", fmt::format("{} has the snapshot {} of no known job", path, snapshot));
    if (failpoint::hit("vault.removing")) return fail("vault.failpoint", "made to fail");
    SystemRandom random;
    const auto aside = fmt::format("{}/{}{}", directory_, kRemoved, random.hex(16));
    if (::rename(path.c_str(), aside.c_str()) != 0 && errno != ENOENT)
      return failErrno("vault.remove", fmt::format("cannot rename {} to {}", path, aside), errno);
    SP_CHECK_OK(os::fsyncDirectory(directory_));
    const auto left = removeLeft();
    if (failpoint::hit("vault.removed")) return fail("vault.failpoint", "made to fail");
    return left;
  }

  /// What was renamed so far, also by those that could not remove all of it.
  Result<void> removeLeft() {
    // Two in one folder would each find that its files go.
    const std::lock_guard lock(removing_);
    SP_TRY(const auto names, listing(directory_));
    for (const auto& name : names) {
      if (!name.starts_with(kRemoved)) continue;
      std::error_code error;
      std::filesystem::remove_all(fmt::format("{}/{}", directory_, name), error);
      if (error) return failErrno("vault.left", fmt::format("cannot remove {}/{}", directory_, name), error.value());
    }
    return {};
  }

  std::string directory_;
  std::mutex removing_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::atomic<bool> stopping_ = false;
  Restic restic_{stopping_};
  std::vector<std::thread> threads_;
};

/// What a killed server was receiving or making: nobody names it any more.
void removeLeftovers(const std::string& directory) {
  std::error_code error;
  for (const auto& vault : std::filesystem::directory_iterator(directory, error)) {
    std::error_code ignored;
    if (vault.path().filename().string().starts_with(kRemoved)) std::filesystem::remove_all(vault.path(), ignored);
    for (const auto* folder : {"/.stillpoint/incoming", "/.stillpoint/made", "/.stillpoint/tmp"})
      std::filesystem::remove_all(vault.path().string() + folder, ignored);
  }
}

}  // namespace

std::unique_ptr<runtime::VaultKeeper> makeVaultKeeper(std::string directory, unsigned threads) {
  removeLeftovers(directory);
  return std::make_unique<Keeper>(std::move(directory), threads);
}

}  // namespace sp::fleet
