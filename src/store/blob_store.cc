#include "store/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "os/file.h"

namespace sp::store {
namespace {

constexpr std::size_t kIdDigits = 32;
constexpr int kFolders = 256;

bool isId(std::string_view id) {
  return id.size() == kIdDigits && std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::unexpected<Error> failWrite(const std::string& what, int errno_value) {
  const bool full = errno_value == ENOSPC || errno_value == EDQUOT;
  return failErrno(full ? "blob.full" : "blob.io", what, errno_value);
}

// Where things lie. Shared by the store and its writers.
struct Layout {
  std::string root;

  std::string folderOf(std::string_view id) const { return fmt::format("{}/{}", root, id.substr(0, 2)); }
  std::string pathOf(std::string_view id) const { return fmt::format("{}/{}", folderOf(id), id); }
  // Unfinished blobs lie apart, so that a sweep can drop them without asking anybody.
  std::string aside() const { return root + "/incoming"; }
  std::string asidePathOf(std::string_view id) const { return fmt::format("{}/{}", aside(), id); }
};

class FileWriter final : public BlobStore::Writer {
 public:
  FileWriter(const Layout& layout, std::string id, os::Fd fd) : layout_(layout), id_(std::move(id)), fd_(std::move(fd)) {}
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter() override {
    if (!committed_) ::unlink(layout_.asidePathOf(id_).c_str());
  }

  Result<void> write(std::string_view bytes) override {
    if (failpoint::hit("blob.write")) return failWrite("cannot write " + layout_.asidePathOf(id_), ENOSPC);
    while (!bytes.empty()) {
      const auto written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return failWrite("cannot write " + layout_.asidePathOf(id_), errno);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<std::string> commit() override {
    const auto aside = layout_.asidePathOf(id_);
    if (failpoint::hit("blob.written")) return fail("blob.io", "fail point blob.written");
    if (::fsync(fd_.get()) != 0) return failWrite("cannot fsync " + aside, errno);
    fd_.reset();
    const auto path = layout_.pathOf(id_);
    if (::rename(aside.c_str(), path.c_str()) != 0) return failWrite("cannot rename to " + path, errno);
    committed_ = true;
    if (auto synced = os::fsyncDirectory(layout_.folderOf(id_)); !synced) {
      ::unlink(path.c_str());
      return std::unexpected(std::move(synced.error()));
    }
    if (failpoint::hit("blob.durable")) {
      ::unlink(path.c_str());
      return fail("blob.io", "fail point blob.durable");
    }
    return id_;
  }

 private:
  Layout layout_;
  std::string id_;
  os::Fd fd_;
  bool committed_ = false;
};

class FileReader final : public BlobStore::Reader {
 public:
  FileReader(std::string path, os::Fd fd, std::uint64_t size) : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  std::uint64_t size() const override { return size_; }

  Result<std::string> read(std::uint64_t offset, std::size_t limit) override {
    if (offset >= size_) return std::string();
    std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(limit, size_ - offset)), '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
      const auto got = ::pread(fd_.get(), bytes.data() + have, bytes.size() - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failErrno("blob.io", "cannot read " + path_, errno);
      if (got == 0) return fail("blob.io", fmt::format("{} ends at byte {} instead of {}", path_, offset + have, size_));
      have += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  std::string path_;
  os::Fd fd_;
  std::uint64_t size_;
};

class FileBlobStore final : public BlobStore {
 public:
  FileBlobStore(std::string root, Random& random) : layout_{std::move(root)}, random_(random) {}

  // All folders are there from the first day: otherwise a blob could be durable in a folder that is not yet.
  Result<void> prepare() {
    SP_CHECK_OK(os::makeDirectories(layout_.root));
    bool made = false;
    const auto make = [&made](const std::string& path) -> Result<void> {
      if (::mkdir(path.c_str(), 0700) == 0) made = true;
      else if (errno != EEXIST) return failWrite("cannot create " + path, errno);
      return {};
    };
    SP_CHECK_OK(make(layout_.aside()));
    for (int i = 0; i < kFolders; ++i) SP_CHECK_OK(make(fmt::format("{}/{:02x}", layout_.root, i)));
    if (made) {
      SP_CHECK_OK(os::fsyncDirectory(layout_.root));
      SP_CHECK_OK(os::fsyncDirectory(std::filesystem::path(layout_.root).parent_path()));
    }
    return {};
  }

  Result<std::unique_ptr<Writer>> create() override {
    auto id = random_.hex(kIdDigits);
    {
      const std::lock_guard lock(mutex_);
      if (!swept_) made_here_.insert(id);
    }
    const auto path = layout_.asidePathOf(id);
    os::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return failWrite("cannot create " + path, errno);
    return std::make_unique<FileWriter>(layout_, std::move(id), std::move(fd));
  }

  Result<std::unique_ptr<Reader>> openBlob(std::string_view id) override {
    if (!isId(id)) return fail("blob.missing", fmt::format("'{}' is not a blob's id", id));
    auto path = layout_.pathOf(id);
    os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return failErrno(errno == ENOENT ? "blob.missing" : "blob.io", "cannot open " + path, errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return failErrno("blob.io", "cannot stat " + path, errno);
    return std::make_unique<FileReader>(std::move(path), std::move(fd), static_cast<std::uint64_t>(status.st_size));
  }

  void remove(std::string_view id) override {
    if (!isId(id)) return;
    const auto path = layout_.pathOf(id);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) log::warn("a blob could not be removed", {{"path", path}, {"errno", errno}});
  }

  void sweep(const std::function<bool(std::string_view id)>& used) override {
    // What this process began is on its way to a row: work that was taken up at start may write already.
    const auto isMadeHere = [this](std::string_view id) {
      const std::lock_guard lock(mutex_);
      return made_here_.contains(id);
    };
    std::size_t removed = removeFrom(layout_.aside(), isMadeHere);
    const auto isKept = [&](std::string_view id) { return isMadeHere(id) || used(id); };
    for (int i = 0; i < kFolders; ++i) removed += removeFrom(fmt::format("{}/{:02x}", layout_.root, i), isKept);
    {
      const std::lock_guard lock(mutex_);
      swept_ = true;
      made_here_.clear();
    }
    if (removed > 0) log::info("removed blobs that no row names", {{"blobs", removed}});
  }

 private:
  static std::size_t removeFrom(const std::string& folder, const std::function<bool(std::string_view id)>& used) {
    std::error_code error;
    std::vector<std::filesystem::path> orphans;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const auto name = entry.path().filename().string();
      if (isId(name) && !used(name)) orphans.push_back(entry.path());
    }
    if (error) log::warn("cannot look for orphan blobs", {{"folder", folder}, {"error", error.message()}});
    for (const auto& path : orphans) std::filesystem::remove(path, error);
    return orphans.size();
  }

  Layout layout_;
  Random& random_;
  std::mutex mutex_;
  /// Blobs begun since the start, until the sweep.
  std::set<std::string, std::less<>> made_here_;
  bool swept_ = false;
};

}  // namespace

Result<std::unique_ptr<BlobStore>> BlobStore::open(const std::string& directory, Random& random) {
  auto made = std::make_unique<FileBlobStore>(directory, random);
  SP_CHECK_OK(made->prepare());
  return made;
}

}  // namespace sp::store
