#include "agent/guard/lease_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".lease";

/// Twice: a reader that comes in the middle of a write sees two numbers that differ.
std::string textOf(Duration until) { return fmt::format("{0:020} {0:020}\n", until.count()); }

std::optional<Duration> read(const std::string& path) {
  const auto text = os::readFile(path, 64);
  if (!text) return std::nullopt;
  const auto words = split(trim(*text), ' ');
  if (words.size() != 2 || words[0] != words[1]) return std::nullopt;
  const auto number = parseInt(words[0]);
  return number ? std::optional(Duration(*number)) : std::nullopt;
}

/// The whole file, for whoever holds the descriptor and its copies.
struct flock wholeFile() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

std::string LeaseFiles::folder(const std::string& freeze_id) const { return directory_ + "/" + percentEncode(freeze_id); }

std::string LeaseFiles::pathOf(const std::string& freeze_id) const { return folder(freeze_id) + std::string(kEnding); }

Result<void> LeaseFiles::set(const std::string& freeze_id, Duration until) const {
  const auto path = pathOf(freeze_id);
  const auto text = textOf(until);
  const os::Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  // A new one is there whole or not at all.
  if (!file) {
    const auto aside = path + ".new";
    auto written = os::writeFile(aside, text, 0600);
    if (written && ::rename(aside.c_str(), path.c_str()) != 0) written = failErrno("os.rename", "cannot rename to " + path, errno);
    if (!written) ::unlink(aside.c_str());
    return written;
  }
  const auto put = ::pwrite(file.get(), text.data(), text.size(), 0);
  if (put != static_cast<ssize_t>(text.size()))
    return failErrno(errno == ENOSPC ? "os.full" : "os.write", "cannot write " + path, put < 0 ? errno : ENOSPC);
  return {};
}

std::optional<Duration> LeaseFiles::get(const std::string& freeze_id) const { return read(pathOf(freeze_id)); }

std::map<std::string, Duration> LeaseFiles::all() const {
  std::map<std::string, Duration> out;
  for (const auto& [id, lease] : known())
    if (lease) out.emplace(id, get(id).value_or(Duration(0)));
  return out;
}

std::map<std::string, bool> LeaseFiles::known() const {
  std::map<std::string, bool> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
    auto name = entry.path().filename().string();
    const bool lease = name.ends_with(kEnding);
    if (!lease && !entry.is_directory(ignored)) continue;
    if (lease) name.resize(name.size() - kEnding.size());
    auto& has_lease = out[percentDecode(name).value_or(name)];
    has_lease = has_lease || lease;
  }
  return out;
}

void LeaseFiles::remove(const std::string& freeze_id) const {
  std::error_code ignored;
  fs::remove_all(folder(freeze_id), ignored);
  ::unlink(pathOf(freeze_id).c_str());
}

bool LeaseFiles::isGuarded() const {
  const os::Fd file(::open((directory_ + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  auto lock = wholeFile();
  return file && ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

Result<os::Fd> LeaseFiles::lock() const {
  const auto path = directory_ + "/lock";
  os::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return failErrno("os.open", "cannot open lock " + path, errno);
  auto lock = wholeFile();
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) == 0) return file;
  if (errno == EAGAIN || errno == EACCES) return fail("os.locked", path + " is locked by another process");
  return failErrno("os.lock", "cannot lock " + path, errno);
}

}  // namespace sp::agent
