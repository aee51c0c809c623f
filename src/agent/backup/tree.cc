#include "agent/backup/tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

/// An O_PATH descriptor of `path` inside `root`; errno is set when there is none.
os::Fd openIn(const os::Fd& root, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return os::Fd(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

Result<os::Fd> openRoot(const std::string& root) {
  os::Fd fd(::open(root.empty() ? "/" : root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failErrno("tree.read", "cannot open " + root, errno);
  return fd;
}

/// The path of an open folder, from outside.
Result<std::string> nameOf(const os::Fd& folder) {
  std::error_code error;
  auto name = fs::read_symlink(fmt::format("/proc/self/fd/{}", folder.get()), error).string();
  if (error) return failErrno("tree.folder", "cannot tell a folder's name", error.value());
  return name;
}

Result<void> copyAttributes(const std::string& from, const std::string& to) {
  const auto size = ::llistxattr(from.c_str(), nullptr, 0);
  if (size <= 0) return {};
  std::string names(static_cast<std::size_t>(size), '\0');
  const auto got = ::llistxattr(from.c_str(), names.data(), names.size());
  names.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  for (const auto name : split(names, '\0')) {
    if (name.empty()) continue;
    const std::string text(name);
    std::string value(65536, '\0');
    const auto length = ::lgetxattr(from.c_str(), text.c_str(), value.data(), value.size());
    if (length < 0) continue;
    if (::lsetxattr(to.c_str(), text.c_str(), value.data(), static_cast<std::size_t>(length), 0) != 0) {
      return failErrno("tree.move", fmt::format("cannot set attribute {} of {}", text, to), errno);
    }
  }
  return {};
}

Result<void> copyFolderFacts(const std::string& from, const std::string& to, const struct stat& facts) {
  if (::lchown(to.c_str(), facts.st_uid, facts.st_gid) != 0 || ::chmod(to.c_str(), facts.st_mode & 07777U) != 0) {
    return failErrno("tree.move", "cannot change owner and mode of " + to, errno);
  }
  SP_CHECK_OK(copyAttributes(from, to));
  const std::array<timespec, 2> times{facts.st_atim, facts.st_mtim};
  if (::utimensat(AT_FDCWD, to.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    return failErrno("tree.move", "cannot set the times of " + to, errno);
  return {};
}

Result<std::vector<std::string>> namesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  if (error) return failErrno("tree.read", "cannot list " + folder, error.value());
  return names;
}

bool isMountPoint(const std::string& path) {
  struct statx about{};
  constexpr std::uint64_t kMountRoot = STATX_ATTR_MOUNT_ROOT;
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &about) != 0) return false;
  return (about.stx_attributes_mask & kMountRoot) != 0 && (about.stx_attributes & kMountRoot) != 0;
}

/// What bounds a rename: the mount and, as a mount may hold several, the file system.
struct Volume {
  std::uint64_t mount = 0;
  dev_t device = 0;
  bool folder = false;
  bool holds(const Volume& other) const { return mount == other.mount && device == other.device; }
};

/// Where `path` lies, a link not followed; nothing if it is not there.
Result<std::optional<Volume>> volumeOf(const std::string& path) {
  struct statx about{};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID, &about) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return failErrno("tree.read", "cannot look at " + path, errno);
  }
  return Volume{.mount = (about.stx_mask & STATX_MNT_ID) != 0 ? about.stx_mnt_id : 0,
                .device = ::makedev(about.stx_dev_major, about.stx_dev_minor),
                .folder = S_ISDIR(about.stx_mode)};
}

/// A mount point below `folder`; empty: none, or it is no folder.
Result<std::string> mountBelow(const std::string& folder) {
  std::error_code error;
  if (fs::symlink_status(folder, error).type() != fs::file_type::directory) return std::string();
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (isMountPoint(at->path().string())) return at->path().string();
  if (error) return failErrno("tree.read", "cannot list " + folder, error.value());
  return std::string();
}

/// Where an entry waits that is replaced by one of another kind: beside the tree that comes, on the same mount.
std::string replacedOf(const std::string& tree) { return tree + ".replaced"; }

Result<void> removeAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return failErrno("tree.move", "cannot remove " + path, error.value());
  return {};
}

/// Puts `from` in the place of `to`, of another kind: that goes only once `from` stands there.
Result<void> replaceEntry(const std::string& from, const std::string& to, const std::string& old) {
  SP_TRY(const auto mounted, mountBelow(to));
  if (!mounted.empty()) return fail("tree.move", fmt::format("cannot replace {}: {} is a mount point", to, mounted));
  SP_CHECK_OK(removeAll(old));
  if (::rename(to.c_str(), old.c_str()) != 0) return failErrno("tree.move", "cannot replace " + to, errno);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    (void)::rename(old.c_str(), to.c_str());
    return failErrno("tree.move", fmt::format("cannot move {} to {}", from, to), error);
  }
  return removeAll(old);
}

Result<void> mergeFolder(const std::string& from, const std::string& to, const std::string& old);

Result<void> moveEntry(const std::string& from, const std::string& to, const std::string& old) {
  struct stat coming{};
  struct stat there{};
  if (::lstat(from.c_str(), &coming) != 0) return failErrno("tree.move", "cannot read " + from, errno);
  const bool taken = ::lstat(to.c_str(), &there) == 0;
  if (S_ISDIR(coming.st_mode) && taken && S_ISDIR(there.st_mode)) {
    // A mounted file system (/usr, /proc of a running machine) is not the machine's volume: its folder is left alone.
    if (isMountPoint(to) && fs::is_empty(from)) {
      ::rmdir(from.c_str());
      return {};
    }
    SP_CHECK_OK(mergeFolder(from, to, old));
    SP_CHECK_OK(copyFolderFacts(from, to, coming));
    if (::rmdir(from.c_str()) != 0) return failErrno("tree.move", "cannot remove " + from, errno);
    return {};
  }
  if (taken && (S_ISDIR(there.st_mode) || S_ISDIR(coming.st_mode))) return replaceEntry(from, to, old);
  if (::rename(from.c_str(), to.c_str()) != 0) return failErrno("tree.move", fmt::format("cannot move {} to {}", from, to), errno);
  return {};
}

Result<void> mergeFolder(const std::string& from, const std::string& to, const std::string& old) {
  SP_TRY(const auto names, namesIn(from));
  for (const auto& name : names) SP_CHECK_OK(moveEntry(from + "/" + name, to + "/" + name, old));
  return {};
}

/// Whether a tree's entries can be renamed to where they go, by what is there now.
struct MoveCheck {
  /// Where the tree lies.
  Volume own;
  /// What of a path is before the machine's "/".
  std::size_t outer;

  std::string named(const std::string& path) const { return path.size() > outer ? path.substr(outer) : "/"; }

  /// `foreign`: the folder that is not where the tree is, if `to` lies in one.
  Result<void> entry(const std::string& from, const std::string& to, const std::string& foreign) const {
    SP_TRY(const auto coming, volumeOf(from));
    SP_TRY(const auto there, volumeOf(to));
    if (!coming) return {};
    if (coming->folder && there && there->folder) {
      SP_TRY(const auto names, namesIn(from));
      if (names.empty()) return {};
      const auto inside = there->holds(own) ? std::string() : foreign.empty() ? to : foreign;
      for (const auto& name : names) SP_CHECK_OK(entry(from + "/" + name, (to == "/" ? "" : to) + "/" + name, inside));
      return {};
    }
    if (!foreign.empty())
      return fail("tree.mount",
                  fmt::format("{} is another file system than the target, and {} cannot be moved there: restore into a folder of "
                              "that file system; nothing was put in place",
                              named(foreign), named(to)));
    if (!there) return {};
    std::string mounted = to;
    if (there->mount == own.mount) { SP_TRY(mounted, mountBelow(to)); }
    if (mounted.empty()) return {};
    return fail("tree.mount",
                fmt::format("{} would have to be replaced, and {} is a mount point: unmount it, or restore into another folder; "
                            "nothing was put in place",
                            named(to), named(mounted)));
  }
};

std::vector<std::string> partsOf(const std::string& path) {
  std::vector<std::string> parts;
  for (const auto part : split(path, '/'))
    if (!part.empty()) parts.emplace_back(part);
  return parts;
}

/// The folder that `inside`, a path below `top`, is or leads to; nothing if nothing is there. `name`: the same path from outside.
Result<std::optional<std::string>> wayThrough(const os::Fd& top, const std::string& inside, const std::string& name, dev_t device) {
  const auto folder = openIn(top, inside, O_DIRECTORY);
  struct stat about{};
  if (!folder) {
    const int error = errno;
    if (error == ENOENT && ::lstat(name.c_str(), &about) != 0 && errno == ENOENT) return std::nullopt;
    return failErrno("tree.way",
                     fmt::format("{} is above a path of includePaths and must be a folder or a link to one: make it one, or name it in "
                                 "includePaths too; nothing was put in place",
                                 inside),
                     error);
  }
  SP_TRY(auto found, nameOf(folder));
  if (::fstat(folder.get(), &about) != 0) return failErrno("tree.read", "cannot look at " + inside, errno);
  if (about.st_dev != device)
    return fail("tree.way", fmt::format("{}, which is above a path of includePaths, lies on another file system than the target: restore "
                                        "into a folder of that file system; nothing was put in place",
                                        inside));
  return found;
}

}  // namespace

Result<void> checkPresent(const std::string& root, const std::string& path) {
  SP_TRY(const auto top, openRoot(root));
  if (openIn(top, path, O_NOFOLLOW)) return {};
  if (errno == ENOENT || errno == ENOTDIR) return fail("tree.missing", path + " does not exist");
  return failErrno("tree.read", "cannot look at " + path, errno);
}

Result<std::string> makeFolderIn(const std::string& root, const std::string& path, std::vector<std::string>* made) {
  SP_TRY(const auto top, openRoot(root));
  os::Fd at = openIn(top, "/", O_DIRECTORY);
  std::string so_far;
  for (const auto part : split(path, '/')) {
    if (part.empty()) continue;
    so_far += fmt::format("/{}", part);
    auto next = openIn(top, so_far, O_DIRECTORY);
    if (!next && errno == ENOENT) {
      if (::mkdirat(at.get(), std::string(part).c_str(), 0755) != 0) return failErrno("tree.folder", "cannot create " + so_far, errno);
      next = openIn(top, so_far, O_DIRECTORY);
      if (next && made != nullptr)
        if (auto outside = nameOf(next)) made->push_back(std::move(*outside));
    }
    if (!next) return failErrno("tree.folder", "cannot use " + so_far + " as a folder", errno);
    at = std::move(next);
  }
  return withContext(nameOf(at), "find " + path);
}

Result<TreeSize> measureTree(const std::string& folder) {
  TreeSize size;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    ++size.entries;
    std::error_code ignored;
    if (at->is_regular_file(ignored) && !at->is_symlink(ignored)) size.bytes += static_cast<std::int64_t>(at->file_size(ignored));
  }
  if (error) return failErrno("tree.read", "cannot list " + folder, error.value());
  return size;
}

Result<bool> isEmptyFolder(const std::string& folder, const std::string& but_for) {
  SP_TRY(const auto names, namesIn(folder));
  return std::ranges::all_of(names, [&](const auto& name) { return name == but_for; });
}

Result<void> mergeTree(const std::string& from, const std::string& to) {
  struct stat about{};
  if (::lstat(from.c_str(), &about) != 0 && errno == ENOENT) return {};
  const auto old = replacedOf(from);
  SP_CHECK_OK(mergeFolder(from, to, old));
  // What an agent that was killed had left there.
  SP_CHECK_OK(removeAll(old));
  if (::rmdir(from.c_str()) != 0) return failErrno("tree.move", "cannot remove " + from, errno);
  return {};
}

std::vector<std::string> missingIn(const std::string& tree, const std::vector<std::string>& paths) {
  std::vector<std::string> missing;
  for (const auto& path : paths) {
    const auto parts = partsOf(path);
    std::string at = tree;
    const bool there = std::ranges::all_of(parts, [&](const auto& part) {
      struct stat about{};
      const bool folder = at == tree || (::lstat(at.c_str(), &about) == 0 && S_ISDIR(about.st_mode));
      at += "/" + part;
      return folder && ::lstat(at.c_str(), &about) == 0;
    });
    if (!there) missing.push_back(path);
  }
  return missing;
}

Result<std::vector<Move>> planMoves(const std::string& root, const std::string& tree, const std::string& to,
                                    const std::vector<std::string>& paths) {
  SP_TRY(const auto top, openRoot(root));
  SP_TRY(const auto top_name, nameOf(top));
  const auto outer = top_name == "/" ? std::size_t{0} : top_name.size();
  struct stat source{};
  if (::lstat(tree.c_str(), &source) != 0) return failErrno("tree.read", "cannot look at " + tree, errno);
  std::set<std::vector<std::string>> wanted;
  for (const auto& path : paths) wanted.insert(partsOf(path));
  std::set<Move> moves;
  for (const auto& parts : wanted) {
    Move move{tree, to};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      move.from += "/" + parts[i];
      move.to += (move.to == "/" ? "" : "/") + parts[i];
      // What is wanted itself, or lies in something that is wanted: it replaces.
      if (wanted.contains({parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i) + 1})) break;
      SP_TRY(auto folder, wayThrough(top, move.to.substr(outer), move.to, source.st_dev));
      if (!folder) break;
      move.to = std::move(*folder);
    }
    moves.insert(std::move(move));
  }
  return std::vector<Move>(moves.begin(), moves.end());
}

Result<void> checkMoves(const std::string& root, const std::string& tree, const std::vector<Move>& moves) {
  SP_TRY(const auto top, openRoot(root));
  SP_TRY(const auto top_name, nameOf(top));
  SP_TRY(const auto own, volumeOf(tree));
  if (!own) return fail("tree.read", tree + " is gone");
  const MoveCheck check{*own, top_name == "/" ? std::size_t{0} : top_name.size()};
  for (const auto& move : moves) {
    const auto folder = fs::path(move.to).parent_path().string();
    SP_TRY(const auto above, volumeOf(folder));
    SP_CHECK_OK(check.entry(move.from, move.to, above && above->holds(*own) ? "" : folder));
  }
  return {};
}

Result<void> moveParts(const std::vector<Move>& moves, const std::string& tree) {
  const auto old = replacedOf(tree);
  for (const auto& move : moves) {
    struct stat about{};
    if (::lstat(move.from.c_str(), &about) != 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    SP_CHECK_OK(moveEntry(move.from, move.to, old));
  }
  SP_CHECK_OK(removeAll(old));
  return removeAll(tree);
}

}  // namespace sp::agent
