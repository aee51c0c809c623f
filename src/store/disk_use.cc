#include "store/disk_use.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/log.h"

namespace sp::store {
namespace {

namespace fs = std::filesystem;

constexpr Duration kLeastPause = std::chrono::minutes(1);
/// So many times what the last count took.
constexpr int kPauses = 100;
constexpr std::uint64_t kBlock = 512;

bool isGone(const std::error_code& error) { return error == std::errc::no_such_file_or_directory; }

}  // namespace

Result<Disk> diskOf(const std::string& path) {
  struct statvfs disk{};
  struct stat info{};
  if (::statvfs(path.c_str(), &disk) != 0 || ::stat(path.c_str(), &info) != 0)
    return failErrno("os.read", "cannot ask for the file system of " + path, errno);
  return Disk{disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, info.st_dev};
}

std::uint64_t fileBytes(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

FolderSizes::FolderSizes(const Clock& clock, std::vector<std::string> folders) : clock_(clock), folders_(std::move(folders)) {}

FolderSizes::~FolderSizes() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::optional<FolderSizes::Size> FolderSizes::of(const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  const auto found = sizes_.find(folder);
  return found == sizes_.end() ? std::nullopt : std::optional(found->second);
}

void FolderSizes::refresh() {
  const std::lock_guard lock(mutex_);
  if (counting_ || wanted_ || ending_ || clock_.boottime() < not_before_) return;
  wanted_ = true;
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  wake_.notify_all();
}

void FolderSizes::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || wanted_; });
    if (ending_) return;
    wanted_ = false;
    counting_ = true;
    const auto began = clock_.boottime();
    for (const auto& folder : folders_) {
      lock.unlock();
      auto size = count(folder);
      lock.lock();
      if (ending_) return;
      if (size) sizes_.insert_or_assign(folder, *size);
      else log::warn("a folder could not be counted", {{"folder", folder}, {"why", size.error().text()}});
    }
    const auto ended = clock_.boottime();
    not_before_ = ended + std::max(kLeastPause, (ended - began) * kPauses);
    counting_ = false;
    done_.notify_all();
  }
}

bool FolderSizes::settled(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return done_.wait_for(lock, limit, [this] { return !wanted_ && !counting_; });
}

// What goes while it is counted is passed over; links are not followed.
Result<FolderSizes::Size> FolderSizes::count(const std::string& folder) const {
  Size size;
  size.counted = clock_.now();
  std::error_code none_there;
  SP_TRY(size.disk, diskOf(fs::exists(folder, none_there) ? folder : fs::path(folder).parent_path().string()));
  std::vector<fs::path> pending{folder};
  while (!pending.empty()) {
    const auto here = std::move(pending.back());
    pending.pop_back();
    std::error_code error;
    for (fs::directory_iterator at(here, error), none; !error && at != none && !ending_; at.increment(error)) {
      struct stat info{};
      if (::lstat(at->path().c_str(), &info) != 0) continue;
      size.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
      if (S_ISDIR(info.st_mode)) pending.push_back(at->path());
      else ++size.files;
    }
    if (error && !isGone(error)) return fail("os.read", "cannot read " + here.string() + ": " + error.message());
  }
  return size;
}

}  // namespace sp::store
