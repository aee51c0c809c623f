#include "agent/scripts/run_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "base/log.h"
#include "os/file.h"

namespace sp::agent {
namespace {

constexpr std::size_t kFresh = 2;
constexpr std::size_t kKept = 4;
/// What is longer takes the file system a while to empty.
constexpr off_t kLongest = 256 << 10;
constexpr const char* kStep = "step-0";

struct Part {
  std::string_view name;
  mode_t mode;
};
/// All that a folder holds that its script has left alone (supervisor.h).
constexpr std::array<Part, 7> kParts{
    {{"_script.sh", 0700}, {"spec", 0600}, {"lock", 0600}, {"pid", 0600}, {"stdout", 0600}, {"stderr", 0600}, {"status", 0600}}};

/// Names in a folder; nullopt: it cannot be read, or there are more than `limit`.
std::optional<std::vector<std::string>> namesIn(const std::string& path, std::size_t limit) {
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return std::nullopt;
  std::vector<std::string> names;
  while (names.size() <= limit) {
    const auto* entry = ::readdir(folder);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(folder);
  if (names.size() > limit) return std::nullopt;
  return names;
}

bool isOurFolder(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 07777) == 0700;
}

/// Empties it, if it is an ordinary file that nobody but us can write to, now or later: a program that its script left behind may
/// still print.
bool emptyFile(const std::string& path, mode_t mode) {
  const os::Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return false;
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || info.st_uid != ::geteuid() || (info.st_mode & 07777) != mode ||
      info.st_size > kLongest)
    return false;
  // The kernel gives the lease only while no other descriptor of the file is open.
  if (::fcntl(file.get(), F_SETLEASE, F_WRLCK) != 0) return false;
  const bool emptied = info.st_size == 0 || ::ftruncate(file.get(), 0) == 0;
  return ::fcntl(file.get(), F_SETLEASE, F_UNLCK) == 0 && emptied;
}

bool emptyFolder(const std::string& run) {
  const auto step = run + "/" + kStep;
  const auto outer = namesIn(run, 1);
  if (!outer || outer->size() != 1 || outer->front() != kStep || !isOurFolder(run) || !isOurFolder(step)) return false;
  const auto inner = namesIn(step, kParts.size());
  return inner && std::ranges::all_of(*inner, [&](const std::string& name) {
           const auto* part = std::ranges::find(kParts, std::string_view(name), &Part::name);
           return part != kParts.end() && emptyFile(step + "/" + name, part->mode);
         });
}

Result<void> makeFolder(const std::string& run) {
  SP_CHECK_OK(os::makeDirectories(run + "/" + kStep));
  for (const auto& part : kParts) SP_CHECK_OK(os::writeFile(fmt::format("{}/{}/{}", run, kStep, part.name), "", part.mode));
  return {};
}

}  // namespace

std::string RunFolders::nextPath() {
  const std::lock_guard lock(mutex_);
  return fmt::format("{}/spare-{}-{}", runs_, ::getpid(), ++made_);
}

Result<RunFolders::Taken> RunFolders::take(const std::string& name) {
  const auto path = runs_ + "/" + name;
  // Taken by an agent that ended before it noted so.
  if (::access((path + "/" + kStep).c_str(), F_OK) == 0) return Taken{true};
  std::optional<Spare> spare;
  {
    const std::lock_guard lock(mutex_);
    if (!spares_.empty()) {
      // New ones first: of those nothing of another script can come back.
      const auto best = std::ranges::find(spares_, false, &Spare::reused);
      const auto chosen = best == spares_.end() ? spares_.end() - 1 : best;
      spare = std::move(*chosen);
      spares_.erase(chosen);
    }
  }
  if (spare && ::rename(spare->path.c_str(), path.c_str()) == 0) return Taken{spare->reused};
  if (spare) log::warn("a folder kept for a script is not used", {{"folder", spare->path}, {"errno", errno}});
  SP_CHECK_OK(os::makeDirectories(path + "/" + kStep));
  return Taken{};
}

bool RunFolders::giveBack(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    if (spares_.size() >= kKept) return false;
  }
  const auto path = runs_ + "/" + name;
  if (!emptyFolder(path)) return false;
  const auto spare = nextPath();
  if (::rename(path.c_str(), spare.c_str()) != 0) return false;
  const std::lock_guard lock(mutex_);
  spares_.push_back({spare, true});
  return true;
}

void RunFolders::refresh() {
  std::vector<std::string> used;
  std::size_t fresh = 0;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(spares_, [&](const Spare& spare) {
      if (spare.reused) used.push_back(spare.path);
      return spare.reused;
    });
    fresh = spares_.size();
  }
  std::error_code ignored;
  for (const auto& path : used) std::filesystem::remove_all(path, ignored);
  for (; fresh < kFresh; ++fresh) {
    const auto path = nextPath();
    if (const auto made = makeFolder(path); !made) {
      // The script that needs one makes its own, and says why it cannot.
      std::filesystem::remove_all(path, ignored);
      return;
    }
    const std::lock_guard lock(mutex_);
    spares_.push_back({path, false});
  }
}

}  // namespace sp::agent
