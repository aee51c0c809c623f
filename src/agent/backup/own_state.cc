#include "agent/backup/own_state.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "agent/backup/restic_process.h"
#include "agent/scripts/run_as.h"
#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

std::string withoutSlash(const fs::path& path) {
  auto text = path.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto whole = fs::absolute(path, error);
  return withoutSlash(error ? fs::path(path) : whole);
}

/// Links are followed as far as there is something.
std::string resolved(const std::string& path) {
  std::error_code error;
  const auto real = fs::weakly_canonical(path, error);
  return error ? absolute(path) : withoutSlash(real);
}

/// With the last part as it is written.
std::string placeOf(const std::string& path) {
  const fs::path whole(absolute(path));
  return whole.has_relative_path() ? withoutSlash(fs::path(resolved(whole.parent_path().string())) / whole.filename()) : whole.string();
}

/// The part of `path` below `folder`, "" for the folder itself.
std::optional<std::string> below(const std::string& path, const std::string& folder) {
  const auto top = folder == "/" ? std::string() : folder;
  if (path == folder) return "";
  if (path.size() <= top.size() || !path.starts_with(top) || path[top.size()] != '/') return std::nullopt;
  return path.substr(top.size() + 1);
}

bool isSameFolder(const std::string& left, const std::string& right) {
  struct stat a{};
  struct stat b{};
  return ::lstat(left.c_str(), &a) == 0 && ::lstat(right.c_str(), &b) == 0 && S_ISDIR(a.st_mode) && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

bool isFolder(const std::string& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() == fs::file_type::directory;
}

/// A path in mountinfo: blanks and backslashes stand there as \\ and three octal digits.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
    i += 3;
  }
  return out;
}

/// A file system's part and where it is mounted.
struct Mount {
  std::string device;
  std::string part;
  std::string at;
};

std::vector<Mount> readMounts(std::string_view text) {
  constexpr std::size_t kDevice = 2;
  constexpr std::size_t kPart = 3;
  constexpr std::size_t kAt = 4;
  std::vector<Mount> out;
  for (const auto line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() > kAt) out.push_back({std::string(words[kDevice]), unescaped(words[kPart]), unescaped(words[kAt])});
  }
  return out;
}

}  // namespace

std::vector<std::string> otherNames(std::string_view mounts, const std::string& path) {
  const auto all = readMounts(mounts);
  // Of mounts at the same place the last one is seen.
  const Mount* own = nullptr;
  for (const auto& mount : all)
    if (below(path, mount.at) && (own == nullptr || mount.at.size() >= own->at.size())) own = &mount;
  if (own == nullptr) return {};
  const auto inside = withoutSlash(fs::path(own->part) / *below(path, own->at));
  std::vector<std::string> out;
  for (const auto& mount : all) {
    if (&mount == own || mount.device != own->device) continue;
    if (const auto inner = below(inside, mount.part)) out.push_back(withoutSlash(fs::path(mount.at) / *inner));
    else if (below(mount.part, inside) && !below(mount.at, path)) out.push_back(mount.at);
  }
  return out;
}

OwnState::OwnState(const Identity& identity) {
  add("the agent's own state", identity.stateDir());
  add("the agent's own state", usersFolder(identity.stateDir()));
  if (identity.agent() == "host") add("the server's own data", fs::path(absolute(identity.stateDir())).parent_path().string());
}

void OwnState::add(std::string what, const std::string& path) {
  std::vector<std::string> names{absolute(path), placeOf(path), resolved(path)};
  if (const auto mounts = os::readFile("/proc/self/mountinfo")) {
    for (auto& name : otherNames(*mounts, names.back())) names.push_back(std::move(name));
  }
  for (const auto& name : names)
    if (std::ranges::none_of(folders_, [&](const Folder& folder) { return folder.path == name; })) folders_.push_back({what, name});
}

Result<void> OwnState::checkOutside(const std::string& path, bool follow) const {
  const auto real = follow ? resolved(path) : placeOf(path);
  for (const auto& folder : folders_) {
    bool inside = below(real, folder.path).has_value();
    // By the folders' numbers too: a bind mount has another name.
    for (fs::path at(real); !inside; at = at.parent_path()) {
      inside = isSameFolder(at.string(), folder.path);
      if (!at.has_relative_path()) break;
    }
    if (inside)
      return fail("agent.own_state", fmt::format("{} lies in {} ({}), which is in no backup and not restored to: name another path", path,
                                                 folder.what, folder.path));
  }
  return {};
}

std::vector<std::string> OwnState::patternsFor(const std::vector<std::string>& paths) const {
  std::vector<std::string> out;
  const auto put = [&](const std::string& path) {
    auto pattern = literalPattern(path);
    if (std::ranges::find(out, pattern) == out.end()) out.push_back(std::move(pattern));
  };
  for (const auto& folder : folders_) {
    put(folder.path);
    // restic calls what it finds by the path that was asked for, links on the way to it included.
    for (const auto& path : paths)
      if (const auto inner = below(folder.path, placeOf(path)); inner) put(withoutSlash(fs::path(path) / *inner));
  }
  return out;
}

Result<std::vector<std::string>> OwnState::removeFrom(const std::string& tree, const std::string& target) const {
  std::vector<std::string> out;
  for (const auto& folder : folders_) {
    const auto inner = below(folder.path, target);
    if (!inner || inner->empty()) continue;
    fs::path way;
    for (const auto& part : fs::path(*inner)) {
      way /= part;
      const auto coming = (fs::path(tree) / way).string();
      const auto there = (fs::path(target) / way).string();
      std::error_code error;
      if (fs::symlink_status(coming, error).type() == fs::file_type::not_found) break;
      // A folder over a folder changes nothing of what lies in it.
      if (there != folder.path && isFolder(coming) && isFolder(there)) continue;
      error.clear();
      fs::remove_all(coming, error);
      if (error) return fail("agent.own_state", fmt::format("cannot leave out {}: {}", there, error.message()));
      out.push_back(there);
      break;
    }
  }
  return out;
}

}  // namespace sp::agent
