#include "os/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

namespace sp::os {
namespace {

/// No room for this user, whether the disk or the quota says so.
bool isFull(int error) { return error == ENOSPC || error == EDQUOT; }

Result<void> writeAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return failErrno(isFull(errno) ? "os.full" : "os.write", "cannot write " + path, errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<std::string> readFile(const std::string& path, std::uint64_t limit) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failErrno("os.open", "cannot read " + path, errno);
  std::string bytes;
  char buffer[65536];
  while (true) {
    const auto got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      return failErrno("os.read", "cannot read " + path, errno);
    }
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (bytes.size() > limit) return fail("os.too_large", fmt::format("{} is larger than {} bytes", path, limit));
  }
}

Result<void> writeFileDurably(const std::string& path, std::string_view bytes, unsigned mode) {
  const auto aside = fmt::format("{}.new-{}", path, getpid());
  {
    const Fd fd(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd) return failErrno("os.open", "cannot create " + aside, errno);
    auto written = writeAll(fd.get(), bytes, aside);
    if (written && ::fsync(fd.get()) != 0) written = failErrno("os.fsync", "cannot fsync " + aside, errno);
    if (!written) {
      ::unlink(aside.c_str());
      return written;
    }
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) return failErrno("os.rename", "cannot rename to " + path, errno);
  return fsyncDirectory(std::filesystem::path(path).parent_path());
}

Result<void> writeFile(const std::string& path, std::string_view bytes, unsigned mode) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return failErrno(isFull(errno) ? "os.full" : "os.open", "cannot create " + path, errno);
  return writeAll(fd.get(), bytes, path);
}

Result<void> makeDirectories(const std::string& path, unsigned mode) {
  // Mostly all but the last are there.
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  std::string so_far;
  for (const auto& part : std::filesystem::path(path)) {
    so_far = so_far.empty() ? part.string() : (std::filesystem::path(so_far) / part).string();
    if (so_far.empty() || so_far == "/") continue;
    if (::mkdir(so_far.c_str(), mode) != 0 && errno != EEXIST)
      return failErrno(isFull(errno) ? "os.full" : "os.mkdir", "cannot create " + so_far, errno);
  }
  return {};
}

Result<void> fsyncDirectory(const std::string& path) {
  const Fd fd(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failErrno("os.open", "cannot open folder " + path, errno);
  if (::fsync(fd.get()) != 0) return failErrno("os.fsync", "cannot fsync folder " + path, errno);
  return {};
}

Result<Fd> lockFile(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return failErrno("os.open", "cannot open lock " + path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail("os.locked", path + " is locked by another process");
    return failErrno("os.lock", "cannot lock " + path, errno);
  }
  return fd;
}

}  // namespace sp::os
