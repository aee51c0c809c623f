#include "fleet/vault/repository_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/random.h"

namespace sp::fleet {
namespace {

constexpr std::array<std::pair<std::string_view, FileKind>, 5> kFolders{{{"keys", FileKind::keys},
                                                                         {"locks", FileKind::locks},
                                                                         {"snapshots", FileKind::snapshots},
                                                                         {"index", FileKind::index},
                                                                         {"data", FileKind::data}}};

std::string_view folderOf(FileKind kind) {
  for (const auto& [name, value] : kFolders)
    if (value == kind) return name;
  return "";
}

Result<void> listFolder(const std::string& folder, std::vector<StoredFile>& into) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) return failErrno("vault.list", "cannot list " + folder, error.value());
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const auto size = entries->file_size(error);
    // Gone or not a file: another client removed its lock meanwhile.
    if (error) continue;
    into.push_back({entries->path().filename().string(), size});
  }
  return {};
}

}  // namespace

std::optional<FileKind> parseFileKind(std::string_view text) {
  for (const auto& [name, kind] : kFolders)
    if (name == text) return kind;
  return std::nullopt;
}

RepositoryFiles::RepositoryFiles(const std::string& directory, std::string_view vault, std::string_view name)
    : root_(fmt::format("{}/{}/{}", directory, vault, name)), aside_(fmt::format("{}/{}/.stillpoint", directory, vault)), name_(name) {}

std::string RepositoryFiles::pathOf(FileKind kind, std::string_view id) const {
  if (kind == FileKind::config) return root_ + "/config";
  if (kind == FileKind::data) return fmt::format("{}/data/{}/{}", root_, id.substr(0, 2), id);
  return fmt::format("{}/{}/{}", root_, folderOf(kind), id);
}

Result<std::vector<StoredFile>> RepositoryFiles::list(FileKind kind) const {
  std::vector<StoredFile> out;
  const auto folder = fmt::format("{}/{}", root_, folderOf(kind));
  if (kind != FileKind::data) {
    SP_CHECK_OK(listFolder(folder, out));
    return out;
  }
  for (int part = 0; part < 256; ++part) {
    const auto sub = fmt::format("{}/{:02x}", folder, part);
    std::error_code error;
    if (std::filesystem::is_directory(sub, error)) SP_CHECK_OK(listFolder(sub, out));
  }
  return out;
}

RepositoryFiles::Upload::~Upload() {
  if (file_) ::unlink(path_.c_str());
}

Result<void> RepositoryFiles::Upload::write(std::string_view bytes) {
  hasher_.update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const auto put = ::write(file_.get(), bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return failErrno(errno == ENOSPC || errno == EDQUOT ? "os.full" : "os.write", "cannot write " + path_, errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<RepositoryFiles::Upload> RepositoryFiles::begin() const {
  SP_CHECK_OK(os::makeDirectories(aside_ + "/incoming"));
  SystemRandom random;
  auto path = fmt::format("{}/incoming/{}-{}", aside_, name_, random.hex(16));
  os::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return failErrno(errno == ENOSPC || errno == EDQUOT ? "os.full" : "os.open", "cannot create " + path, errno);
  return Upload(std::move(path), std::move(file));
}

// Fsync, then link(2): it refuses when the name is taken, where rename(2) would replace it.
Result<void> RepositoryFiles::commit(Upload& upload, FileKind kind, const std::string& id) const {
  if (::fsync(upload.file_.get()) != 0) {
    return failErrno(errno == ENOSPC || errno == EDQUOT ? "os.full" : "os.fsync", "cannot make durable " + upload.path_, errno);
  }
  const auto path = pathOf(kind, id);
  const auto folder = std::filesystem::path(path).parent_path().string();
  SP_CHECK_OK(os::makeDirectories(folder));
  if (failpoint::hit("vault.before_store")) return fail("vault.failpoint", "made to fail before " + path);
  if (::link(upload.path_.c_str(), path.c_str()) != 0) {
    const int error = errno;
    if (error == EEXIST) return fail("vault.exists", path + " is there already");
    return failErrno(error == ENOSPC || error == EDQUOT ? "os.full" : "os.link", "cannot store " + path, error);
  }
  SP_CHECK_OK(os::fsyncDirectory(folder));
  if (failpoint::hit("vault.after_store")) return fail("vault.failpoint", "made to fail after " + path);
  return {};
}

Result<void> RepositoryFiles::recordLockMaker(const std::string& lock, std::string_view job) const {
  const auto folder = fmt::format("{}/locks/{}", aside_, name_);
  SP_CHECK_OK(os::makeDirectories(folder));
  return os::writeFileDurably(fmt::format("{}/{}", folder, lock), job);
}

bool RepositoryFiles::madeLock(const std::string& lock, std::string_view job) const {
  const auto maker = os::readFile(fmt::format("{}/locks/{}/{}", aside_, name_, lock), 4096);
  return maker && *maker == job;
}

Result<void> RepositoryFiles::removeLock(const std::string& lock) const {
  const auto path = pathOf(FileKind::locks, lock);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failErrno("vault.remove", "cannot remove " + path, errno);
  ::unlink(fmt::format("{}/locks/{}/{}", aside_, name_, lock).c_str());
  return {};
}

}  // namespace sp::fleet
